"""Parked accounts: billing changes wait until staff have looked; what only looks, or takes back, goes on."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from sync import parking, story
from sync.errors import BadInput, NotFound
from sync.rules.terms import Terms
from sync.store.db import transaction
from tests.faults.hands import HALF_MONTH, Hands
from tests.flows.world import MARKETING, World, whole_world

FEWER = Terms("marketing", "plus", 500, 3)


@pytest.fixture
async def slow(database_url: str) -> AsyncIterator[Hands]:
    """In the middle of a paid month, and nobody works by itself."""
    async with whole_world(database_url, work=False) as world:
        hands = Hands(world)
        await hands.buy()
        await world.pass_time(HALF_MONTH)
        yield hands


async def test_nothing_is_quoted_or_confirmed_while_parked(slow: Hands) -> None:
    """The account says since when and why; others are not touched, and after unpark it goes on."""
    world = slow.world
    await world.account("other")
    quote = await world.quote({"seats": 8})
    parked = (await park(world))["parked"]
    assert ("looks odd", True) == (parked["reason"], parked["at"] is not None)
    assert parked == (await world.view())["parked"]
    again = await world.call("POST", "/v1/accounts/acme/quotes", {"terms": {"seats": 9}, "actor": "ada"})
    said = await world.confirm(quote)
    assert [(409, "account_parked")] * 2 == [(each.status, each.body["code"]) for each in (again, said)]
    assert "Nothing was charged" in said.body["detail"]
    assert [] == (await world.quote(MARKETING.to_json(), "other"))["refusals"]
    assert (await unpark(world))["parked"] is None
    assert "applied" == (await slow.step(await slow.confirm(quote)))["state"]


async def test_open_change_waits_and_goes_on_after_unpark(slow: Hands) -> None:
    """It was confirmed before: it waits without burning a try, and is charged once as it was quoted."""
    world = slow.world
    change = await slow.confirm(await world.quote({"seats": 8}))
    await park(world)
    for _ in range(3):
        change = await slow.step(change)
    assert ("confirmed", "account_parked") == (change["state"], change["now"]["reason"])
    assert (0, 0) == (await _attempts(world, change), await slow.charged(change))
    await unpark(world)
    await slow.step(change)
    change = await slow.settle(change)
    assert ("settled", 0) == (change["state"], change["now"]["difference_minor"])
    assert change["now"]["quoted"]["amount_minor"] == await slow.charged(change)


async def test_open_change_expires_where_nobody_unparks(slow: Hands) -> None:
    """The admin said yes to a price of minutes ago: it is never charged late."""
    world = slow.world
    change = await slow.confirm(await world.quote({"seats": 8}))
    await park(world)
    await slow.step(change)
    await world.billing.pool.execute(
        "UPDATE change_leg SET apply_deadline_at = now() WHERE change_id = $1", change["id"]
    )
    change = await slow.step(change)
    assert ("expired", "account_parked") == (change["state"], change["now"]["reason"])
    assert "Nothing was charged" in change["now"]["detail"]
    await unpark(world)
    assert 0 == await slow.charged(await slow.step(change))


async def test_paid_change_is_settled_while_parked(slow: Hands) -> None:
    """Comparing the charge with its quote is what staff want to see."""
    change = await slow.step(await slow.confirm(await slow.world.quote({"seats": 8})))
    await park(slow.world)
    assert "settled" == (await slow.settle(change))["state"]


async def test_declined_change_is_voided_while_parked(slow: Hands) -> None:
    """Parked between the bank's no and the void: the open invoice does not stay payable."""
    world = slow.world
    await world.card("pm_card_chargeCustomerFail")
    change = await slow.confirm(await world.quote({"seats": 8}))
    await slow.fault(method="POST", path="/v1/invoices/*/void", status=500, times=1)
    change = await slow.step(change)
    assert "applying" == change["state"]
    await park(world)
    change = await slow.step(change)
    invoice = await world.stripe("GET", f"/v1/invoices/{change['now']['stripe_invoice_id']}")
    assert ("failed", "payment_declined", "void") == (
        change["state"],
        change["now"]["reason"],
        invoice["status"],
    )


