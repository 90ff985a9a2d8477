"""Pending updates: what is held back, when it takes hold, and what ends it."""

from __future__ import annotations

import pytest

from tests.twin.api import JSON, MONTH, NOVEMBER, Api, amounts, first_item, types

HOURS_23 = 23 * 3600


async def now_of(api: Api, subscription: JSON) -> JSON:
    """The subscription as it is now."""
    return await api.get(f"/v1/subscriptions/{subscription['id']}")


async def advance(api: Api, subscription: JSON, to: int) -> None:
    """Move the customer's test clock."""
    await api.post(f"/v1/test_helpers/test_clocks/{subscription['test_clock']}/advance", {"frozen_time": to})


async def test_a_decline_holds_the_change_back(api: Api) -> None:
    """Items, metadata and status stay; the update shows what was wanted, the invoice is open and has a
    page.
    """
    held = await api.held_change(metadata={"prorata_change": "chg_1"})
    assert (first_item(held)["quantity"], held["status"], held["metadata"]) == (5, "active", {})
    update, invoice = held["pending_update"], held["latest_invoice"]
    assert (update["subscription_items"][0]["quantity"], update["metadata"]) == (
        8,
        {"prorata_change": "chg_1"},
    )
    assert update["expires_at"] == NOVEMBER + HOURS_23
    assert (invoice["status"], amounts(invoice)) == ("open", [-10000, 16000])
    assert invoice["hosted_invoice_url"].startswith(api.base_url)


async def test_a_card_that_pays_applies_at_once(api: Api) -> None:
    """Without trouble there is no pending update at all."""
    changed = await api.held_change("pm_card_visa", metadata={"prorata_change": "chg_1"})
    assert (changed["pending_update"], first_item(changed)["quantity"]) == (None, 8)
    assert changed["metadata"] == {"prorata_change": "chg_1"}


async def test_paying_later_applies_and_merges_metadata(api: Api) -> None:
    """The change takes hold as it was asked for, and the next credit knows what was billed."""
    held = await api.held_change(metadata={"prorata_change": "chg_1"})
    await api.new_card(held["customer"], "pm_card_visa")
    await api.post(f"/v1/invoices/{held['latest_invoice']['id']}/pay")
    now = await now_of(api, held)
    assert (now["pending_update"], first_item(now)["quantity"]) == (None, 8)
    assert now["metadata"] == {"prorata_change": "chg_1"}
    assert "customer.subscription.pending_update_applied" in types(await api.events())
    again = await api.change(now, {"id": first_item(now)["id"], "quantity": 5})
    assert amounts(again["latest_invoice"]) == [-16000, 10000]


async def test_voiding_discards(api: Api) -> None:
    """The invoice is void, the items stay, and the payment cannot be made any more."""
    held = await api.held_change()
    invoice = held["latest_invoice"]["id"]
    assert (await api.post(f"/v1/invoices/{invoice}/void"))["status"] == "void"
    now = await now_of(api, held)
    assert (now["pending_update"], first_item(now)["quantity"]) == (None, 5)
    await api.post(f"/v1/invoices/{invoice}/pay", status=400)
    error = (await api.post(f"/v1/invoices/{invoice}/void", status=400))["error"]
    assert error["code"] == "status_transition_invalid"


async def test_a_paid_invoice_cannot_be_voided(api: Api) -> None:
    """The refusal that tells a withdrawal that the change went through."""
    held = await api.held_change()
    await api.new_card(held["customer"], "pm_card_visa")
    await api.post(f"/v1/invoices/{held['latest_invoice']['id']}/pay")
    error = (await api.post(f"/v1/invoices/{held['latest_invoice']['id']}/void", status=400))["error"]
    assert error["code"] == "status_transition_invalid"


async def test_it_expires_after_23_hours(api: Api) -> None:
    """The invoice is voided, an event says so, and the card is never charged."""
    held = await api.held_change()
    await advance(api, held, NOVEMBER + HOURS_23 - 1)
    assert (await now_of(api, held))["pending_update"]
    await advance(api, held, NOVEMBER + HOURS_23)
    assert (await now_of(api, held))["pending_update"] is None
    assert (await api.get(f"/v1/invoices/{held['latest_invoice']['id']}"))["status"] == "void"
    assert "customer.subscription.pending_update_expired" in types(await api.events())


async def test_it_expires_with_the_period(api: Api) -> None:
    """Near the end of a period less than 23 hours remain, and the renewal bills the old items."""
    subscription = await api.seats()
    await advance(api, subscription, NOVEMBER + MONTH - 3600)
    await api.new_card(subscription["customer"], "pm_card_chargeCustomerFail")
    item = {"id": first_item(subscription)["id"], "quantity": 900}
    held = await api.change(subscription, item, payment_behavior="pending_if_incomplete")
    assert held["pending_update"]["expires_at"] == NOVEMBER + MONTH
    await advance(api, subscription, NOVEMBER + MONTH + 1)
    now = await now_of(api, subscription)
    renewal = await api.get(f"/v1/invoices/{now['latest_invoice']}")
    assert (now["pending_update"], renewal["total"]) == (None, 10000)


async def test_a_second_change_replaces_the_first(api: Api) -> None:
    """The old invoice is voided, the new one counts, with a new expiry."""
    held = await api.held_change()
    item = {"id": first_item(held)["id"], "quantity": 12}
    second = await api.change(held, item, payment_behavior="pending_if_incomplete")
    assert second["pending_update"]["subscription_items"][0]["quantity"] == 12
    assert (await api.get(f"/v1/invoices/{held['latest_invoice']['id']}"))["status"] == "void"


