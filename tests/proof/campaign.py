"""Confirmed changes at size, on a deployment that is shot at; then peace, and Stripe's own ledger judges."""

from __future__ import annotations

import asyncio
import random
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from handlers import inbox
from sync import catalog_push
from sync.billing import Billing
from sync.reconcile.sweep import BY_HAND, Sweep
from sync.store import refresh
from tests.faults.judging import LATE_SECONDS
from tests.flows.increases import reachable
from tests.proof.customers import Crowd
from tests.proof.deployment import DAY, DOORS_LIVE, WORKER_LIVES, WORKERS, Deployment, deployment
from tests.proof.judge import Verdict, judge, judge_deliveries
from tests.support.postgres import space
from worker.app import catch_up_for
from worker.billing import billing_for

CUSTOMERS_AT_ONCE = 60
# What is left for the rest, when there is a time to keep to; what takes longer than the most of it, hangs.
PEACE_SECONDS = 30.0
LEAVE_SECONDS_MOST, PEACE_SECONDS_MOST = 60.0, 120.0
PAGE = 100

# Nobody has to wait for what waits on purpose.
HURRY = """
UPDATE change_leg SET next_attempt_at = now(), clean_read_at = clean_read_at - interval '70 s'
 WHERE ended_at IS NULL AND leased_until < now() AND state <> 'scheduled' AND next_attempt_at > now()
"""
# A promise is on its way again once its renewal is over.
OPEN = """
SELECT count(*) FROM change_leg
 WHERE ended_at IS NULL AND (state <> 'scheduled' OR extract(epoch FROM effective_on) < $1)
"""


async def run(seconds: float | None, changes: int | None, seed: int) -> Verdict:
    """A campaign of so many seconds, or of so many confirmed changes, whatever comes first."""
    dice, verdict, began = random.Random(seed), Verdict(), time.monotonic()
    with tempfile.TemporaryDirectory(dir=space()) as name:
        # The server's user, when we run as root, must be able to pass.
        folder = Path(name)
        folder.chmod(0o711)  # noqa: ASYNC240  in memory
        async with deployment(folder, dice) as site:
            crowd = await _fight(site, seconds, changes or 1_000_000_000, dice, verdict)
            verdict.accounts, verdict.shots, verdict.refused = crowd.accounts, site.shots, crowd.refused
            async with _billing(site) as billing:
                await judge_deliveries(site, billing, verdict)
                await judge(site, billing, crowd, verdict)
            verdict.broken += site.deaths
    verdict.seconds = time.monotonic() - began
    return verdict


async def _fight(
    site: Deployment, seconds: float | None, wanted: int, dice: random.Random, verdict: Verdict
) -> Crowd:
    """Customers on one side, misfortunes on the other; then peace, until everything has ended."""
    async with _billing(site) as billing:
        await _sell(billing)
        crowd = Crowd(site, billing.catalog, dice, wanted)
    async with asyncio.TaskGroup() as group:
        group.create_task(site.mortal(DOORS_LIVE, site.settings.http))
        for _ in range(WORKERS):
            group.create_task(site.mortal(WORKER_LIVES))
        shooting = group.create_task(site.shoot())
        timer = group.create_task(_peace_after(site, seconds))
        await _until_all_left(site, crowd, verdict)
        timer.cancel()
        await shooting
        async with _billing(site) as billing:
            await _come_to_rest(site, billing, verdict)
        site.stop.set()
    return crowd


async def _peace_after(site: Deployment, seconds: float | None) -> None:
    if seconds is not None:
        await asyncio.sleep(max(10.0, seconds - PEACE_SECONDS))
        site.calm.set()


async def _until_all_left(site: Deployment, crowd: Crowd, verdict: Verdict) -> None:
    """Customers come until there is peace, and everybody gets an answer then."""
    living = asyncio.create_task(crowd.live(CUSTOMERS_AT_ONCE))
    calm = asyncio.create_task(site.calm.wait())
    await asyncio.wait({living, calm}, return_when=asyncio.FIRST_COMPLETED)
    site.calm.set()
    _say(f"peace after {len(crowd.confirmed)} confirmed changes of {crowd.accounts} accounts")
    await asyncio.wait({living}, timeout=LEAVE_SECONDS_MOST)
    if not living.done():
        living.cancel()
        verdict.broken += [f"{who}: never answered: {what}" for who, what in crowd.unanswered.items()]
    with suppress(asyncio.CancelledError):
        await living


@asynccontextmanager
async def _billing(site: Deployment) -> AsyncIterator[Billing]:
    async with billing_for(site.settings, application_name="prorata-proof", connections=8) as billing:
        yield billing


async def _sell(billing: Billing) -> None:
    wanted = {
        slot for terms in reachable(billing.catalog) for slot in billing.catalog.items_for(terms, "usd")
    }
    await catalog_push.push(billing, await catalog_push.diff(billing, ["usd"], only=wanted))


async def _come_to_rest(site: Deployment, billing: Billing, verdict: Verdict) -> None:
    """Open payments run out, what was not delivered is caught up, and everything is swept."""
    now: int = (await site.control("POST", "clock", {"advance_seconds": DAY + 3_600}))["now"]
    over = now - LATE_SECONDS
    verdict.lost += await _unrest(billing, over)
    _say("the list of events")
    await catch_up_for(site.settings, billing, asyncio.Event()).run_once()
    verdict.lost += await _unrest(billing, over)
    _say("the sweep")
    await Sweep(billing, name=BY_HAND, grace_seconds=0).run_anew()
    verdict.lost += await _unrest(billing, over)
    _say("the judge")


async def _unrest(billing: Billing, over_unix: int) -> list[str]:
    """Wait until no change is on its way, no event waits, and nothing is in doubt; or say that it does."""
    deadline = time.monotonic() + PEACE_SECONDS_MOST
    while time.monotonic() < deadline:
        await billing.pool.execute(HURRY)
        changes = await billing.pool.fetchval(OPEN, over_unix)
        events, doubts = await inbox.waiting(billing.pool), (await refresh.backlog(billing.pool))[0]
        if not (changes or events or doubts):
            return []
        await asyncio.sleep(0.5)
    return [f"no rest: {changes} changes on their way, {events} events wait, {doubts} objects in doubt"]


def _say(what: str) -> None:
    print(f"  under fire: {what}", file=sys.stderr, flush=True)
