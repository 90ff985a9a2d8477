"""Pending updates against the clock and each other, and each payment behaviour with each kind of card.

Sources: Stripe docs "Pending updates", "Pending updates reference" (allowed parameters, expiry at the
earliest of the trial's end, the first item period's end and 23 hours); changelog "Adds metadata support to
pending subscription updates"; docs "Subscription invoices" for the other behaviours.
"""

from __future__ import annotations

from typing import Any

import pytest

from tests.twin.api import JSON, MONTH, NOVEMBER, Api, amounts, first_item, types

DECEMBER = NOVEMBER + MONTH
HOURS_23 = 23 * 3600
FAILS, ASKS = "pm_card_chargeCustomerFail", "pm_card_authenticationRequired"


async def advance(api: Api, subscription: JSON, to: int) -> JSON:
    """Move the customer's test clock and read the subscription."""
    await api.post(f"/v1/test_helpers/test_clocks/{subscription['test_clock']}/advance", {"frozen_time": to})
    return await api.get(f"/v1/subscriptions/{subscription['id']}")


async def test_it_expires_with_the_first_item_that_renews(api: Api) -> None:
    """Month and year in one subscription: the month's end comes before 23 hours are over."""
    month, year = await api.price(2000), await api.price(20000, "year")
    subscription = await api.subscribe(await api.frozen_customer(), (year, 1), (month, 1))
    await advance(api, subscription, DECEMBER - 3600)
    await api.new_card(subscription["customer"], FAILS)
    item = {"id": first_item(subscription)["id"], "quantity": 2}
    held = await api.change(subscription, item, payment_behavior="pending_if_incomplete")
    assert held["pending_update"]["expires_at"] == DECEMBER
    renewed = await advance(api, subscription, DECEMBER + 1)
    assert (renewed["pending_update"], first_item(renewed)["quantity"]) == (None, 1)
    assert "customer.subscription.pending_update_expired" in types(await api.events())


async def test_the_second_update_has_its_own_23_hours(api: Api) -> None:
    """It is counted from its own request, and the first one's moment passes without effect."""
    held = await api.held_change()
    await advance(api, held, NOVEMBER + 3600)
    item = {"id": first_item(held)["id"], "quantity": 12}
    second = await api.change(held, item, payment_behavior="pending_if_incomplete")
    assert second["pending_update"]["expires_at"] == NOVEMBER + 3600 + HOURS_23
    assert (await advance(api, held, NOVEMBER + HOURS_23))["pending_update"]
    assert (await advance(api, held, NOVEMBER + 3600 + HOURS_23))["pending_update"] is None
    invoices = await api.get("/v1/invoices", {"subscription": held["id"]})
    assert [i["status"] for i in invoices["data"]] == ["void", "void", "paid"]


async def test_the_end_can_wait_for_the_payment_too(api: Api) -> None:
    """`cancel_at_period_end` in the held request takes hold with the rest of it, and is shown meanwhile."""
    held = await api.held_change(cancel_at_period_end=True)
    assert (held["cancel_at_period_end"], held["pending_update"]["cancel_at_period_end"]) == (False, True)
    await api.post(f"/v1/invoices/{held['latest_invoice']['id']}/pay", {"payment_method": "pm_card_visa"})
    now = await api.get(f"/v1/subscriptions/{held['id']}")
    assert (first_item(now)["quantity"], now["cancel_at_period_end"], now["cancel_at"]) == (8, True, DECEMBER)


async def test_a_held_anchor_reset_counts_from_its_request(api: Api) -> None:
    """Paid ten hours later, the period begins when the change was asked for."""
    held = await api.held_change(billing_cycle_anchor={"type": "now"})
    assert held["pending_update"]["billing_cycle_anchor"] == NOVEMBER
    await advance(api, held, NOVEMBER + 36000)
    await api.post(f"/v1/invoices/{held['latest_invoice']['id']}/pay", {"payment_method": "pm_card_visa"})
    now = await api.get(f"/v1/subscriptions/{held['id']}")
    assert first_item(now)["current_period_start"] == now["billing_cycle_anchor"] == NOVEMBER


async def test_plain_fields_leave_the_held_change_alone(api: Api) -> None:
    """Metadata changed meanwhile stays, and so does the change."""
    held = await api.held_change(metadata={"held": "1"})
    now = await api.post(f"/v1/subscriptions/{held['id']}", {"metadata": {"plain": "2"}})
    assert (now["metadata"], bool(now["pending_update"])) == ({"plain": "2"}, True)
    await api.post(f"/v1/invoices/{held['latest_invoice']['id']}/pay", {"payment_method": "pm_card_visa"})
    now = await api.get(f"/v1/subscriptions/{held['id']}")
    assert now["metadata"] == {"plain": "2", "held": "1"}


async def test_cancelling_drops_the_held_change(api: Api) -> None:
    """The subscription ends, the invoice is void."""
    held = await api.held_change()
    ended = await api.delete(f"/v1/subscriptions/{held['id']}")
    assert (ended["status"], ended["pending_update"]) == ("canceled", None)
    assert (await api.get(f"/v1/invoices/{held['latest_invoice']['id']}"))["status"] == "void"


@pytest.mark.parametrize("card", [FAILS, ASKS])
@pytest.mark.parametrize(
    ("behavior", "status", "quantity", "held"),
    [
        ("allow_incomplete", "past_due", 8, False),
        ("default_incomplete", "past_due", 8, False),
        ("pending_if_incomplete", "active", 5, True),
    ],
)
async def test_what_each_behavior_does_with_a_payment_that_does_not_succeed(
    api: Api, card: str, behavior: str, status: str, quantity: int, held: bool
) -> None:
    """A decline and 3-D Secure alike: the change holds and is past due, or is held back."""
    subscription = await api.seats()
    await api.new_card(subscription["customer"], card)
    item = {"id": first_item(subscription)["id"], "quantity": 8}
    changed = await api.change(subscription, item, payment_behavior=behavior)
    assert (changed["status"], first_item(changed)["quantity"]) == (status, quantity)
    assert (changed["pending_update"] is not None, changed["latest_invoice"]["status"]) == (held, "open")


@pytest.mark.parametrize("card", [FAILS, ASKS])
async def test_error_if_incomplete_refuses_both(api: Api, card: str) -> None:
    """402 and nothing has changed; off session or on."""
    subscription = await api.seats()
    await api.new_card(subscription["customer"], card)
    params: dict[str, Any] = {
        "items": [{"id": first_item(subscription)["id"], "quantity": 8}],
        "proration_behavior": "always_invoice",
        "payment_behavior": "error_if_incomplete",
        "off_session": True,
    }
    await api.post(f"/v1/subscriptions/{subscription['id']}", params, status=402)
    assert await api.get(f"/v1/subscriptions/{subscription['id']}") == subscription


async def test_a_change_without_an_invoice_is_not_held_back(api: Api) -> None:
    """There is nothing to pay, so it applies at once."""
    held = await api.held_change(proration_behavior="create_prorations")
    assert (held["pending_update"], first_item(held)["quantity"]) == (None, 8)
    assert amounts(held["latest_invoice"]) == [10000]
