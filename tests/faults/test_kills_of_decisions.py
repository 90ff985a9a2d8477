"""SIGKILL on each side of what is decided in one commit: it is there or not, and can be done once more."""

from __future__ import annotations

from collections.abc import AsyncIterator
from itertools import groupby
from pathlib import Path

import pytest

from sync.failpoints import Side
from tests.drift.edits import more_seats, set_item
from tests.faults import deeds
from tests.faults.deeds import ACCOUNTS, DECISIONS, LATE, LINKED, LOOKED, STUCK, TAKEN_OVER, Deed
from tests.faults.hands import Hands
from tests.faults.stories import around
from tests.faults.workers import doer
from tests.flows.world import World, whole_world

DEEDS = (*ACCOUNTS, *DECISIONS, *STUCK, TAKEN_OVER, LOOKED)
DIED_AT = around(*(deed.commit for deed in DEEDS))

# As if the dead one's lease were over, and nobody had been nudged.
LET_GO = "UPDATE change_leg SET leased_until = '-infinity', next_attempt_at = now() WHERE ended_at IS NULL"


@pytest.fixture
async def world(database_url: str) -> AsyncIterator[World]:
    async with whole_world(database_url, work=False) as made:
        yield made


async def dies(world: World, folder: Path, deed: Deed, side: Side) -> None:
    """Before the commit there is nothing of it, after it all of it."""
    async with doer(world.settings, folder, deed.do, f"{deed.commit}.{side}") as doomed:
        await doomed.dies()
    there = int(side is Side.AFTER_COMMIT)
    assert there == await world.billing.pool.fetchval(deed.count), f"dead at {deed.commit}.{side}"
    await world.billing.pool.execute(LET_GO)


async def survives(world: World, folder: Path, deed: Deed) -> None:
    """It is done by one that dies too early, and by one that dies when it has done it."""
    await dies(world, folder, deed, Side.BEFORE_COMMIT)
    await dies(world, folder, deed, Side.AFTER_COMMIT)


async def test_accounts_and_prices_exist_once(world: World, tmp_path: Path) -> None:
    """Whoever dies while an account is made: the next attempt goes on, and Stripe has one customer for it."""
    await world.stripe("POST", "/v1/customers", email=LINKED.email)
    for do, all_of_it in groupby(ACCOUNTS, lambda deed: deed.do):
        for deed in all_of_it:
            await survives(world, tmp_path, deed)
        await do(world.billing)
    emails = [each["email"] for each in (await world.stripe("GET", "/v1/customers"))["data"]]
    assert sorted(emails) == [LATE.email, LINKED.email]
    prices = [each["lookup_key"] for each in (await world.stripe("GET", "/v1/prices", limit="100"))["data"]]
    assert (
        len(prices)
        == len(set(prices))
        == await world.billing.pool.fetchval("SELECT count(*) FROM catalog_price")
    )


async def test_decisions_are_made_once(mid: Hands, tmp_path: Path) -> None:
    """Stopped, parked, asked for, approved, declined: told once, however often it is said."""
    world = mid.world
    await world.sell(deeds.replace(deeds.MARKETING, interval="year"))
    for deed in DECISIONS:
        await survives(world, tmp_path, deed)
        await deed.do(world.billing)
        assert 1 == await world.billing.pool.fetchval(deed.count), deed.commit
    told = await world.billing.pool.fetch("SELECT kind FROM notice WHERE kind LIKE 'request_%' ORDER BY kind")
    # Each time that support agrees, the amounts are fresh ones.
    offers = ["request_needs_confirm"] * 2
    assert ["request_declined", *offers, "request_submitted"] == [row["kind"] for row in told]


async def test_a_stuck_change_is_ended_by_what_a_person_says(mid: Hands, tmp_path: Path) -> None:
    """Nudged, resumed, resolved: whoever dies of it, it ends once, and nothing was charged."""
    change = await mid.confirm(await mid.world.quote({"seats": 8}))
    for deed in STUCK:
        await mid.world.billing.pool.execute(f"DELETE FROM queue.pgqueuer; {LET_GO}")
        await survives(mid.world, tmp_path, deed)
    await deeds.say_not_applied(mid.world.billing)
    assert "expired" == (await mid.look(change))["state"]
    assert [] == await mid.world.effects(change["id"], "charge")


async def test_findings_are_closed_once(mid: Hands, tmp_path: Path) -> None:
    """What Stripe bills is taken over as bought, or a look finds nothing any more: nothing is charged."""
    world = mid.world
    await more_seats(world, quantity=9)
    await survives(world, tmp_path, TAKEN_OVER)
    for side in (Side.BEFORE_COMMIT, Side.AFTER_COMMIT):
        await more_seats(world, quantity=7)
        await set_item(world, "seats", quantity=9)
        await dies(world, tmp_path, LOOKED, side)
    for deed in (TAKEN_OVER, LOOKED):
        await deed.do(world.billing)
        assert 1 == await world.billing.pool.fetchval(deed.count), deed.commit
    states = await world.billing.pool.fetch("SELECT state FROM finding")
    assert {"repaired"} == {row["state"] for row in states} - {"gone"}
    assert 12 == (await world.view())["terms"]["seats"]
    assert 1 == len((await world.control("GET", "ledger?kind=charge"))["data"])
