"""A repair beside switches, changes and other repairs: it waits for them, or they for it."""

from __future__ import annotations

import asyncio

import pytest

from sync.errors import Code, Conflict, Refused
from sync.parking import park
from sync.reconcile.shown import show
from tests.drift.edits import BY, more_seats, posts, repair, set_item, under
from tests.drift.repairing import again, stored
from tests.faults.hands import Hands
from tests.flows.stopped import go, stop
from tests.flows.world import ADMIN


async def test_the_stop_switch_holds_a_repair(slow: Hands) -> None:
    """Refused before it is stored; held when it was thrown afterwards, and carried on after `go`."""
    world = slow.world
    finding = await more_seats(world)
    await stop(world)
    with pytest.raises(Refused) as no:
        await repair(world.billing, finding.id, **BY)
    assert Code.WRITES_STOPPED == no.value.code
    await go(world)
    await stored(slow, finding.id)
    await stop(world)
    sent = await posts(slow)
    await again(world)
    assert ("repairing", sent) == ((await show(world.billing, finding.id))["state"], await posts(slow))
    await go(world)
    await again(world)
    assert "repaired" == (await show(world.billing, finding.id))["state"]


async def test_a_parked_account_can_be_repaired(slow: Hands) -> None:
    """That is what staff do when they look; it stays parked."""
    world = slow.world
    finding = await more_seats(world)
    await park(world.billing, "acme", actor="olga", reason="a test")
    assert "repaired" == (await repair(world.billing, finding.id, **BY))["state"]
    assert (await world.view())["parked"] is not None


async def test_no_change_is_confirmed_while_a_repair_is_open(slow: Hands) -> None:
    """And none is withdrawn; afterwards both are possible again."""
    world = slow.world
    finding = await more_seats(world)
    await stored(slow, finding.id)
    await set_item(world, "seats", quantity=0)
    quote = await world.quote({"seats": 8})
    said = await world.call("POST", f"/v1/quotes/{quote['id']}/confirm?wait=0", {"actor": ADMIN})
    assert (409, "change_in_progress", True) == (said.status, said.body["code"], said.body["retryable"])
    await again(world)
    fresh = await world.quote({"seats": 8})
    assert "applied" == (await slow.step(await slow.confirm(fresh)))["state"]


async def test_no_repair_begins_while_a_change_is_open(slow: Hands) -> None:
    """Confirmed, applied, or waiting for its comparison: the repair is for later."""
    world = slow.world
    change = await slow.confirm(await world.quote({"seats": 12}))
    finding = await more_seats(world)
    sent = await posts(slow)
    with pytest.raises(Conflict) as no:
        await repair(world.billing, finding.id, **BY)
    assert (Code.CHANGE_IN_PROGRESS, True) == (no.value.code, no.value.retryable)
    assert sent == await posts(slow)
    assert "confirmed" == (await slow.look(change))["state"]


async def test_two_repairs_of_an_account_are_one(slow: Hands) -> None:
    """Whoever comes second is told so; the key is sent once."""
    world = slow.world
    finding = await more_seats(world)
    found = await asyncio.gather(
        *(repair(world.billing, finding.id, **BY) for _ in range(3)), return_exceptions=True
    )
    assert 1 == sum(isinstance(each, dict) for each in found), found
    assert all(isinstance(each, dict | Conflict) for each in found)
    assert 1 == len(await under(world, f"repair:{finding.id}:1"))
