"""Payment methods: Stripe's test tokens become cards and bank accounts of a customer."""

from __future__ import annotations

from typing import Any

from worker.twin import pages
from worker.twin.billing import cards, tokens
from worker.twin.billing.fields import merge_metadata
from worker.twin.errors import ApiError, invalid, missing
from worker.twin.events import snapshot
from worker.twin.store import Doc
from worker.twin.templates.customer import ADDRESS
from worker.twin.world import Call, World

BANKS = ("us_bank_account", "sepa_debit")


def usable(world: World, object_id: str, now: int, param: str) -> Doc:
    """The card behind an id; a test token makes a fresh one."""
    if cards.is_token(object_id):
        return cards.mint(world, object_id, now, param)
    card = world.store["payment_method"].docs.get(object_id)
    if card is None:
        raise missing("PaymentMethod", object_id, param)
    return card


def set_default(world: World, customer: Doc, object_id: str) -> None:
    """`invoice_settings.default_payment_method`; it must be attached (a token is attached on the way)."""
    if object_id == "":
        customer["invoice_settings"]["default_payment_method"] = None
        return
    param = "invoice_settings[default_payment_method]"
    if cards.is_token(object_id):
        object_id = _newest_of(world, customer, object_id) or object_id
    card = usable(world, object_id, world.now_for(customer["id"]), param)
    if card["customer"] is None and cards.is_token(object_id):
        cards.attach(world, card, customer)
    if card["customer"] != customer["id"]:
        text = "The customer does not have a payment method with the ID " + object_id
        raise invalid(f"{text}. The payment method must be attached to the customer.", param)
    customer["invoice_settings"]["default_payment_method"] = card["id"]


def _newest_of(world: World, customer: Doc, token: str) -> str | None:
    """A creation may name one token twice, as `payment_method` and as the default: that is one card."""
    if world.call is None or world.call.params.get("payment_method") != token:
        return None
    attached = world.store["payment_method"].by("customer", customer["id"])
    return attached[-1]["id"] if attached else None


def create(world: World, call: Call) -> Doc:
    """`POST /v1/payment_methods` with a documented test number, account or IBAN, or `card[token]`."""
    given = call.params
    kind = given.get("type")
    if kind in BANKS:
        account = (given.get(kind) or {}).get("account_number" if kind == "us_bank_account" else "iban", "")
        bank = tokens.bank_of(account.replace(" ", ""))
        if bank is None or bank[0] != kind:
            raise invalid("The twin knows only the documented test accounts.", kind, "account_number_invalid")
        made = cards.mint_bank(world, *bank, world.clock.now())
    elif kind == "card":
        made = _card(world, given.get("card") or {})
    else:
        raise invalid("The twin models cards and bank debits only.", "type")
    _write(made, given)
    return made


def _card(world: World, card: dict[str, Any]) -> Doc:
    number = str(card.get("number", "4242424242424242")).replace(" ", "")
    if number not in tokens.NUMBERS:
        text = "Your card number is incorrect."
        raise ApiError(402, text, kind="card_error", code="incorrect_number", param="card[number]")
    token = card.get("token") or "pm_card_" + tokens.NUMBERS[number]
    made = cards.mint(world, token.replace("tok_", "pm_card_"), world.clock.now())
    _write(made, {"card": card})
    return made


def _write(method: Doc, given: dict[str, Any]) -> None:
    for name in ("exp_month", "exp_year"):
        if name in (given.get("card") or {}):
            method["card"][name] = given["card"][name]
    details = given.get("billing_details") or {}
    for name, value in details.items():
        old = method["billing_details"][name]
        merged = {**old, **value} if isinstance(old, dict) and value else value
        method["billing_details"][name] = merged or (dict(ADDRESS) if name == "address" else None)
    if "allow_redisplay" in given:
        method["allow_redisplay"] = given["allow_redisplay"]
    merge_metadata(method, given.get("metadata"))


def update(world: World, call: Call) -> Doc:
    """`POST /v1/payment_methods/{id}`: expiry, billing details, metadata; only of an attached one."""
    method = world.store.get("payment_method", call.id)
    if method["customer"] is None:
        text = "You must save this PaymentMethod to a customer before you can update it."
        raise invalid(text, "payment_method")
    before = snapshot(method)
    _write(method, call.params)
    world.events.updated("payment_method.updated", method, before)
    return method


def attach(world: World, call: Call) -> Doc:
    """`POST /v1/payment_methods/{id}/attach`."""
    customer_id = call.params.get("customer")
    if customer_id is None:
        raise invalid("Missing required param: customer.", "customer", "parameter_missing")
    customer = world.store.get("customer", customer_id, "customer")
    card = usable(world, call.id, world.now_for(customer_id), "payment_method")
    if card["id"] in world.facts.detached:
        raise invalid(
            "The provided PaymentMethod was detached from a Customer, and cannot be used again.",
            "payment_method",
        )
    if card["customer"] not in (None, customer_id):
        raise invalid(
            "The payment method you provided has already been attached to a customer.", "payment_method"
        )
    return cards.attach(world, card, customer)


def detach(world: World, call: Call) -> Doc:
    """`POST /v1/payment_methods/{id}/detach`: no default points to it afterwards."""
    card = world.store.get("payment_method", call.id)
    customer = world.store["customer"].docs.get(card["customer"] or "")
    if customer is None:
        raise invalid("The payment method you provided is not attached to a customer.", "payment_method")
    before = snapshot(customer)
    if customer["invoice_settings"]["default_payment_method"] == card["id"]:
        customer["invoice_settings"]["default_payment_method"] = None
    if customer["default_source"] == card["id"]:
        customer["default_source"] = None
    card["customer"] = None
    world.facts.detached[card["id"]] = world.clock.now()
    world.store["payment_method"].refile(card, "customer", customer["id"])
    world.events.emit("payment_method.detached", card, {"customer": customer["id"]})
    world.events.updated("customer.updated", customer, before)
    return card


def retrieve(world: World, call: Call) -> Doc:
    """`GET /v1/payment_methods/{id}`."""
    return world.store.get("payment_method", call.ids[-1])


def find(world: World, call: Call) -> Doc:
    """`GET /v1/payment_methods` and the customer's own list."""
    of_customer = call.operation == "customer_payment_method_list"
    customer_id = call.id if of_customer else call.params.get("customer")
    url = f"/v1/customers/{customer_id}/payment_methods" if of_customer else "/v1/payment_methods"
    if customer_id:
        world.store.get("customer", customer_id, "customer")
    rows = world.store["payment_method"].newest_first({"customer": customer_id})
    kind = call.params.get("type")
    shown = (r for r in rows if r["id"].startswith("pm_") and kind in (None, r["type"]))
    return pages.page(shown, call.params, url)


HANDLERS = {
    "payment_method_create": create,
    "payment_method_update": update,
    "payment_method_attach": attach,
    "payment_method_detach": detach,
    "payment_method_retrieve": retrieve,
    "payment_method_list": find,
    "customer_payment_method_list": find,
    "customer_payment_method_retrieve": retrieve,
}
