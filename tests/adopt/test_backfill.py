"""A backfill reads Stripe's lists to their ends: the mirror of events, nothing lost, nothing doubled."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from sync import catch_up
from sync.backfill import Backfill, Filled
from sync.errors import StripeTrouble
from sync.mirror import Mirror
from sync.store import progress
from sync.store.db import Pool, Record, create_pool
from tests.adopt.builders import BASE, CONTACTS, SEATS
from tests.adopt.shop import Shop
from tests.flows.world import World
from tests.support import postgres

TABLES = (
    "stripe_customer", "stripe_product", "stripe_price", "stripe_subscription", "stripe_subscription_item",
    "stripe_invoice", "stripe_invoice_line", "stripe_charge", "stripe_payment_intent",
    "stripe_invoice_payment", "stripe_subscription_schedule", "stripe_subscription_schedule_item",
)  # fmt: skip


async def rows(pool: Pool) -> dict[str, list[Record]]:
    """Everything that is mirrored, in order."""
    return {table: await pool.fetch(f"SELECT * FROM {table} ORDER BY 1, 2") for table in TABLES}


async def fill(world: World, pool: Pool | None = None, since_unix: int | None = None) -> Filled:
    """Backfill the world's database, or another one."""
    filler = Backfill(pool or world.billing.pool, world.billing.gateway, Mirror())
    return await filler.run_once(since_unix=since_unix)


async def deaf(world: World) -> None:
    """From now on Stripe tells nothing."""
    await world.control("POST", "delivery", {"mode": "drop", "share": 1.0})


@asynccontextmanager
async def another_database(template: str) -> AsyncIterator[Pool]:
    async with postgres.fresh_database(template) as url:
        pool = await create_pool(url, min_size=1, max_size=4, application_name="prorata-test")
        yield pool
        await pool.close()


async def test_mirror_is_the_same_as_from_events(world: World, template_database: str) -> None:
    """Purchases, increases, a promise, a declined card, a refund, a renewal: every row of every table."""
    await world.buy()
    await world.change({"seats": 8})
    await world.settled((await world.confirm(await world.quote({"seats": 4}))).body)
    await world.card("pm_card_chargeDeclined")
    await world.confirm(await world.quote({"add_ons": ["sms"]}))
    await world.card("pm_card_visa")
    [charge, *_] = (await world.stripe("GET", "/v1/charges"))["data"]
    await world.stripe("POST", "/v1/refunds", charge=charge["id"], amount="100")
    await world.pass_time(32 * 86_400)
    await world.eventually(lambda: _quiet(world))
    async with another_database(template_database) as pool:
        filled = await fill(world, pool)
        by_events, by_lists = await rows(world.billing.pool), await rows(pool)

    assert by_events == by_lists
    assert [] == [table for table in TABLES if not by_lists[table]]
    assert 0 == filled.waiting
    assert (await rows(world.billing.pool)) == by_events


async def _quiet(world: World) -> bool:
    """Whether every event of Stripe's was applied, and nothing is left in doubt."""
    open_ = "SELECT count(*) FROM change_leg WHERE ended_at IS NULL"
    return await world.billing.pool.fetchval(open_) == 0 and await world.is_up_to_date()


async def test_backfill_over_events_changes_nothing(world: World) -> None:
    """What events have written already is read again, and no row is doubled or older than before."""
    await world.buy()
    await world.eventually(lambda: _quiet(world))
    before = await rows(world.billing.pool)
    await fill(world)
    await fill(world)
    assert before == await rows(world.billing.pool)


async def test_long_objects_are_complete(shop: Shop, world: World) -> None:
    """Stripe shows the first ten items and lines inside an object; the others are fetched."""
    await deaf(world)
    prices = [await shop.price(BASE, 100 + number) for number in range(12)]
    await shop.subscribe(await shop.customer(), dict.fromkeys(prices, 1))
    await fill(world)
    pool = world.billing.pool
    assert 12 == await pool.fetchval("SELECT count(*) FROM stripe_subscription_item")
    assert 12 == await pool.fetchval("SELECT count(*) FROM stripe_invoice_line")


