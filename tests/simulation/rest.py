"""What must hold at the end: faults are off, everything is delivered, everybody works until it is quiet."""

from __future__ import annotations

import asyncio
from typing import Any

from sync import parking, switch
from sync.catch_up import RETENTION_SECONDS
from sync.mirror_rows import Kind
from sync.rules.items import billed, without_empty
from sync.snapshot import render, snapshot
from sync.state_at_stripe import items_of
from sync.store import accounts as account_store
from sync.store import catalog_prices, mirror_rows
from sync.store.db import transaction
from tests.simulation import books
from tests.simulation.life import Life
from tests.simulation.people import ACCOUNTS

ROUNDS = 90
# Longer than Stripe holds back an unpaid change.
LONGEST_WAIT = 7_200.0
OPEN = """
SELECT change_id, leg, state, ending, extract(epoch FROM next_attempt_at - now())::float8 AS seconds
  FROM change_leg
 WHERE ended_at IS NULL AND NOT (state = 'scheduled' AND ending IS NULL AND effective_on > now())
"""
WAITING = """
SELECT (SELECT count(*) FROM inbox WHERE state = 'waiting') + (SELECT count(*) FROM refresh)
"""
BURIED = "SELECT id, last_error FROM inbox WHERE state = 'buried'"


async def come_to_rest(life: Life) -> list[str]:
    """Let everything end; returns what did not, and what is not as it should be."""
    await _calm(life)
    await _settle(life)
    if life.forgotten:
        # Stripe's own list goes back a month; only a sweep finds what was lost before.
        await life.stage.sweep()
        await _settle(life)
    broken = [f"L3: {row['change_id']} {row['leg']} is still {row['state']}" for row in await _open(life)]
    if await life.stage.pool.fetchval(WAITING):
        broken.append("L4: events or reads still wait")
    buried = await life.stage.pool.fetch(BURIED)
    broken += [f"L4: {row['id']} was buried: {row['last_error']}" for row in buried]
    return broken + await _mirror(life) + await _items(life) + await books.kept(life)


async def _settle(life: Life) -> None:
    for _ in range(ROUNDS):
        await _round(life)
        seconds = await _next(life)
        if seconds is None:
            return
        await life.stage.pass_time(seconds)


async def _calm(life: Life) -> None:
    """No faults any more; switches are off, and staff have looked at what was parked."""
    stage = life.stage
    stage.twin.faults.clear()
    await life.go_on()
    life.stopped_at = None
    await switch.go(stage.pool, actor="olga", reason="the run is over")
    for account_id in ACCOUNTS:
        await switch.go(stage.pool, actor="olga", reason="the run is over", account_id=account_id)
        await parking.unpark(stage.billing, account_id, actor="olga", reason="the run is over")


async def _round(life: Life) -> None:
    stage = life.stage
    life.gather()
    if life.lost:
        # What was never delivered is found in Stripe's own list.
        oldest = min(event.created for event in life.lost)
        life.forgotten |= oldest < stage.moment.unix - RETENTION_SECONDS
        life.lost.clear()
        await stage.catch_up.run_once()
    events, life.waiting = life.waiting, []
    await asyncio.gather(*(stage.deliver(event) for event in events))
    life.known += events
    await stage.applier.run_once()
    await stage.refresh.run_once()
    await stage.work()


async def _open(life: Life) -> list[Any]:
    return list(await life.stage.pool.fetch(OPEN))


async def _next(life: Life) -> float | None:
    """Seconds until there is something to do again; None when it is quiet."""
    rows = await _open(life)
    life.gather()
    if life.waiting or life.lost or await life.stage.pool.fetchval(WAITING):
        return 2.0
    if not rows:
        return None
    if all(row["state"] == "awaiting_payment" for row in rows):
        # Nobody pays any more: this lasts until Stripe drops it.
        return LONGEST_WAIT
    return min(max(min(row["seconds"] for row in rows), 1.0) + 1.0, LONGEST_WAIT)


async def _mirror(life: Life) -> list[str]:
    """L1: every object that an event was about is mirrored as Stripe has it now."""
    stage, broken = life.stage, []
    for kind in Kind:
        ids = [doc["id"] for doc in life.stripe.table(TABLES.get(kind, kind))]
        async with transaction(stage.pool) as conn:
            rows = await mirror_rows.load_rows(conn, kind, ids)
            children = await mirror_rows.load_children(conn, kind, ids)
        for object_id, row in rows.items():
            read = await stage.billing.gateway.read_object(kind, object_id)
            if read.body is None or b'"deleted":true' in read.body:
                continue
            shown = snapshot(render(kind, read.body))
            if (shown.row, shown.children) != (row, tuple(children.get(object_id, ()))):
                fields = [name for name, a, b in zip(row._fields, shown.row, row, strict=True) if a != b]
                broken.append(f"L1: {kind} {object_id} is not as Stripe has it in {fields or 'its children'}")
        if kind is Kind.SUBSCRIPTION:
            broken += [f"L1: {object_id} is not mirrored" for object_id in ids if object_id not in rows]
    return broken


TABLES: dict[str, str] = {}


async def _items(life: Life) -> list[str]:
    """L2: what Stripe bills is what the account has, unless somebody edited it by hand."""
    billing, broken = life.stage.billing, []
    book = await catalog_prices.book(billing.pool)
    for account_id in ACCOUNTS:
        account = await account_store.get(billing.pool, account_id)
        terms = await account_store.terms(billing.pool, account_id)
        if account is None or account.stripe_subscription_id is None or terms is None:
            continue
        if account_id in life.stripe.touched:
            continue
        subscription = await billing.gateway.subscription(account.stripe_subscription_id)
        if subscription.status in ("canceled", "incomplete_expired"):
            continue
        wanted = without_empty(billing.catalog.items_for(terms, "usd"))
        if billed(items_of(subscription), book) != wanted:
            broken.append(f"L2: {account_id} is billed for something else than {terms}")
    return broken
