"""The stop switch and real processes: each one obeys at once, and it outlives all of them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from sync import switch
from tests.faults.hands import HALF_MONTH
from tests.faults.processes import child
from tests.flows.world import ADMIN, MARKETING, World, whole_world

ACCOUNTS = ("a", "b", "c", "d")


@pytest.fixture
async def world(database_url: str) -> AsyncIterator[World]:
    """Doors here, work in children."""
    async with whole_world(database_url, work=False) as made:
        yield made


async def test_two_workers_wait_die_and_charge_once(world: World, tmp_path: Path) -> None:
    """Confirmed and then stopped: two workers send nothing, also after both were killed and begun again.

    After `go` the same workers carry every change on by themselves, each with one charge.
    """
    await _bought(world, tmp_path)
    changes = [await _confirmed(world, account) for account in ACCOUNTS]
    await switch.stop(world.billing.pool, actor="olga", reason="a test")
    for _ in range(2):
        async with child(world, tmp_path, "work") as one, child(world, tmp_path, "work") as two:
            await world.eventually(lambda: _all_wait(world, changes))
            one.kill()
            two.kill()
            await asyncio.gather(one.wait(), two.wait())
        assert [0] * len(changes) == [await _charges(world, change) for change in changes]
        # As if the dead ones' leases were over.
        await world.billing.pool.execute(
            "UPDATE change_leg SET leased_until = '-infinity', next_attempt_at = now(), reason = NULL "
            "WHERE ended_at IS NULL"
        )
    async with child(world, tmp_path, "work"), child(world, tmp_path, "work"):
        await world.eventually(lambda: _all_wait(world, changes))
        await switch.go(world.billing.pool, actor="olga", reason="the test is over")
        ended = await asyncio.gather(*(world.settled(change) for change in changes))
    assert ["settled"] * len(changes) == [change["state"] for change in ended]
    assert [1] * len(changes) == [await _charges(world, change) for change in changes]


async def test_other_process_s_doors_are_shut_at_once(world: World, tmp_path: Path) -> None:
    """The switch is thrown here; a server and a worker that were running obey the next request already."""
    await _bought(world, tmp_path)
    quotes = [await world.quote({"seats": 8}, account) for account in ACCOUNTS]
    async with child(world, tmp_path, "work"):
        first = await world.settled((await world.confirm(quotes[0])).body)
        assert "settled" == first["state"]
        await switch.stop(world.billing.pool, actor="olga", reason="a test", account_id="b")
        said = [await world.confirm(quote) for quote in quotes[1:3]]
        assert [(409, "writes_stopped"), (200, None)] == [
            (each.status, each.body.get("code")) for each in said
        ]


async def _bought(world: World, folder: Path) -> None:
    async with child(world, folder, "work"):
        await world.sell(MARKETING)
        for account in ACCOUNTS:
            await world.account(account)
            await world.change(MARKETING.to_json(), account)
    await world.pass_time(HALF_MONTH)


async def _confirmed(world: World, account: str) -> dict[str, Any]:
    quote = await world.quote({"seats": 8}, account)
    said = await world.call("POST", f"/v1/quotes/{quote['id']}/confirm?wait=0", {"actor": ADMIN})
    assert 202 == said.status, said.body
    return said.body


async def _all_wait(world: World, changes: list[dict[str, Any]]) -> bool:
    found = [(await world.call("GET", f"/v1/changes/{change['id']}")).body for change in changes]
    return all(change["now"]["reason"] == "writes_stopped" for change in found)


async def _charges(world: World, change: dict[str, Any]) -> int:
    return len(await world.effects(change["id"], "charge"))
