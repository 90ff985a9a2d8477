"""Updating a subscription: payment behaviours, refusals, balances."""

from __future__ import annotations

from typing import Any

import pytest

from tests.twin.api import JSON, MID_NOVEMBER, MONTH, NOVEMBER, Api, amounts, first_item


async def declining(api: Api, card: str = "pm_card_chargeCustomerFail") -> JSON:
    """A subscription whose card stopped paying after the first invoice."""
    subscription = await api.seats()
    await api.new_card(subscription["customer"], card)
    return subscription


def more(subscription: JSON) -> JSON:
    """Eight seats."""
    return {"id": first_item(subscription)["id"], "quantity": 8}


async def test_allow_incomplete_applies_and_falls_behind(api: Api) -> None:
    """The default: the change holds although nobody paid, and the subscription is past due."""
    subscription = await declining(api)
    changed = await api.change(subscription, more(subscription))
    assert (changed["status"], first_item(changed)["quantity"]) == ("past_due", 8)
    assert changed["latest_invoice"]["status"] == "open"
    await api.new_card(subscription["customer"], "pm_card_visa")
    await api.post(f"/v1/invoices/{changed['latest_invoice']['id']}/pay")
    assert (await api.get(f"/v1/subscriptions/{subscription['id']}"))["status"] == "active"


@pytest.mark.parametrize(
    ("token", "code", "decline_code"),
    [
        ("pm_card_chargeCustomerFail", "card_declined", "generic_decline"),
        ("pm_card_chargeDeclinedInsufficientFunds", "card_declined", "insufficient_funds"),
        ("pm_card_chargeDeclinedExpiredCard", "expired_card", "expired_card"),
        ("pm_card_authenticationRequired", "subscription_payment_intent_requires_action", None),
    ],
)
async def test_error_if_incomplete_leaves_no_trace(
    api: Api, token: str, code: str, decline_code: str | None
) -> None:
    """402 with the bank's reason; no item, invoice, charge, event or effect remains."""
    subscription = await declining(api, token)
    before = [await api.control("state", method="GET"), await api.ledger(), len(await api.events())]
    params: dict[str, Any] = {"items": [more(subscription)], "proration_behavior": "always_invoice"}
    path = f"/v1/subscriptions/{subscription['id']}"
    error = (await api.post(path, {**params, "payment_behavior": "error_if_incomplete"}, status=402))["error"]
    assert (error["type"], error["code"], error.get("decline_code")) == ("card_error", code, decline_code)
    after = [await api.control("state", method="GET"), await api.ledger(), len(await api.events())]
    assert (before[0]["objects"], before[1:]) == (after[0]["objects"], after[1:])


async def test_default_incomplete_waits_for_the_client(api: Api) -> None:
    """No attempt is made: the invoice's payment intent has a secret to confirm with."""
    subscription = await api.seats()
    changed = await api.change(
        subscription,
        more(subscription),
        payment_behavior="default_incomplete",
        expand=["latest_invoice.confirmation_secret"],
    )
    assert (changed["status"], changed["latest_invoice"]["attempt_count"]) == ("past_due", 0)
    intent = changed["latest_invoice"]["confirmation_secret"]["client_secret"].split("_secret_")[0]
    assert (await api.post(f"/v1/payment_intents/{intent}/confirm"))["status"] == "succeeded"
    assert (await api.get(f"/v1/subscriptions/{subscription['id']}"))["status"] == "active"


async def test_send_invoice_never_charges(api: Api) -> None:
    """The change holds, the invoice is open with a due date, and no charge exists."""
    subscription = await api.seats(collection_method="send_invoice", days_until_due=14)
    changed = await api.change(subscription, more(subscription), proration_date=MID_NOVEMBER)
    invoice = changed["latest_invoice"]
    assert (changed["status"], invoice["status"], invoice["due_date"]) == (
        "active",
        "open",
        NOVEMBER + 14 * 86400,
    )
    assert await api.ledger(kind="charge") == []