async def test_deleted_objects_become_tombstones(shop: Shop, world: World) -> None:
    """What the lists no longer show is read by itself, and is gone."""
    await deaf(world)
    gone, kept = await shop.customer(card=None), await shop.customer(card=None)
    await fill(world)
    url, headers = f"{world.twin.base_url}/v1/customers/{gone}", {"Authorization": "Bearer sk_test_story"}
    async with world.client.delete(url, headers=headers) as answer:
        assert answer.status == 200
    await world.pass_time(60)
    filled = await fill(world)

    sql = "SELECT id, deleted_at IS NOT NULL FROM stripe_object WHERE kind = 'customer'"
    assert {gone: True, kept: False} == {row[0]: row[1] for row in await world.billing.pool.fetch(sql)}
    assert 1 == filled.streams["customer"].unseen


async def test_success_needs_every_stream(shop: Shop, world: World) -> None:
    """One list that fails leaves the whole unfinished; the next run reads only what is missing."""
    await deaf(world)
    await shop.customer()
    fault = {"method": "GET", "path": "/v1/charges", "times": -1, "status": 400}
    await world.control("POST", "faults", fault)
    with pytest.raises(StripeTrouble):
        await fill(world)
    unfinished = await progress.position(world.billing.pool, "backfill")
    begun = await progress.position(world.billing.pool, catch_up.NAME)
    await world.control("DELETE", "faults")
    filled = await fill(world)

    assert unfinished is not None
    assert (False, None) == (unfinished["done"], begun)
    assert (True, unfinished["started_unix"]) == (filled.resumed, filled.run.started_unix)
    assert {"created": filled.run.started_unix} == await progress.position(world.billing.pool, catch_up.NAME)


async def test_run_that_is_older_than_stripes_events_begins_anew(shop: Shop, world: World) -> None:
    """What its finished lists missed since then, no event tells any more; an hour younger, and it goes on."""
    await deaf(world)
    await shop.customer(card=None)
    first = await fill(world)
    pool, interrupted = world.billing.pool, {"since_unix": None, "done": False}
    found = []
    for age in (30 * 86_400, 30 * 86_400 - 7_200):
        begun = first.run.started_unix - age
        await progress.save(pool, "backfill", {"started_unix": begun, **interrupted})
        await progress.save(
            pool, "backfill:customer", {"started_unix": begun, "objects": 7, "done": True, "unseen": 0}
        )
        filled = await fill(world)
        found.append((filled.resumed, filled.streams["customer"].objects))

    assert [(False, 1), (True, 7)] == found


async def test_events_since_its_beginning_are_listed_next(world: World) -> None:
    """An older position stays, because nobody has listed the events since; a forgotten one is useless."""
    pool = world.billing.pool
    first = await fill(world)
    await progress.save(pool, catch_up.NAME, {"created": first.run.started_unix - 86_400})
    await fill(world)
    older = await progress.position(pool, catch_up.NAME)
    await progress.save(pool, catch_up.NAME, {"created": first.run.started_unix - 40 * 86_400})
    last = await fill(world)

    assert {"created": first.run.started_unix - 86_400} == older
    assert {"created": last.run.started_unix} == await progress.position(pool, catch_up.NAME)


async def test_since_leaves_out_older_invoices_and_payments(shop: Shop, world: World) -> None:
    """What is sold is read whole; what was paid, from that moment on. Nothing older is taken for gone."""
    await deaf(world)
    await shop.tagged(BASE, CONTACTS, SEATS)
    old = await shop.subscribe(await shop.customer(), {BASE: 1})
    await fill(world)
    await world.pass_time(86_400)
    now = (await world.control("GET", "clock"))["now"]
    new = await shop.subscribe(await shop.customer(), {BASE: 1})
    filled = await fill(world, since_unix=now)

    found = await world.billing.pool.fetch("SELECT subscription_id FROM stripe_invoice")
    assert {old, new} == {row[0] for row in found}
    assert (1, 2, 0) == (
        filled.streams["invoice"].objects,
        filled.streams["subscription"].objects,
        filled.streams["invoice"].unseen,
    )


async def test_cursor_whose_object_is_gone_begins_its_list_anew(shop: Shop, world: World) -> None:
    """A page that Stripe refuses because its cursor was deleted is no dead end."""
    await deaf(world)
    await shop.customer(card=None)
    first = await fill(world)
    pool, run = world.billing.pool, first.run
    await progress.save(
        pool, "backfill", {"started_unix": run.started_unix, "since_unix": None, "done": False}
    )
    position = await progress.position(pool, "backfill:customer")
    assert position is not None
    await progress.save(
        pool, "backfill:customer", {**position, "after": "cus_gone", "objects": 9, "done": False}
    )
    filled = await fill(world)
    assert (True, 1) == (filled.resumed, filled.streams["customer"].objects)
