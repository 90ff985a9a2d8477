"""Trials: free time, how it begins and ends, and who hears of it.

Sources: Stripe docs "Use trial periods on subscriptions"; the SDK's texts of `trial_end` (the anchor becomes
the trial's end), `trial_settings.end_behavior` and of the event `customer.subscription.trial_will_end`.
"""

from __future__ import annotations

from typing import Any

import pytest

from tests.twin.api import JSON, MID_NOVEMBER, MONTH, NOVEMBER, Api, amounts, first_item, types

DECEMBER = NOVEMBER + MONTH
DAY = 86400


async def advance(api: Api, subscription: JSON, to: int) -> JSON:
    """Move the customer's test clock and read the subscription with its invoice."""
    await api.post(f"/v1/test_helpers/test_clocks/{subscription['test_clock']}/advance", {"frozen_time": to})
    return await api.get(f"/v1/subscriptions/{subscription['id']}", {"expand": ["latest_invoice"]})


async def update(api: Api, subscription: JSON, status: int = 200, **params: Any) -> JSON:
    """Change the subscription and expand its invoice."""
    return await api.post(
        f"/v1/subscriptions/{subscription['id']}", {**params, "expand": ["latest_invoice"]}, status=status
    )


async def no_card(api: Api, then: str, **extra: Any) -> JSON:
    """A trial of ten days for somebody who cannot pay."""
    customer = await api.frozen_customer(card=None)
    settings = {"end_behavior": {"missing_payment_method": then}}
    return await api.subscribe(
        customer, (await api.price(2000), 5), trial_period_days=10, trial_settings=settings, **extra
    )


async def heard(api: Api) -> list[str]:
    """Types of events, oldest first."""
    return types(await api.events())[::-1]


@pytest.mark.parametrize("mode", ["flexible", "classic"])
async def test_a_trial_for_a_paying_subscription_gives_the_unused_time_back(api: Api, mode: str) -> None:
    """100.00 for November; a trial from the 16th at noon: -48.33, and the anchor moves to the trial's end."""
    subscription = await api.seats(billing_mode={"type": mode})
    await advance(api, subscription, MID_NOVEMBER)
    end = MID_NOVEMBER + 20 * DAY
    asked: dict[str, Any] = {"trial_end": end, "proration_behavior": "always_invoice"}
    seen = await api.post(
        "/v1/invoices/create_preview", {"subscription": subscription["id"], "subscription_details": asked}
    )
    tried = await update(api, subscription, **asked)
    assert amounts(seen) == amounts(tried["latest_invoice"]) == [-4833]
    assert (tried["status"], tried["trial_start"], tried["trial_end"]) == ("trialing", MID_NOVEMBER, end)
    assert tried["billing_cycle_anchor"] == first_item(tried)["current_period_end"] == end
    paying = await advance(api, subscription, end + 3600)
    assert (paying["status"], paying["latest_invoice"]["total"]) == ("active", 10000)
    assert paying["latest_invoice"]["amount_due"] == 5167


async def test_a_trial_with_none_gives_nothing_back(api: Api) -> None:
    """And with the default the credit waits for the next invoice."""
    subscription = await api.seats()
    await update(api, subscription, trial_end=MID_NOVEMBER, proration_behavior="none")
    items = await api.get("/v1/invoiceitems", {"customer": subscription["customer"]})
    assert items["data"] == []
    other = await api.seats()
    await update(api, other, trial_end=MID_NOVEMBER)
    (credit,) = (await api.get("/v1/invoiceitems", {"customer": other["customer"]}))["data"]
    assert (credit["amount"], credit["period"]) == (-10000, {"start": NOVEMBER, "end": DECEMBER})


async def test_changes_in_a_trial_cost_nothing_whatever_changes(api: Api) -> None:
    """Quantity, another interval, a new item: no invoice, and every period ends with the trial."""
    subscription = await api.seats(trial_period_days=10)
    end, item = subscription["trial_end"], first_item(subscription)["id"]
    year = await api.price(50000, "year")
    changed = await api.change(
        subscription, {"id": item, "price": year, "quantity": 2}, {"price": await api.price(60000, "year")}
    )
    assert changed["latest_invoice"]["id"] == subscription["latest_invoice"]
    assert {i["current_period_end"] for i in changed["items"]["data"]} == {end}
    paying = await advance(api, subscription, end + 3600)
    assert amounts(paying["latest_invoice"]) == [100000, 60000]


@pytest.mark.parametrize("mode", ["flexible", "classic"])
async def test_ending_a_trial_charges_the_whole_period_at_once(api: Api, mode: str) -> None:
    """`trial_end=now`: no credit for time that was free, a period from now on, and the notice comes."""
    subscription = await api.seats(trial_period_days=10, billing_mode={"type": mode})
    await advance(api, subscription, NOVEMBER + 2 * DAY)
    asked: dict[str, Any] = {"trial_end": "now"}
    seen = await api.post(
        "/v1/invoices/create_preview", {"subscription": subscription["id"], "subscription_details": asked}
    )
    paying = await update(api, subscription, **asked)
    assert amounts(seen) == amounts(paying["latest_invoice"]) == [10000]
    assert (paying["status"], paying["trial_end"]) == ("active", NOVEMBER + 2 * DAY)
    assert paying["billing_cycle_anchor"] == first_item(paying)["current_period_start"] == NOVEMBER + 2 * DAY
    assert "customer.subscription.trial_will_end" in await heard(api)


