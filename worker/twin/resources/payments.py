"""Payment intents and charges."""

from __future__ import annotations

from typing import Any

from worker.twin import pages
from worker.twin.billing import cards
from worker.twin.errors import invalid
from worker.twin.resources.invoices import collect_or_raise
from worker.twin.resources.payment_methods import usable
from worker.twin.store import Doc
from worker.twin.world import Call, World


def retrieve_intent(world: World, call: Call) -> Doc:
    """`GET /v1/payment_intents/{id}`."""
    return world.store.get("payment_intent", call.id)


def confirm_intent(world: World, call: Call) -> Doc:
    """`POST /v1/payment_intents/{id}/confirm`: another attempt at the invoice behind it."""
    intent = world.store.get("payment_intent", call.id)
    if intent["status"] in ("succeeded", "canceled"):
        text = f"This PaymentIntent's status is {intent['status']}; it cannot be confirmed."
        raise invalid(text, code="payment_intent_unexpected_state")
    invoice = invoice_of(world, intent)
    given = call.params.get("payment_method") or intent["payment_method"]
    method = usable(world, given, world.now_for(intent["customer"]), "payment_method") if given else None
    collect_or_raise(world, invoice, method or cards.method_for(world, invoice, None))
    return intent


def invoice_of(world: World, intent: Doc) -> Doc:
    """The invoice that an intent pays."""
    link = world.store["invoice_payment"].by("payment_intent", intent["id"])[0]
    return world.store["invoice"].docs[link["invoice"]]


def find_intents(world: World, call: Call) -> Doc:
    """`GET /v1/payment_intents`."""
    narrow: dict[str, Any] = {"customer": call.params["customer"]} if "customer" in call.params else {}
    rows = world.store["payment_intent"].newest_first(narrow)
    return pages.page(rows, call.params, "/v1/payment_intents")


def retrieve_charge(world: World, call: Call) -> Doc:
    """`GET /v1/charges/{id}`."""
    return world.store.get("charge", call.id)


def find_charges(world: World, call: Call) -> Doc:
    """`GET /v1/charges`."""
    narrow: dict[str, Any] = {n: call.params[n] for n in ("customer", "payment_intent") if n in call.params}
    rows = (
        c for c in world.store["charge"].newest_first(narrow) if all(c[n] == v for n, v in narrow.items())
    )
    return pages.page(rows, call.params, "/v1/charges")


HANDLERS = {
    "payment_intent_retrieve": retrieve_intent,
    "payment_intent_confirm": confirm_intent,
    "payment_intent_list": find_intents,
    "charge_retrieve": retrieve_charge,
    "charge_list": find_charges,
}
