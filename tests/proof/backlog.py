"""A backlog after an outage: worked off in time, with few reads, beside an admin who does not wait for it."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import aiohttp

from handlers import inbox
from handlers.envelope import read_envelope
from sync.store.db import Pool, create_pool
from tests.flows.world import ADMIN, MARKETING, World, settings_of
from tests.proof.deliveries import EVENTS_OF_ONE, settled
from tests.proof.stripe_source import Source, serving, source, unequal
from worker.app import started
from worker.config import Settings
from worker.local import free_port
from worker.twin.server import RunningTwin, TwinSettings, start

PUT_AT_ONCE = 1_000
# Of 100,000 events of 10,000 subscriptions 1,000 pairs are such that nobody can tell the order.
UNPROVABLE = 0.01
MOST_READS, MOST_SECONDS, SECONDS_ALWAYS = 0.015, 60 / 100_000, 60.0
# An admin confirms while it is worked off: once at least, and again with every so many events.
CONFIRM_SECONDS, EVENTS_FOR_A_CONFIRM = 3.0, 20_000
# Of a handful the slowest one is no percentile: beside other tests the machine may have stood still for it.
HANDFUL, SLOWEST_SECONDS = 20, 10.0
CONFIRMS_OF_ONE, BETWEEN_CONFIRMS = 6, 1.3
OPEN = "change_in_progress"


@dataclass(slots=True)
class Backlog:
    """What had piled up, and how long it took; `confirms` are the seconds from confirm to applied."""

    events: int = 0
    subscriptions: int = 0
    reads: int = 0
    unequal: int = 0
    seconds: float = 0
    confirms: list[float] = field(default_factory=list)

    @property
    def is_clean(self) -> bool:
        """Whether it was worked off in time, with few reads, and no admin waited for it."""
        return (
            not self.unequal
            and self.reads <= MOST_READS * self.events
            and self.seconds <= max(SECONDS_ALWAYS, MOST_SECONDS * self.events)
            and len(self.confirms) >= 1 + self.events // EVENTS_FOR_A_CONFIRM
            and self.p95 <= (CONFIRM_SECONDS if len(self.confirms) >= HANDFUL else SLOWEST_SECONDS)
        )

    @property
    def p95(self) -> float:
        return sorted(self.confirms)[int(len(self.confirms) * 0.95)] if self.confirms else 0.0

    @property
    def line(self) -> str:
        return (
            f"{'HELD' if self.is_clean else 'BROKEN'}: a backlog of {self.events} events over "
            f"{self.subscriptions} subscriptions applied in {self.seconds:.1f} s with {self.reads} reads: "
            f"{self.unequal} objects unequal; {len(self.confirms)} confirms meanwhile, "
            f"p95 {self.p95:.2f} s"
        )


async def pile_up(pool: Pool, told: Source) -> None:
    """Store all events as they were acknowledged while nobody applied them."""
    for start_at in range(0, len(told.events), PUT_AT_ONCE):
        bodies = told.events[start_at : start_at + PUT_AT_ONCE]
        await inbox.insert(pool, [read_envelope(body) for body in bodies])


async def backlog(url: str, events: int, seed: int) -> Backlog:
    """The product comes up again after an outage in which events piled up, and an admin is in a hurry."""
    pairs = int(events * UNPROVABLE)
    twin = await start(TwinSettings())
    try:
        told = await source(twin.base_url, events - 2 * pairs, events // EVENTS_OF_ONE, pairs, seed)
    finally:
        await twin.close()
    pool = await create_pool(url)
    async with _stripe_with(told) as (twin, settings_for):
        settings = settings_for(url)
        async with _product(settings, twin) as world:
            accounts = [f"acme{number}" for number in range(3 + events // 10_000)]
            for account_id in accounts:
                await world.buy(MARKETING, account_id)
        await pile_up(pool, told)
        await pool.execute("ANALYZE inbox")
        async with _product(settings, twin) as world:
            found = await _work_off(world, told, accounts)
    found.unequal = len(await unequal(pool, told))
    await pool.close()
    return found


@asynccontextmanager
async def _stripe_with(told: Source) -> AsyncIterator[tuple[RunningTwin, Callable[[str], Settings]]]:
    """A local Stripe behind the source, and the settings of a product on a database that works with both."""
    port, secret = free_port(), f"whsec_{secrets.token_hex(16)}"
    hook = f"http://127.0.0.1:{port}/webhooks/stripe"
    twin = await start(TwinSettings(webhook_url=hook, webhook_secret=secret))
    try:
        async with serving(told, twin.base_url) as address:
            yield twin, lambda url: settings_of(url, address, port, secret)
    finally:
        await twin.close()


@asynccontextmanager
async def _product(settings: Settings, twin: RunningTwin) -> AsyncIterator[World]:
    """`prorata run`: doors and work in one process."""
    async with started(settings, doors=True, work=True) as running, aiohttp.ClientSession() as client:
        yield World(running, twin, client, settings)


async def _work_off(world: World, told: Source, accounts: Sequence[str]) -> Backlog:
    """Time the product until nothing waits, while one change after the other is confirmed."""
    found, began = Backlog(len(told.events), told.subscriptions), time.monotonic()

    async def until_settled() -> float:
        await settled(world.billing.pool, None)
        return time.monotonic() - began

    done = asyncio.create_task(until_settled())
    try:
        # A change's own event waits behind the backlog: it is settled after ten seconds of silence, and its
        # account can change again. The fuse allows eight changes a minute.
        for number in range(CONFIRMS_OF_ONE * len(accounts)):
            if done.done():
                break
            account_id = accounts[number % len(accounts)]
            found.confirms += await _confirm(world, account_id, MARKETING.seats + 1 + number)
            await asyncio.wait({done}, timeout=BETWEEN_CONFIRMS)
        found.seconds = await done
    finally:
        done.cancel()
    found.reads = told.reads
    return found


async def _confirm(world: World, account_id: str, seats: int) -> list[float]:
    """Buy one more seat; the seconds until it is in force. None where the change before is not settled."""
    body = {"terms": {"seats": seats}, "actor": ADMIN}
    quote = await world.call("POST", f"/v1/accounts/{account_id}/quotes", body)
    if quote.body.get("code") == OPEN:
        return []
    began = time.monotonic()
    said = await world.confirm(quote.body)
    if said.body.get("code") == OPEN:
        return []
    assert said.status in (200, 202), said.body
    return [time.monotonic() - began]
