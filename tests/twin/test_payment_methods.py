"""Test cards and their numbers, 3-D Secure with and without the customer, and methods that come and go."""

from __future__ import annotations

import pytest

from tests.twin.api import JSON, MONTH, Api, first_item
from tests.twin.test_balance import advance, newest

# Every row of the docs' page "Testing", section "Declined payments".
DECLINES = [
    ("pm_card_visa_chargeDeclined", "card_declined", "generic_decline"),
    ("pm_card_visa_chargeDeclinedInsufficientFunds", "card_declined", "insufficient_funds"),
    ("pm_card_visa_chargeDeclinedLostCard", "card_declined", "lost_card"),
    ("pm_card_visa_chargeDeclinedStolenCard", "card_declined", "stolen_card"),
    ("pm_card_chargeDeclinedExpiredCard", "expired_card", "expired_card"),
    ("pm_card_chargeDeclinedIncorrectCvc", "incorrect_cvc", "incorrect_cvc"),
    ("pm_card_chargeDeclinedProcessingError", "processing_error", "processing_error"),
    ("pm_card_visa_chargeDeclinedVelocityLimitExceeded", "card_declined", "card_velocity_exceeded"),
    ("pm_card_chargeCustomerFail", "card_declined", "generic_decline"),
    ("pm_card_threeDSecureRequiredProcessingError", "processing_error", "processing_error"),
]


async def subscription_with(api: Api, card: str, **extra: object) -> JSON:
    """A subscription of 20.00 on a frozen clock."""
    customer = await api.frozen_customer(card=card)
    return await api.subscribe(customer, (await api.price(2000), 1), **extra)


@pytest.mark.parametrize(("card", "code", "decline"), DECLINES, ids=[d[0] for d in DECLINES])
async def test_declines(api: Api, card: str, code: str, decline: str) -> None:
    """Each card fails with its own code."""
    held = await api.held_change(card)
    invoice = held["latest_invoice"]["id"]
    error = (await api.post(f"/v1/invoices/{invoice}/pay", status=402))["error"]
    assert (error["code"], error["decline_code"]) == (code, decline)
    assert (await newest(api, "charges"))["failure_code"] == code


@pytest.mark.parametrize(
    "card",
    ["pm_card_visa_debit", "pm_card_amex", "pm_card_de", "pm_card_threeDSecureOptional", "tok_mastercard",
     "pm_card_amex_threeDSecureNotSupported", "pm_card_threeDSecureOptionalProcessingError"],
)  # fmt: skip
async def test_good_cards(api: Api, card: str) -> None:
    """Brands, countries, and 3-D Secure that nobody asks for."""
    customer = await api.frozen_customer(card=None)
    method = (await api.post(f"/v1/payment_methods/{card}/attach", {"customer": customer["id"]}))["id"]
    made = await api.subscribe(customer, (await api.price(2000), 1), default_payment_method=method)
    assert made["status"] == "active"


@pytest.mark.parametrize("card", ["pm_card_nonsense", "tok_nonsense", "pm_usBankAccount_nonsense"])
async def test_unknown_tokens_are_refused(api: Api, card: str) -> None:
    """`resource_missing`, and no card comes of it."""
    customer = await api.customer(None)
    error = await api.post(f"/v1/payment_methods/{card}/attach", {"customer": customer["id"]}, status=404)
    assert error["error"]["code"] == "resource_missing"
    assert (await api.get(f"/v1/customers/{customer['id']}/payment_methods"))["data"] == []


async def test_cards_by_number(api: Api) -> None:
    """Documented numbers do what their tokens do; any other number is wrong (`incorrect_number`)."""
    card = {"number": "4000 0000 0000 0341", "exp_month": 5, "exp_year": 2031, "cvc": "123"}
    made = await api.post("/v1/payment_methods", {"type": "card", "card": card})
    assert (made["card"]["last4"], made["card"]["exp_year"]) == ("0341", 2031)
    wrong = {"type": "card", "card": {**card, "number": "4242424242424241"}}
    assert (await api.post("/v1/payment_methods", wrong, status=402))["error"]["code"] == "incorrect_number"


async def test_always_authenticate(api: Api) -> None:
    """Renewals, too, wait for the customer."""
    subscription = await subscription_with(api, "pm_card_authenticationRequired")
    assert subscription["status"] == "incomplete"
    act = {"act": "complete_authentication", "invoice": subscription["latest_invoice"]}
    await api.control("dashboard", act)
    assert await after_renewal(api, subscription) == "past_due"


@pytest.mark.parametrize("first_pays", [True, False])
async def test_authenticate_unless_set_up(api: Api, first_pays: bool) -> None:
    """Once the customer has authenticated, payments without them succeed (docs "3D Secure")."""
    subscription = await subscription_with(api, "pm_card_visa")
    await api.new_card(subscription["customer"], "pm_card_authenticationRequiredOnSetup")
    if first_pays:
        item = {"id": first_item(subscription)["id"], "quantity": 9}
        changed = await api.change(subscription, item)
        assert changed["status"] == "past_due"
        act = {"act": "complete_authentication", "invoice": changed["latest_invoice"]["id"]}
        await api.control("dashboard", act)
    assert await after_renewal(api, subscription) == ("active" if first_pays else "past_due")