async def test_a_negative_total_becomes_credit_and_the_next_invoice_draws_it(api: Api) -> None:
    """Paid without an attempt, `applied_to_invoice` both ways, 48.33 credit then 31.67 due."""
    customer = await api.frozen_customer()
    subscription = await api.subscribe(customer, (await api.price(18000), 1))
    item = {"id": first_item(subscription)["id"], "price": await api.price(8000), "quantity": 1}
    invoice = (await api.change(subscription, item, proration_date=MID_NOVEMBER))["latest_invoice"]
    assert (invoice["total"], invoice["amount_due"], invoice["status"]) == (-4833, 0, "paid")
    assert (invoice["attempt_count"], invoice["ending_balance"]) == (0, -4833)
    clock = f"/v1/test_helpers/test_clocks/{customer['test_clock']}/advance"
    await api.post(clock, {"frozen_time": NOVEMBER + MONTH + 7200})
    renewal = (await api.get("/v1/invoices", {"subscription": subscription["id"], "limit": 1}))["data"][0]
    assert (renewal["total"], renewal["starting_balance"], renewal["amount_due"]) == (8000, -4833, 3167)
    moves = (await api.get(f"/v1/customers/{customer['id']}/balance_transactions"))["data"]
    assert [(m["amount"], m["type"]) for m in moves] == [
        (4833, "applied_to_invoice"),
        (-4833, "applied_to_invoice"),
    ]


async def test_less_than_the_minimum_moves_to_the_balance(api: Api) -> None:
    """29 cents are never charged: paid without an attempt, `invoice_too_small`, owed on the next invoice
    (recorded).
    """
    subscription = await api.seats(1, 60)
    changed = await api.change(
        subscription, {"id": first_item(subscription)["id"], "quantity": 2}, proration_date=MID_NOVEMBER
    )
    invoice = changed["latest_invoice"]
    assert (invoice["total"], invoice["status"], invoice["amount_due"]) == (29, "paid", 0)
    assert (invoice["attempted"], invoice["attempt_count"], invoice["ending_balance"]) == (True, 0, 29)
    moves = (await api.get(f"/v1/customers/{subscription['customer']}/balance_transactions"))["data"]
    assert [(m["amount"], m["type"]) for m in moves] == [(29, "invoice_too_small")]


@pytest.mark.parametrize(
    ("item", "message"),
    [
        ({"price": "same"}, "same plan"),
        ({"id": "si_no", "quantity": 1}, "No such subscription item"),
        ({"price": "other currency", "quantity": 1}, "currency"),
        ({"price": "once", "quantity": 1}, "one_time"),
        ({"price": "retired", "quantity": 1}, "inactive"),
        ({"id": "first", "quantity": -1}, "between 0"),
        ({"id": "first", "deleted": True}, "at least one"),
    ],
)
async def test_refused_items(api: Api, item: JSON, message: str) -> None:
    """Every item edit that Stripe refuses, with nothing changed."""
    subscription = await api.seats()
    names = {
        "same": await api.price(2000),
        "first": first_item(subscription)["id"],
        "other currency": await api.price(7, currency="eur"),
        "once": (
            await api.post("/v1/prices", {"product_data": {"name": "x"}, "currency": "usd", "unit_amount": 5})
        )["id"],
        "retired": await api.price(8, active=False),
    }
    edit = {k: names.get(v, v) if isinstance(v, str) else v for k, v in item.items()}
    path = f"/v1/subscriptions/{subscription['id']}"
    status = 404 if "si_no" in edit.values() else 400
    assert message in (await api.post(path, {"items": [edit]}, status=status))["error"]["message"]
    assert (await api.get(path))["items"] == subscription["items"]


async def test_proration_date_has_limits(api: Api) -> None:
    """Outside the period it is refused, and together with a fresh anchor as well."""
    subscription = await api.seats()
    path = f"/v1/subscriptions/{subscription['id']}"
    for date in (NOVEMBER - 1, NOVEMBER + MONTH + 1):
        await api.post(path, {"items": [more(subscription)], "proration_date": date}, status=400)
    both = {"proration_date": NOVEMBER + 5, "billing_cycle_anchor": {"type": "now"}}
    assert "billing_cycle_anchor=now" in (await api.post(path, both, status=400))["error"]["message"]