async def test_promise_waits_while_parked(slow: Hands) -> None:
    """Nothing is scheduled until somebody has looked."""
    world = slow.world
    change = await _promised(slow)
    await park(world)
    change = await slow.step(change)
    assert ("confirmed", "account_parked") == (change["state"], change["at_renewal"]["reason"])
    assert [] == await slow.requests("POST", "/v1/subscription_schedules")
    await unpark(world)
    assert "scheduled" == (await slow.step(change))["state"]


async def test_promise_that_stands_is_kept_and_settled_while_parked(slow: Hands) -> None:
    """The renewal is watched: the decrease comes into force, its invoice is compared, the schedule goes."""
    world = slow.world
    change = await slow.step(await _promised(slow))
    await park(world)
    subscription = await world.subscription()
    now = (await world.control("GET", "clock"))["now"]
    await world.pass_time(subscription["items"]["data"][0]["current_period_end"] + 7200 - now)
    for _ in range(3):
        change = await slow.step(change)
    assert ("settled", 0) == (change["state"], change["at_renewal"]["difference_minor"])
    assert (None, FEWER.to_json()) == (
        (await world.subscription())["schedule"],
        (await world.view())["terms"],
    )
    assert (await world.view())["parked"]["reason"] == "looks odd"


async def test_promise_can_be_taken_back_while_parked(slow: Hands) -> None:
    """The subscription stays as it is: nothing that staff would have to look at changes."""
    world = slow.world
    change = await slow.step(await _promised(slow))
    await park(world)
    said = await _withdraw(slow, change)
    assert ("withdrawn", None) == (said["state"], (await world.subscription())["schedule"])


async def test_first_reason_is_shown_and_every_one_is_told(slow: Hands) -> None:
    """Parked by itself and then by a person: the story has both, with who let it go on, and why."""
    world = slow.world
    async with transaction(world.billing.pool) as conn:
        await parking.hold_back(conn, "acme", "the invoice differs")
    assert "the invoice differs" == (await park(world))["parked"]["reason"]
    await unpark(world)
    assert (await unpark(world))["parked"] is None
    told = [
        (each["state"], each["detail"]["actor"], each["detail"]["reason"])
        for each in (await story.tell(world.billing.pool, "acme"))["story"]
        if each["what"] == "hold"
    ]
    assert [
        ("park", "prorata", "the invoice differs"),
        ("park", "olga", "looks odd"),
        ("unpark", "olga", "it was a test"),
    ] == told


async def test_who_and_why_are_needed(slow: Hands) -> None:
    """Nobody is parked without a word, and nobody who does not exist."""
    billing = slow.world.billing
    with pytest.raises(BadInput):
        await parking.park(billing, "acme", actor="olga", reason="  ")
    with pytest.raises(BadInput):
        await parking.unpark(billing, "acme", actor="", reason="why")
    with pytest.raises(NotFound):
        await parking.park(billing, "nobody", actor="olga", reason="why")
    assert (await slow.world.view())["parked"] is None


async def park(world: World) -> dict[str, Any]:
    return await parking.park(world.billing, "acme", actor="olga", reason="looks odd")


async def unpark(world: World) -> dict[str, Any]:
    return await parking.unpark(world.billing, "acme", actor="olga", reason="it was a test")


async def _promised(hands: Hands) -> dict[str, Any]:
    """Fewer contacts from the renewal on: confirmed, and not at Stripe yet."""
    await hands.world.sell(FEWER)
    quote = await hands.world.quote({"contact_limit": 500})
    path = f"/v1/quotes/{quote['id']}/confirm?wait=0"
    return (await hands.world.call("POST", path, {"actor": "ada"})).body


async def _withdraw(hands: Hands, change: dict[str, Any]) -> dict[str, Any]:
    """Ask for the end, and take the steps that lead there."""
    await hands.world.billing.pool.execute(
        "UPDATE change_leg SET ending = 'withdrawn' WHERE change_id = $1", change["id"]
    )
    return await hands.step(change)


async def _attempts(world: World, change: dict[str, Any]) -> int:
    count: int = await world.billing.pool.fetchval(
        "SELECT attempts FROM change_leg WHERE change_id = $1", change["id"]
    )
    return count