async def test_set_up_already(api: Api) -> None:
    """Off session it succeeds; with the customer there it authenticates (docs "3D Secure")."""
    card = "pm_card_authenticationRequiredSetupForOffSession"
    subscription = await subscription_with(api, card, off_session=True)
    assert subscription["status"] == "active"
    changed = await api.change(subscription, {"id": first_item(subscription)["id"], "quantity": 9})
    assert changed["status"] == "past_due"
    await api.post(f"/v1/invoices/{changed['latest_invoice']['id']}/pay", {"off_session": True})
    assert await after_renewal(api, subscription) == "active"


async def after_renewal(api: Api, subscription: JSON) -> str:
    """The status after the next renewal was collected."""
    await advance(api, subscription["test_clock"], MONTH + 3600)
    return str((await api.get(f"/v1/subscriptions/{subscription['id']}"))["status"])


async def test_a_detached_card_is_gone_for_good(api: Api) -> None:
    """No default points to it, it pays nothing, and nobody attaches it again (API reference)."""
    subscription = await subscription_with(api, "pm_card_visa")
    card = (await newest(api, "payment_methods", customer=subscription["customer"]))["id"]
    await api.post(f"/v1/subscriptions/{subscription['id']}", {"default_payment_method": card})
    await api.post(f"/v1/payment_methods/{card}/detach")
    customer = await api.get(f"/v1/customers/{subscription['customer']}")
    assert customer["invoice_settings"]["default_payment_method"] is None
    attach = {"customer": subscription["customer"]}
    await api.post(f"/v1/payment_methods/{card}/attach", attach, status=400)
    assert await after_renewal(api, subscription) == "past_due"


async def test_a_default_can_be_taken_away(api: Api) -> None:
    """An empty string clears it; the next payment finds none."""
    subscription = await subscription_with(api, "pm_card_visa")
    path = f"/v1/customers/{subscription['customer']}"
    cleared = await api.post(path, {"invoice_settings": {"default_payment_method": ""}})
    assert cleared["invoice_settings"]["default_payment_method"] is None
    assert await after_renewal(api, subscription) == "past_due"


async def test_an_update_of_a_card(api: Api) -> None:
    """Expiry, billing details and metadata of an attached one, with an event."""
    customer = await api.customer()
    card = customer["invoice_settings"]["default_payment_method"]
    details = {"name": "Ada", "address": {"city": "London"}}
    params = {"card": {"exp_year": 2044}, "billing_details": details, "metadata": {"a": "1"}}
    changed = await api.post(f"/v1/payment_methods/{card}", params)
    assert (changed["card"]["exp_year"], changed["billing_details"]["name"]) == (2044, "Ada")
    assert changed["billing_details"]["address"]["city"] == "London"
    assert len(await api.events(type="payment_method.updated")) == 1
    loose = await api.post("/v1/payment_methods", {"type": "card", "card": {"token": "tok_visa"}})
    await api.post(f"/v1/payment_methods/{loose['id']}", {"metadata": {"a": "1"}}, status=400)


async def test_a_deleted_customer_is_gone(api: Api) -> None:
    """Its subscriptions are cancelled; it can be neither changed nor charged (API reference)."""
    subscription = await subscription_with(api, "pm_card_visa")
    name = subscription["customer"]
    await api.delete(f"/v1/customers/{name}")
    assert (await api.get(f"/v1/customers/{name}")) == {"id": name, "object": "customer", "deleted": True}
    assert (await api.get(f"/v1/subscriptions/{subscription['id']}"))["status"] == "canceled"
    await api.delete(f"/v1/customers/{name}", status=404)
    await api.post(f"/v1/customers/{name}", {"name": "x"}, status=404)
    item = {"customer": name, "amount": 5, "currency": "usd"}
    await api.post("/v1/invoiceitems", item, status=404)
    price = {"price": await api.price(2000)}
    await api.post("/v1/subscriptions", {"customer": name, "items": [price]}, status=404)


async def test_moves_of_the_balance_by_hand(api: Api) -> None:
    """Made with a text, changed later, in one currency, never of zero."""
    customer = await api.customer()
    path = f"/v1/customers/{customer['id']}/balance_transactions"
    made = await api.post(path, {"amount": -700, "currency": "usd", "description": "Sorry"})
    assert (made["description"], made["ending_balance"]) == ("Sorry", -700)
    changed = await api.post(f"{path}/{made['id']}", {"description": "Very sorry", "metadata": {"a": "1"}})
    assert (changed["description"], changed["metadata"]) == ("Very sorry", {"a": "1"})
    await api.post(path, {"amount": -1, "currency": "eur"}, status=400)
    await api.post(path, {"amount": 0, "currency": "usd"}, status=400)
    other = await api.customer()
    await api.get(f"/v1/customers/{other['id']}/balance_transactions/{made['id']}", status=404)