async def test_extending_a_trial_costs_nothing(api: Api) -> None:
    """The end and the anchor move, the start stays, and the notice comes for the new end only."""
    subscription = await api.seats(trial_period_days=10)
    longer = await update(api, subscription, trial_end=NOVEMBER + 20 * DAY)
    assert (longer["trial_start"], longer["billing_cycle_anchor"]) == (NOVEMBER, NOVEMBER + 20 * DAY)
    assert longer["latest_invoice"]["id"] == subscription["latest_invoice"]
    await advance(api, subscription, NOVEMBER + 15 * DAY)
    assert "customer.subscription.trial_will_end" not in await heard(api)
    await advance(api, subscription, NOVEMBER + 17 * DAY)
    assert (await heard(api)).count("customer.subscription.trial_will_end") == 1


@pytest.mark.parametrize(("days", "at_once"), [(10, False), (3, True), (2, True)])
async def test_the_notice_comes_three_days_before(api: Api, days: int, at_once: bool) -> None:
    """Or at once if the trial is no longer than that."""
    subscription = await api.seats(trial_period_days=days)
    assert ("customer.subscription.trial_will_end" in await heard(api)) is at_once
    await advance(api, subscription, subscription["trial_end"] - 3 * DAY + 1 if days > 3 else NOVEMBER + 1)
    assert (await heard(api)).count("customer.subscription.trial_will_end") == 1


async def test_without_a_payment_method_a_trial_can_cancel(api: Api) -> None:
    """`cancel`: it ends with the trial, and nothing is billed."""
    subscription = await no_card(api, "cancel")
    ended = await advance(api, subscription, NOVEMBER + 10 * DAY + 7200)
    assert (ended["status"], ended["ended_at"]) == ("canceled", NOVEMBER + 10 * DAY)
    assert ended["latest_invoice"]["id"] == subscription["latest_invoice"]


async def test_without_a_payment_method_a_trial_can_pause(api: Api) -> None:
    """`pause`: no invoice, the reason is shown, and a card and a resumption start a paid period."""
    subscription = await no_card(api, "pause")
    paused = await advance(api, subscription, NOVEMBER + 12 * DAY)
    assert paused["status"] == "paused"
    why = paused["status_details"]["paused"]
    assert why["subscription"]["type"] == "trial_end_without_payment_method"
    assert why["transitioned_at"] == NOVEMBER + 10 * DAY
    assert "customer.subscription.paused" in await heard(api)
    await api.new_card(subscription["customer"], "pm_card_visa")
    await api.post(
        f"/v1/subscriptions/{subscription['id']}/resume", {"payment_behavior": "resume_on_payment_success"}
    )
    running = await advance(api, subscription, NOVEMBER + 12 * DAY + 1)
    assert (running["status"], running["status_details"]) == ("active", None)
    assert amounts(running["latest_invoice"]) == [10000]
    assert first_item(running)["current_period_start"] == NOVEMBER + 12 * DAY


async def test_without_a_payment_method_a_trial_bills_by_default(api: Api) -> None:
    """`create_invoice`: the invoice is made, cannot be paid, and the subscription is past due."""
    subscription = await no_card(api, "create_invoice")
    behind = await advance(api, subscription, NOVEMBER + 10 * DAY + 3600)
    assert (behind["status"], behind["latest_invoice"]["status"]) == ("past_due", "open")


async def test_with_a_payment_method_the_end_behavior_does_not_matter(api: Api) -> None:
    """A card that was added during the trial is charged."""
    subscription = await no_card(api, "cancel")
    await api.new_card(subscription["customer"], "pm_card_visa")
    paying = await advance(api, subscription, NOVEMBER + 10 * DAY + 3600)
    assert (paying["status"], paying["latest_invoice"]["status"]) == ("active", "paid")


@pytest.mark.parametrize(
    "asked",
    [
        {"trial_end": NOVEMBER},
        {"trial_end": NOVEMBER + 731 * DAY},
        {"trial_end": MID_NOVEMBER, "trial_from_plan": True},
    ],
)
async def test_refused_trials(api: Api, asked: JSON) -> None:
    """Not in the past, not longer than two years, not two trials at once."""
    subscription = await api.seats()
    await update(api, subscription, 400, **asked)
    assert (await api.get(f"/v1/subscriptions/{subscription['id']}")) == subscription


async def test_a_trial_s_own_end_and_days_exclude_each_other(api: Api) -> None:
    """`trial_end` or `trial_period_days`."""
    customer = await api.frozen_customer()
    params = {"customer": customer["id"], "items": [{"price": await api.price(2000)}]}
    both = {"trial_end": MID_NOVEMBER, "trial_period_days": 5}
    error = (await api.post("/v1/subscriptions", {**params, **both}, status=400))["error"]
    assert error["code"] == "parameters_exclusive"


async def test_a_held_change_expires_with_the_trial(api: Api) -> None:
    """Ending a trial with a card that fails is held back, and the trial goes on."""
    subscription = await api.seats(trial_period_days=1)
    await advance(api, subscription, NOVEMBER + 12 * 3600)
    await api.new_card(subscription["customer"], "pm_card_chargeCustomerFail")
    held = await update(api, subscription, trial_end="now", payment_behavior="pending_if_incomplete")
    assert held["status"] == "trialing"
    assert held["pending_update"]["expires_at"] == NOVEMBER + DAY
    await api.new_card(subscription["customer"], "pm_card_visa")
    await api.post(f"/v1/invoices/{held['latest_invoice']['id']}/pay")
    paying = await advance(api, subscription, NOVEMBER + 12 * 3600 + 1)
    assert (paying["status"], paying["pending_update"]) == ("active", None)
    assert first_item(paying)["current_period_start"] == NOVEMBER + 12 * 3600
