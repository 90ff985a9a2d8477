"""Pushing the catalog: what is sold exists at Stripe, also after an interruption or an edit by hand."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from sync import catalog_push
from sync.catalog_push import PushPlan
from sync.gateway import StripeCallFailed
from tests.flows.world import MARKETING, World
from worker.twin.door import TWIN


async def plan_of(world: World) -> PushPlan:
    """What a push of a few prices would do."""
    wanted = set(world.billing.catalog.items_for(MARKETING, "usd"))
    return await catalog_push.diff(world.billing, ["usd"], only=wanted)


async def price_calls(world: World) -> list[dict[str, Any]]:
    """The calls for a price that the local Stripe answered."""
    asked = (await world.control("GET", "state"))["requests"]
    return [each for each in asked if (each["method"], each["path"]) == ("POST", "/v1/prices")]


async def test_second_push_has_nothing_to_do(world: World) -> None:
    """Everything exists already."""
    await world.sell(MARKETING)
    plan = await plan_of(world)
    assert ([], []) == (plan.products, plan.prices)


async def test_archived_price_gets_its_next_version(world: World) -> None:
    """Stripe sells nothing under an archived price, so its slot is sold under a new one."""
    await world.sell(MARKETING)
    [price, *_] = (await world.stripe("GET", "/v1/prices"))["data"]
    await world.stripe("POST", f"/v1/prices/{price['id']}", active="false")
    base, _, version = price["lookup_key"].rpartition(":")

    [body] = (plan := await plan_of(world)).prices
    assert f"{base}:{version[0]}{int(version[1:]) + 1}" == body["lookup_key"]
    await catalog_push.push(world.billing, plan)
    assert [] == (await plan_of(world)).prices
    await world.buy()


async def test_failed_push_leaves_nothing_running(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first failure is raised as it is, when no other call is under way; a repeat finishes the work."""
    monkeypatch.setattr(catalog_push, "CALLS_AT_ONCE", 2)
    fault = {"method": "POST", "path": "/v1/prices", "when": "after"}
    await world.control("POST", "faults", {**fault, "reset": True})
    await world.control("POST", "faults", {**fault, "slow_seconds": 0.2, "times": -1})
    slots = [slot for slot in world.billing.catalog.slots() if slot.currency == "usd"][:6]
    plan = await catalog_push.diff(world.billing, ["usd"], only=slots)
    with pytest.raises(StripeCallFailed):
        await catalog_push.push(world.billing, plan)
    assert 0 == world.twin.app[TWIN].throttle.running
    answered = await price_calls(world)
    await asyncio.sleep(0.3)
    assert (1, answered) == (len(answered), await price_calls(world))

    await world.control("DELETE", "faults")
    plan = await catalog_push.diff(world.billing, ["usd"], only=slots)
    assert len(slots) - 2 == await catalog_push.push(world.billing, plan)
