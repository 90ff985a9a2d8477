"""New subscriptions and what their first payment decides."""

from __future__ import annotations

import pytest

from tests.twin.api import MONTH, NOVEMBER, Api, amounts, first_item, types

HOURS_23 = 23 * 3600


async def test_first_invoice_is_paid_within_the_request(api: Api) -> None:
    """Active, flexible, a paid invoice of reason `subscription_create`, the period on the items only."""
    subscription = await api.seats(5, expand=["latest_invoice"])
    invoice = subscription["latest_invoice"]
    assert (subscription["status"], subscription["billing_mode"]["type"]) == ("active", "flexible")
    assert (invoice["status"], invoice["billing_reason"], amounts(invoice)) == (
        "paid",
        "subscription_create",
        [10000],
    )
    assert first_item(subscription)["current_period_end"] == NOVEMBER + MONTH
    assert "current_period_end" not in subscription


async def test_a_declined_first_payment_leaves_it_incomplete(api: Api) -> None:
    """Incomplete with an open invoice; paying it makes the subscription active."""
    customer = await api.frozen_customer(card="pm_card_chargeCustomerFail")
    subscription = await api.subscribe(customer, (await api.price(2000), 1))
    assert subscription["status"] == "incomplete"
    path = f"/v1/subscriptions/{subscription['id']}"
    await api.post(path, {"items": [{"id": first_item(subscription)["id"], "quantity": 2}]}, status=400)
    await api.post(f"/v1/invoices/{subscription['latest_invoice']}/pay", {"payment_method": "pm_card_visa"})
    assert (await api.get(path))["status"] == "active"


async def test_it_expires_after_23_hours(api: Api) -> None:
    """Nobody pays: `incomplete_expired`, and the invoice is void."""
    customer = await api.frozen_customer(card="pm_card_chargeCustomerFail")
    subscription = await api.subscribe(customer, (await api.price(2000), 1))
    path = f"/v1/test_helpers/test_clocks/{customer['test_clock']}/advance"
    await api.post(path, {"frozen_time": NOVEMBER + HOURS_23})
    found = await api.get(f"/v1/subscriptions/{subscription['id']}", {"expand": ["latest_invoice"]})
    assert (found["status"], found["latest_invoice"]["status"]) == ("incomplete_expired", "void")


async def test_voiding_the_first_invoice_ends_it(api: Api) -> None:
    """A withdrawn first purchase leaves nothing that could be paid."""
    customer = await api.customer("pm_card_chargeCustomerFail")
    subscription = await api.subscribe(customer, (await api.price(2000), 1))
    await api.post(f"/v1/invoices/{subscription['latest_invoice']}/void")
    assert (await api.get(f"/v1/subscriptions/{subscription['id']}"))["status"] == "incomplete_expired"


@pytest.mark.parametrize(
    ("card", "behavior", "status", "code"),
    [
        ("pm_card_visa", "pending_if_incomplete", 400, None),
        ("pm_card_chargeCustomerFail", "error_if_incomplete", 402, "card_declined"),
        (None, "allow_incomplete", 400, "resource_missing"),
    ],
)
async def test_refused_creations_leave_nothing(
    api: Api, card: str | None, behavior: str, status: int, code: str | None
) -> None:
    """Pending updates are for updates, a required payment must succeed, and there must be a way to pay."""
    customer = await api.customer(card)
    params = {
        "customer": customer["id"],
        "items": [{"price": await api.price(2000)}],
        "payment_behavior": behavior,
    }
    assert (await api.post("/v1/subscriptions", params, status=status))["error"].get("code") == code
    assert (await api.get("/v1/subscriptions", {"customer": customer["id"], "status": "all"}))["data"] == []
    assert await api.ledger(customer=customer["id"]) == []


async def test_default_incomplete_waits(api: Api) -> None:
    """The first payment is left to the client."""
    subscription = await api.seats(
        payment_behavior="default_incomplete", expand=["latest_invoice.confirmation_secret"]
    )
    invoice = subscription["latest_invoice"]
    assert (subscription["status"], invoice["status"], invoice["attempt_count"]) == ("incomplete", "open", 0)
    assert invoice["confirmation_secret"]["client_secret"]


async def test_a_trial_costs_nothing_until_it_ends(api: Api) -> None:
    """A free first invoice; changes in the trial cost nothing; the first renewal bills the items of then."""
    subscription = await api.seats(trial_period_days=10)
    assert (subscription["status"], subscription["trial_end"]) == ("trialing", NOVEMBER + 864000)
    item = {"id": first_item(subscription)["id"], "quantity": 8}
    changed = await api.change(subscription, item)
    assert changed["latest_invoice"]["id"] == subscription["latest_invoice"]
    clock = f"/v1/test_helpers/test_clocks/{subscription['test_clock']}/advance"
    await api.post(clock, {"frozen_time": NOVEMBER + 864000 + 3600})
    found = await api.get(f"/v1/subscriptions/{subscription['id']}", {"expand": ["latest_invoice"]})
    assert (found["status"], found["latest_invoice"]["total"]) == ("active", 16000)


async def test_an_anchor_of_one_s_own_cuts_the_first_period(api: Api) -> None:
    """Half a month until the anchor costs half."""
    subscription = await api.seats(billing_cycle_anchor=NOVEMBER + MONTH // 2, expand=["latest_invoice"])
    assert amounts(subscription["latest_invoice"]) == [5000]
    assert first_item(subscription)["current_period_end"] == NOVEMBER + MONTH // 2


async def test_cards_by_token(api: Api) -> None:
    """One token named twice is one card; a source pays too; a detached card is no default any more."""
    customer = await api.customer("pm_card_visa")
    cards = (await api.get(f"/v1/customers/{customer['id']}/payment_methods"))["data"]
    assert [c["id"] for c in cards] == [customer["invoice_settings"]["default_payment_method"]]
    await api.post(f"/v1/payment_methods/{cards[0]['id']}/detach")
    found = await api.get(f"/v1/customers/{customer['id']}")
    assert found["invoice_settings"]["default_payment_method"] is None
    paying = await api.post("/v1/customers", {"source": "tok_visa"})
    assert (await api.subscribe(paying, (await api.price(2000), 1)))["status"] == "active"


async def test_declining_cards_attach_unless_told(api: Api) -> None:
    """By default every test card attaches and declines later; real Stripe refuses some at once (recorded
    402).
    """
    customer = await api.customer(None)
    path = "/v1/payment_methods/pm_card_chargeDeclined/attach"
    await api.post(path, {"customer": customer["id"]})
    await api.control("account", {"refuse_declining_cards_on_attach": True})
    error = (await api.post(path, {"customer": customer["id"]}, status=402))["error"]
    assert (error["code"], error["decline_code"]) == ("card_declined", "generic_decline")
    await api.post("/v1/payment_methods/pm_card_chargeCustomerFail/attach", {"customer": customer["id"]})


async def test_deleting_a_customer_cancels(api: Api) -> None:
    """Its subscriptions end, and it answers as deleted."""
    subscription = await api.subscribe(await api.customer(), (await api.price(2000), 1))
    await api.delete(f"/v1/customers/{subscription['customer']}")
    assert (await api.get(f"/v1/customers/{subscription['customer']}"))["deleted"] is True
    assert (await api.get(f"/v1/subscriptions/{subscription['id']}"))["status"] == "canceled"
    assert "customer.deleted" in types(await api.events())