async def test_older_pending_items_are_swallowed_by_the_void(api: Api) -> None:
    """The conservative reading: what rode on the voided invoice is not billed again."""
    subscription = await api.seats()
    item = first_item(subscription)["id"]
    await api.change(subscription, {"id": item, "quantity": 6}, proration_behavior="create_prorations")
    await api.new_card(subscription["customer"], "pm_card_chargeCustomerFail")
    held = await api.change(
        subscription, {"id": item, "quantity": 8}, payment_behavior="pending_if_incomplete"
    )
    assert amounts(held["latest_invoice"]) == [-12000, 16000, 12000, -10000]
    await api.post(f"/v1/invoices/{held['latest_invoice']['id']}/void")
    waiting = await api.get("/v1/invoiceitems", {"customer": subscription["customer"], "pending": True})
    assert waiting["data"] == []


async def test_a_drawn_balance_comes_back_with_the_void(api: Api) -> None:
    """The credit that the open invoice had used is there again."""
    subscription = await api.seats()
    await api.post(f"/v1/customers/{subscription['customer']}", {"balance": -1000})
    await api.new_card(subscription["customer"], "pm_card_chargeCustomerFail")
    item = {"id": first_item(subscription)["id"], "quantity": 8}
    held = await api.change(subscription, item, payment_behavior="pending_if_incomplete")
    assert (held["latest_invoice"]["amount_due"], held["latest_invoice"]["starting_balance"]) == (5000, -1000)
    await api.post(f"/v1/invoices/{held['latest_invoice']['id']}/void")
    assert (await api.get(f"/v1/customers/{subscription['customer']}"))["balance"] == -1000


@pytest.mark.parametrize(
    "extra",
    [
        {"default_payment_method": "pm_x"},
        {"collection_method": "charge_automatically"},
        {"default_tax_rates": ["txr_1"]},
        {"off_session": True},
        {"description": "x"},
    ],
)
async def test_unsupported_parameters_are_refused(api: Api, extra: JSON) -> None:
    """What a pending update cannot hold is 400 and changes nothing."""
    subscription = await api.seats()
    params = {"items": [{"id": first_item(subscription)["id"], "quantity": 8}], **extra}
    params["payment_behavior"] = "pending_if_incomplete"
    path = f"/v1/subscriptions/{subscription['id']}"
    assert "not supported" in (await api.post(path, params, status=400))["error"]["message"]
    assert await now_of(api, subscription) == subscription


async def test_metadata_is_supported(api: Api) -> None:
    """Corrects the probe `error_pending_update_unsupported_param`: metadata is accepted since
    2026-05-27.dahlia.
    """
    held = await api.held_change(metadata={"x": "1"})
    assert held["pending_update"]["metadata"] == {"x": "1"}


async def test_deleting_an_item_is_not_held_back(api: Api) -> None:
    """Whether Stripe stages deletions in a subscription update is unconfirmed: the twin refuses them."""
    subscription = await api.seats()
    items = [{"id": first_item(subscription)["id"], "deleted": True}, {"price": await api.price(1)}]
    params = {"items": items, "payment_behavior": "pending_if_incomplete"}
    await api.post(f"/v1/subscriptions/{subscription['id']}", params, status=400)


async def test_3d_secure_waits_for_the_customer(api: Api) -> None:
    """The payment intent requires an action; completing it on the hosted page applies the change."""
    held = await api.held_change("pm_card_authenticationRequired")
    invoice = await api.get(f"/v1/invoices/{held['latest_invoice']['id']}", {"expand": ["payments"]})
    intent = invoice["payments"]["data"][0]["payment"]["payment_intent"]
    found = await api.get(f"/v1/payment_intents/{intent}")
    assert (found["status"], found["next_action"]["type"]) == ("requires_action", "use_stripe_sdk")
    error = (await api.post(f"/v1/invoices/{invoice['id']}/pay", status=402))["error"]
    assert error["code"] == "invoice_payment_intent_requires_action"
    await api.control("dashboard", {"act": "complete_3ds", "invoice": invoice["id"]})
    assert first_item(await now_of(api, held))["quantity"] == 8


async def test_failed_authentication_leaves_it_open(api: Api) -> None:
    """The customer fails 3-D Secure: the intent needs another card, and another card pays."""
    held = await api.held_change("pm_card_threeDSecure2Required")
    invoice = held["latest_invoice"]["id"]
    await api.control("dashboard", {"act": "fail_authentication", "invoice": invoice})
    assert (await now_of(api, held))["pending_update"]
    await api.post(f"/v1/invoices/{invoice}/pay", {"payment_method": "pm_card_visa"})
    assert first_item(await now_of(api, held))["quantity"] == 8


async def test_the_hosted_page_pays(api: Api) -> None:
    """The link of the invoice leads to a page whose button completes the payment."""
    held = await api.held_change("pm_card_authenticationRequired")
    url = held["latest_invoice"]["hosted_invoice_url"]
    async with api.session.get(url) as page:
        assert "no real money" in await page.text()
    async with api.session.post(url, data={"act": "complete_authentication"}) as page:
        assert "paid" in await page.text()
    assert first_item(await now_of(api, held))["quantity"] == 8
