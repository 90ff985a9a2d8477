"""SIGKILL around every write of a promise for the renewal: it is made once, and kept."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sync.failpoints import Failpoint
from tests.faults.processes import child, dies
from tests.flows.world import ADMIN, MARKETING, World, whole_world

BOUGHT = replace(MARKETING, seats=8)
HALF_MONTH = 14 * 86_400
PLACING = [
    point
    for point in Failpoint
    if point.startswith(("renewal_create.", "renewal_phases.", "renewal.scheduled"))
]
# In the order in which a renewal passes them: each costs a lease of fifteen seconds.
RENEWING = [Failpoint.RENEWAL_APPLY_BEFORE_COMMIT, Failpoint.RENEWAL_RELEASE_AFTER_CALL]


@pytest.fixture
async def world(database_url: str) -> AsyncIterator[World]:
    """Doors here, work in children that may die."""
    async with whole_world(database_url, work=False) as made:
        yield made


async def test_a_promise_is_made_once_whoever_dies(world: World, tmp_path: Path) -> None:
    """A worker dies at every point on the way to Stripe: the next one ends with one schedule, and the
    renewal brings the promised seats."""
    accounts = await _accounts(world, tmp_path, len(PLACING))
    changes = [
        await _dies_at(world, tmp_path, account, point)
        for account, point in zip(accounts, PLACING, strict=True)
    ]
    async with child(world, tmp_path, "work"):
        for change, account in zip(changes, accounts, strict=True):
            await world.eventually(lambda change=change: _is(world, change, "scheduled"), 40)
            schedules = await _schedules(world, account)
            assert ["active"] == [each["status"] for each in schedules]
        await _renew(world, accounts[0])
        for change, account in zip(changes, accounts, strict=True):
            await world.eventually(lambda change=change: _is(world, change, "settled"), 40)
            assert (await world.view(account))["terms"]["seats"] == 5


async def test_a_renewal_is_seen_once_whoever_dies(world: World, tmp_path: Path) -> None:
    """A worker dies while it takes note of the renewal, or lets the spent schedule go."""
    accounts = await _accounts(world, tmp_path, len(RENEWING))
    async with child(world, tmp_path, "work"):
        changes = [(await _confirm(world, account)).body for account in accounts]
        for change in changes:
            await world.eventually(lambda change=change: _is(world, change, "scheduled"), 40)
    await _renew(world, accounts[0])
    for point in RENEWING:
        async with child(world, tmp_path, "work", point) as worker:
            await dies(worker)
    async with child(world, tmp_path, "work"):
        for change, account in zip(changes, accounts, strict=True):
            await world.eventually(lambda change=change: _is(world, change, "settled"), 40)
            found = (await world.call("GET", f"/v1/changes/{change['id']}")).body
            assert found["at_renewal"]["difference_minor"] == 0
            assert ["released"] == [each["status"] for each in await _schedules(world, account)]


async def test_a_purchase_and_the_promise_before_it_survive_a_death(world: World, tmp_path: Path) -> None:
    """Five seats are promised and more contacts are paid; the worker dies before the promise is written
    anew. Until then the old schedule leads to the old seats; the renewal brings both."""
    [account] = await _accounts(world, tmp_path, 1)
    await world.sell(replace(BOUGHT, contact_limit=2500))
    async with child(world, tmp_path, "work"):
        promised = (await _confirm(world, account)).body
        await world.eventually(lambda: _is(world, promised, "scheduled"), 40)
    async with child(world, tmp_path, "work", Failpoint.APPLY_AFTER_COMMIT) as worker:
        quote = await world.quote({"contact_limit": 2500}, account)
        path = f"/v1/quotes/{quote['id']}/confirm?wait=0"
        bought = (await world.call("POST", path, {"actor": ADMIN})).body
        await dies(worker)
    [schedule] = await _schedules(world, account)
    assert ("active", 2) == (schedule["status"], len(_ahead(schedule)))
    async with child(world, tmp_path, "work"):
        await world.eventually(lambda: _is(world, bought, "scheduled"), 40)
        await _renew(world, account)
        await world.eventually(lambda: _is(world, bought, "settled"), 40)
    terms = (await world.view(account))["terms"]
    assert (5, 2500) == (terms["seats"], terms["contact_limit"])
    assert ["released"] == [each["status"] for each in await _schedules(world, account)]


def _ahead(schedule: dict[str, Any]) -> list[dict[str, Any]]:
    """The running phase and those that follow."""
    running = schedule["current_phase"]["start_date"]
    return [phase for phase in schedule["phases"] if phase["start_date"] >= running]


async def _accounts(world: World, folder: Path, count: int) -> list[str]:
    accounts = [f"acme{number}" for number in range(count)]
    async with child(world, folder, "work"):
        await world.sell(BOUGHT)
        for account in accounts:
            await world.account(account)
            await world.change(BOUGHT.to_json(), account)
    await world.pass_time(HALF_MONTH)
    return accounts


async def _confirm(world: World, account: str) -> Any:
    quote = await world.quote({"seats": 5}, account)
    return await world.call("POST", f"/v1/quotes/{quote['id']}/confirm?wait=0", {"actor": ADMIN})


async def _dies_at(world: World, folder: Path, account: str, point: Failpoint) -> dict[str, Any]:
    async with child(world, folder, "work", point) as worker:
        said = await asyncio.shield(_confirm(world, account))
        await dies(worker)
    change: dict[str, Any] = said.body
    return change


async def _is(world: World, change: dict[str, Any], state: str) -> bool:
    found = (await world.call("GET", f"/v1/changes/{change['id']}?wait=0")).body
    return bool(found["at_renewal"]["state"] == state)


async def _schedules(world: World, account: str) -> list[dict[str, Any]]:
    customer = (await world.view(account))["stripe_customer_id"]
    return list((await world.stripe("GET", "/v1/subscription_schedules", customer=customer))["data"])


async def _renew(world: World, account: str) -> None:
    item = (await world.subscription(account))["items"]["data"][0]
    now = (await world.control("GET", "clock"))["now"]
    await world.pass_time(item["current_period_end"] - now + 2 * 3600)
