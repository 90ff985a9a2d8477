"""The stop switch thrown while changes are under way: what is on the wire ends, the rest waits."""

from __future__ import annotations

import asyncio

import pytest

from sync.rules.terms import Terms
from tests.faults.hands import HALF_MONTH, Hands
from tests.flows.stopped import (
    go,
    is_on_the_wire,
    is_stopped,
    sends,
    step_until_ended,
    stop,
    stop_after_send,
    until_renewal,
)
from tests.flows.world import World


async def test_switch_between_check_and_wire(slow: Hands) -> None:
    """The call that had passed every check but the last does not leave, and counts as never sent."""
    world = slow.world
    change = await slow.confirm(await world.quote({"seats": 8}))
    held = slow.hold_up_write()
    stepping = asyncio.create_task(slow.step(change))
    await held.reached.wait()
    await stop(world)
    held.go_on.set()
    change = await stepping
    assert [] == await world.effects(change["id"], "subscription_updated")
    assert (0, None) == await sends(world, change)
    change = await slow.step(change)
    assert "writes_stopped" == change["now"]["reason"]
    await go(world)
    change = await slow.step(change)
    assert ("applied", 1) == (change["state"], len(await world.effects(change["id"], "charge")))


async def test_call_on_the_wire_ends_as_it_began(slow: Hands) -> None:
    """What had left cannot be called back: its answer is believed, and the change is applied and settled."""
    world = slow.world
    change = await slow.confirm(await world.quote({"seats": 8}))
    path = f"/v1/subscriptions/{(await world.subscription())['id']}"
    await slow.fault(method="POST", path=path, slow_seconds=3.0, when="before")
    stepping = asyncio.create_task(slow.step(change))
    await world.eventually(lambda: is_on_the_wire(world))
    found = await stop(world)
    assert 1 == found["on_the_wire"]
    assert "applied" == (await stepping)["state"]
    change = await slow.settle(change)
    assert ("settled", 1) == (change["state"], len(await world.effects(change["id"], "charge")))


@pytest.mark.parametrize(("when", "state"), [("after", "applied"), ("before", "applying")])
async def test_lost_answer_is_read_back_while_stopped(slow: Hands, when: str, state: str) -> None:
    """What Stripe did is found out without a write; what it did not do waits, and goes out once."""
    world = slow.world
    change = await slow.confirm(await world.quote({"seats": 8}))
    path = f"/v1/subscriptions/{(await world.subscription())['id']}"
    await slow.fault(method="POST", path=path, reset=True, when=when, times=1)
    await slow.step(change)
    await stop(world)
    before = len(await slow.requests("POST", path))
    change = await slow.step(change)
    assert (state, before) == (change["state"], len(await slow.requests("POST", path)))
    await go(world)
    change = await slow.step(change)
    assert ("applied", 1) == (change["state"], len(await world.effects(change["id"], "charge")))


# ---- what goes on


async def test_declined_change_is_voided_while_stopped(slow: Hands) -> None:
    """Its open invoice could be paid by anybody: the void is the one write that nothing stops."""
    world = slow.world
    await world.card("pm_card_chargeCustomerFail")
    change = await slow.confirm(await world.quote({"seats": 8}))
    held = stop_after_send(slow)
    change = await slow.step(change)
    await held
    invoice = await world.stripe("GET", f"/v1/invoices/{change['now']['stripe_invoice_id']}")
    assert ("failed", "void") == (change["state"], invoice["status"])
    assert await is_stopped(world)


async def test_change_that_waits_for_the_bank_can_be_taken_back_while_stopped(slow: Hands) -> None:
    """Withdrawing prevents a charge, so it goes on."""
    change = await slow.awaiting({"seats": 8})
    await stop(slow.world)
    said, _ = await asyncio.gather(
        slow.world.call("POST", f"/v1/changes/{change['id']}/withdraw", {"actor": "ada"}),
        step_until_ended(slow, change),
    )
    invoice = await slow.world.stripe("GET", f"/v1/invoices/{change['now']['stripe_invoice_id']}")
    assert ("withdrawn", "void") == (said.body["state"], invoice["status"])


async def test_paid_change_settles_while_stopped(slow: Hands) -> None:
    """Settling only reads."""
    change = await slow.step(await slow.confirm(await slow.world.quote({"seats": 8})))
    await stop(slow.world)
    assert "settled" == (await slow.settle(change))["state"]


# ---- promises for the renewal


async def test_promise_waits_and_is_placed_after_go(slow: Hands) -> None:
    """No schedule is made while stopped; afterwards the promise is at Stripe."""
    world = slow.world
    await world.sell(Terms("marketing", "plus", 500, 3))
    quote = await world.quote({"contact_limit": 500})
    change = (await world.call("POST", f"/v1/quotes/{quote['id']}/confirm?wait=0", {"actor": "ada"})).body
    await stop(world)
    change = await slow.step(change)
    assert ("confirmed", "writes_stopped") == (change["state"], change["at_renewal"]["reason"])
    assert [] == await slow.requests("POST", "/v1/subscription_schedules")
    await go(world)
    change = await slow.step(change)
    assert ("scheduled", None) == (change["state"], change["at_renewal"]["reason"])


async def test_promise_that_waits_a_day_before_its_renewal_is_an_alarm(slow: Hands) -> None:
    """Somebody has to decide before the renewal bills more than was promised."""
    world = slow.world
    await world.sell(Terms("marketing", "plus", 500, 3))
    quote = await world.quote({"contact_limit": 500})
    change = (await world.call("POST", f"/v1/quotes/{quote['id']}/confirm?wait=0", {"actor": "ada"})).body
    await stop(world)
    await world.pass_time(until_renewal(await world.subscription(), await world.control("GET", "clock")))
    change = await slow.step(change)
    assert "renewal_at_risk" == change["at_renewal"]["reason"]
    await go(world)
    assert "scheduled" == (await slow.step(change))["state"]


# ---- by itself


async def test_running_worker_takes_up_by_itself_what_waited(world: World) -> None:
    """Nobody restarts anything: a moment after `go` the change is settled."""
    await world.buy()
    await world.pass_time(HALF_MONTH)
    quote = await world.quote({"seats": 8})
    held = Hands(world).hold_up_write()
    said = await world.call("POST", f"/v1/quotes/{quote['id']}/confirm?wait=0", {"actor": "ada"})
    await held.reached.wait()
    await stop(world)
    held.go_on.set()

    async def waits() -> bool:
        now = (await world.call("GET", f"/v1/changes/{said.body['id']}")).body["now"]
        return bool(now["reason"] == "writes_stopped")

    await world.eventually(waits)
    assert [] == await world.effects(said.body["id"], "charge")
    await go(world)
    change = await world.settled(said.body)
    assert ("settled", 1) == (change["state"], len(await world.effects(change["id"], "charge")))
