"""What an account may use: granted when a change is applied, and what its subscription's state leaves."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest

from sync.advance import advance
from tests.flows.world import MARKETING, World, whole_world

DAY = 86_400
NOTHING = ("none", None)
ALL = ("full", MARKETING.to_json())


async def granted(world: World) -> tuple[str, Any]:
    """Level and terms; `entitled` says the same."""
    view = await world.view()
    found = view["entitlement"]
    assert view["entitled"] == (found["terms"] if found["level"] == "full" else None)
    return found["level"], found["terms"]


async def becomes(world: World, wanted: tuple[str, Any]) -> None:
    """Wait until this is granted."""

    async def is_so() -> bool:
        return await granted(world) == wanted

    await world.eventually(is_so)


@pytest.fixture
async def idle(database_url: str) -> AsyncIterator[World]:
    """Doors only: nobody carries anything to Stripe, nobody applies events."""
    async with whole_world(database_url, work=False) as made:
        await made.sell(MARKETING)
        yield made


@pytest.fixture
async def mid(world: World) -> World:
    """An account in the middle of its first period."""
    await world.buy()
    await world.pass_time(10 * DAY)
    return world


# ---- never early


async def test_a_confirm_grants_nothing(idle: World) -> None:
    """Confirmed is not paid. Once it is paid and read back, everything is granted, before any event came."""
    await idle.account()
    assert await granted(idle) == NOTHING
    quote = await idle.quote(MARKETING.to_json())
    said = await idle.call("POST", f"/v1/quotes/{quote['id']}/confirm?wait=0", {"actor": "ada"})
    assert (said.status, await granted(idle)) == (202, NOTHING)

    await advance(idle.billing, said.body["id"])
    assert await granted(idle) == ALL
    assert (await idle.view())["subscription_status"] is None


async def test_a_first_purchase_that_waits_for_the_bank_grants_nothing(world: World) -> None:
    """The subscription exists at Stripe, its events arrive, and nothing is granted until it is paid."""
    await world.sell(MARKETING)
    await world.account(card="pm_card_authenticationRequired")
    said = await world.confirm(await world.quote(MARKETING.to_json()))
    assert said.body["state"] == "awaiting_payment"
    await world.eventually(world.is_up_to_date)
    assert await granted(world) == NOTHING

    invoice = said.body["now"]["stripe_invoice_id"]
    await world.control("POST", "dashboard", {"act": "complete_authentication", "invoice": invoice})
    await world.settled_after_event(said.body)
    await becomes(world, ALL)


async def test_a_declined_first_purchase_grants_nothing(world: World) -> None:
    """Neither while its invoice is open, nor after it was voided."""
    await world.sell(MARKETING)
    await world.account(card="pm_card_chargeCustomerFail")
    said = await world.confirm(await world.quote(MARKETING.to_json()))
    assert (said.status, await granted(world)) == (402, NOTHING)
    await world.settled(said.body)
    await world.eventually(world.is_up_to_date)
    assert await granted(world) == NOTHING


@pytest.mark.parametrize("card", ["pm_card_authenticationRequired", "pm_card_chargeCustomerFail"])
async def test_an_increase_that_is_not_paid_leaves_what_was_granted(mid: World, card: str) -> None:
    """Waiting for the bank, or declined: the eight seats are not there, the three are."""
    await mid.card(card)
    await mid.confirm(await mid.quote({"seats": 8}))
    await mid.eventually(mid.is_up_to_date)
    assert await granted(mid) == ALL


async def test_an_edit_at_stripe_grants_nothing(mid: World) -> None:
    """Somebody sets more seats by hand: the event changes our copy of Stripe, not what was bought."""
    subscription = await mid.subscription()
    seats = next(item for item in subscription["items"]["data"] if ":seats:" in item["price"]["lookup_key"])
    edit = {"items[0][id]": seats["id"], "items[0][quantity]": 9, "proration_behavior": "none"}
    await mid.stripe("POST", f"/v1/subscriptions/{subscription['id']}", **edit)
    await mid.eventually(mid.is_up_to_date)
    assert await granted(mid) == ALL


async def test_late_events_take_nothing_back(mid: World) -> None:
    """Events of before the increase that arrive after it leave what was granted as it is."""
    await mid.control("POST", "delivery", {"mode": "hold"})
    await mid.change({"seats": 8})
    more = ("full", replace(MARKETING, seats=8).to_json())
    assert await granted(mid) == more
    await mid.control("POST", "delivery", {"mode": "normal"})
    await mid.control("POST", "delivery/flush")
    await mid.eventually(mid.is_up_to_date)
    assert await granted(mid) == more


# ---- what a state of the subscription leaves


@pytest.mark.parametrize(
    ("status", "level"),
    [
        ("active", "full"),
        ("trialing", "full"),
        ("past_due", "full"),
        ("unpaid", "read_only"),
        ("paused", "read_only"),
        ("incomplete", "none"),
        ("incomplete_expired", "none"),
        ("canceled", "none"),
        ("a_state_of_the_future", "none"),
    ],
)
async def test_each_state_leaves_what_the_policy_says(world: World, status: str, level: str) -> None:
    """As our copy of Stripe has it, with a sentence that says why."""
    await world.buy()
    await world.eventually(world.is_up_to_date)
    await world.billing.pool.execute("UPDATE stripe_subscription SET status = $1", status)
    assert await granted(world) == (level, None if level == "none" else MARKETING.to_json())
    assert (await world.view())["entitlement"]["reason"]


async def test_an_unpaid_renewal_leaves_everything_while_stripe_collects(mid: World) -> None:
    """Past due is no reason to lock anybody out; the sentence tells the admin what is open."""
    await mid.card("pm_card_chargeCustomerFail")
    await mid.pass_time(25 * DAY)

    async def is_past_due() -> bool:
        return (await mid.view())["subscription_status"] == "past_due"

    await mid.eventually(is_past_due)
    assert await granted(mid) == ALL
    assert "unpaid" in (await mid.view())["entitlement"]["reason"]


async def test_the_end_of_the_subscription_is_the_end_of_it(mid: World) -> None:
    """Canceled at Stripe: nothing is left, and the terms stay readable as history."""
    path = f"/v1/subscriptions/{(await mid.subscription())['id']}"
    await mid.control("POST", "dashboard", {"method": "DELETE", "path": path})
    await becomes(mid, NOTHING)
    assert [MARKETING.to_json()] == [row["terms"] for row in (await mid.view())["history"]]


# ---- history


async def test_history_tells_what_was_in_force_and_by_which_change(world: World) -> None:
    """Newest first, without a gap; a decrease begins when the renewal is observed, not when promised."""
    first = await world.buy(replace(MARKETING, seats=8))
    more = await world.change({"seats": 9})
    said = await world.confirm(await world.quote({"seats": 5}))
    assert said.body["state"] == "scheduled"
    assert 9 == (await world.view())["entitled"]["seats"]
    item = (await world.subscription())["items"]["data"][0]
    now = (await world.control("GET", "clock"))["now"]
    await world.pass_time(item["current_period_end"] - now + 2 * 3600)
    await becomes(world, ("full", replace(MARKETING, seats=5).to_json()))

    history = (await world.view())["history"]
    assert [(row["change_id"], row["leg"], row["terms"]["seats"]) for row in history] == [
        (said.body["id"], "at_renewal", 5),
        (more["id"], "now", 9),
        (first["id"], "now", 8),
    ]
    assert [None, history[0]["effective_at"], history[1]["effective_at"]] == [
        row["ended_at"] for row in history
    ]
