"""Test cards: what the bank says to each of Stripe's documented test payment methods (Stripe docs "Testing").

A token is `pm_card_<name>` or `tok_<name>`; brands and unknown suffixes of good cards simply work.
"""

from __future__ import annotations

from typing import Any

from worker.twin.errors import card_declined, missing
from worker.twin.store import Doc
from worker.twin.templates import customer as templates
from worker.twin.world import World

GOOD, ACTION = "good", "action"
# name -> (brand, last four digits)
BRANDS = {
    "visa": ("visa", "4242"),
    "visa_debit": ("visa", "5556"),
    "debit": ("visa", "5556"),
    "mastercard": ("mastercard", "4444"),
    "mastercard_debit": ("mastercard", "3222"),
    "mastercard_prepaid": ("mastercard", "5100"),
    "prepaid": ("mastercard", "5100"),
    "amex": ("amex", "8431"),
    "discover": ("discover", "9424"),
    "diners": ("diners", "3237"),
    "jcb": ("jcb", "0505"),
    "unionpay": ("unionpay", "0005"),
    "us": ("visa", "4242"),
    "fr": ("visa", "0003"),
    "de": ("visa", "0016"),
    "gb": ("visa", "0000"),
    "threeDSecureOptional": ("visa", "3055"),
    "bypassPending": ("visa", "0077"),
}
# name -> (decline code or ACTION, last four digits)
TROUBLE = {
    "chargeDeclined": ("generic_decline", "0002"),
    "visa_chargeDeclined": ("generic_decline", "0002"),
    "chargeCustomerFail": ("generic_decline", "0341"),
    "chargeDeclinedInsufficientFunds": ("insufficient_funds", "9995"),
    "chargeDeclinedLostCard": ("lost_card", "9987"),
    "chargeDeclinedStolenCard": ("stolen_card", "9979"),
    "chargeDeclinedExpiredCard": ("expired_card", "0069"),
    "chargeDeclinedIncorrectCvc": ("incorrect_cvc", "0127"),
    "chargeDeclinedProcessingError": ("processing_error", "0119"),
    "chargeDeclinedFraudulent": ("fraudulent", "0019"),
    "chargeDeclinedVelocityLimitExceeded": ("card_velocity_exceeded", "6975"),
    "authenticationRequired": (ACTION, "3184"),
    "authenticationRequiredOnSetup": (ACTION, "3155"),
    "threeDSecureRequired": (ACTION, "3063"),
    "threeDSecure2Required": (ACTION, "3220"),
    "authenticationRequiredChargeDeclinedInsufficientFunds": (ACTION + ":insufficient_funds", "8260"),
    "threeDSecureRequiredChargeDeclined": (ACTION + ":generic_decline", "8333"),
}
NUMBERS = {
    "4242424242424242": "visa",
    "4000000000000002": "chargeDeclined",
    "4000000000000341": "chargeCustomerFail",
    "4000000000009995": "chargeDeclinedInsufficientFunds",
    "4000002500003155": "authenticationRequiredOnSetup",
    "4000002760003184": "authenticationRequired",
    "4000000000003220": "threeDSecure2Required",
}


def is_token(object_id: str) -> bool:
    """Whether this is one of Stripe's shared test tokens rather than an object."""
    return object_id.startswith(("pm_card_", "tok_"))


def mint(world: World, token: str, created: int, param: str = "payment_method") -> Doc:
    """A fresh card from a test token; raises `resource_missing` for a token that Stripe does not know."""
    name = token.removeprefix("pm_card_").removeprefix("tok_")
    if name.startswith("visa_chargeDeclined"):
        name = name.removeprefix("visa_")
    prefix = "card" if token.startswith("tok_") else "pm"
    if name in TROUBLE:
        outcome, last4 = TROUBLE[name]
        brand = "visa"
    elif name in BRANDS:
        (brand, last4), outcome = BRANDS[name], GOOD
    else:
        raise missing("PaymentMethod" if prefix == "pm" else "token", token, param)
    card = templates.payment_method(world.ids.new(prefix, 20), created, brand, last4, world.ids.letters(16))
    world.facts.cards[card["id"]] = outcome
    return world.store.add("payment_method", card)


def attach(world: World, card: Doc, customer: Doc) -> Doc:
    """Give the card to a customer."""
    outcome = world.facts.cards[card["id"]]
    fails_later = card["card"]["last4"] == "0341"
    if world.account.refuse_declining_cards_on_attach and not fails_later and outcome not in (GOOD, ACTION):
        raise card_declined(outcome)
    old = card["customer"]
    card["customer"] = customer["id"]
    world.store["payment_method"].refile(card, "customer", old)
    world.events.emit("payment_method.attached", card)
    return card


def method_for(world: World, invoice: Doc, subscription: Doc | None, given: str | None = None) -> Doc | None:
    """How an invoice will be paid: as given, else by invoice, subscription, customer, in this order."""
    customer = world.store["customer"].docs[invoice["customer"]]
    places: list[Any] = [given, invoice["default_payment_method"], invoice["default_source"]]
    if subscription is not None:
        places += [subscription["default_payment_method"], subscription["default_source"]]
    places += [customer["invoice_settings"]["default_payment_method"], customer["default_source"]]
    found = next((p for p in places if p), None)
    return world.store["payment_method"].docs.get(found) if found else None


def outcome_of(world: World, method: Doc | None) -> str:
    """GOOD, ACTION (perhaps with what follows it), a decline code, or "" without any payment method."""
    return world.facts.cards[method["id"]] if method is not None else ""