async def test_quantity_zero_is_kept_and_costs_nothing(api: Api) -> None:
    """An item of none stays on the subscription; three more cost three."""
    prices = [await api.price(a) for a in (5000, 2000)]
    subscription = await api.subscribe(await api.frozen_customer(), (prices[0], 1), (prices[1], 0))
    item = subscription["items"]["data"][1]
    changed = await api.change(subscription, {"id": item["id"], "quantity": 3}, proration_date=MID_NOVEMBER)
    assert (item["quantity"], amounts(changed["latest_invoice"])) == (0, [0, 2900])


async def test_unchanged_items_make_no_invoice(api: Api) -> None:
    """Sending what is there already is no change."""
    subscription = await api.seats()
    item = first_item(subscription)
    same = {"id": item["id"], "price": item["price"]["id"], "quantity": item["quantity"]}
    changed = await api.change(subscription, same)
    assert changed["latest_invoice"]["id"] == subscription["latest_invoice"]


async def test_ended_and_incomplete_subscriptions_take_little(api: Api) -> None:
    """A canceled one takes metadata only, and says so with its code."""
    subscription = await api.seats()
    path = f"/v1/subscriptions/{subscription['id']}"
    await api.delete(path)
    error = (await api.post(path, {"items": [more(subscription)]}, status=400))["error"]
    assert error["code"] == "invalid_canceled_subscription_fields"
    assert (await api.post(path, {"metadata": {"a": "1"}}))["metadata"] == {"a": "1"}


async def test_one_time_items_wait_unless_something_invoices(api: Api) -> None:
    """Flexible mode: a set-up fee alone stays pending, together with a change it is invoiced."""
    subscription = await api.seats()
    fee = {"product_data": {"name": "Setup"}, "currency": "usd", "unit_amount": 500}
    extra = [{"price": (await api.post("/v1/prices", fee))["id"]}]
    alone = await api.change(subscription, add_invoice_items=extra)
    assert alone["latest_invoice"]["id"] == subscription["latest_invoice"]
    changed = await api.change(
        subscription, more(subscription), proration_date=MID_NOVEMBER, add_invoice_items=extra
    )
    assert amounts(changed["latest_invoice"]) == [-4833, 7733, 500, 500]


async def test_stripe_s_limits_can_be_switched_on(api: Api) -> None:
    """The eleventh invoice within a minute is a 429 of this subscription, and it is never stored."""
    subscription = await api.seats()
    await api.control("account", {"enforce_subscription_limits": True})
    item = first_item(subscription)["id"]
    for quantity in range(6, 16):
        await api.change(subscription, {"id": item, "quantity": quantity})
    params = {"items": [{"id": item, "quantity": 20}], "proration_behavior": "always_invoice"}
    await api.post(f"/v1/subscriptions/{subscription['id']}", params, key="k", status=429)
    assert api.headers["Stripe-Rate-Limited-Reason"] == "resource-specific"
    await api.control("account", {"enforce_subscription_limits": False})
    await api.post(f"/v1/subscriptions/{subscription['id']}", params, key="k")


@pytest.mark.parametrize(
    "bad",
    [
        {"metadata": {"x" * 41: "1"}},
        {"metadata": {"x": "1" * 501}},
        {"default_tax_rates": ["txr_no"]},
        {"discounts": [{"coupon": "no"}]},
        {"default_payment_method": "pm_no"},
        {"cancel_at": NOVEMBER - 1},
    ],
    ids=lambda bad: next(iter(bad)),
)
async def test_a_bad_field_beside_a_change_stops_all_of_it(api: Api, bad: JSON) -> None:
    """Nothing is charged when any other parameter of the same request is refused."""
    subscription = await api.seats()
    before = await api.ledger()
    params = {"items": [more(subscription)], "proration_behavior": "always_invoice", **bad}
    await api.post(f"/v1/subscriptions/{subscription['id']}", params, status=400)
    assert await api.ledger() == before
    assert await api.get(f"/v1/subscriptions/{subscription['id']}") == subscription
