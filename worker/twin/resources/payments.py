"""Payment intents, charges, and the payments of invoices."""

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
    if intent["status"] in ("succeeded", "canceled", "processing"):
        text = f"This PaymentIntent's status is {intent['status']}; it cannot be confirmed."
        raise invalid(text, code="payment_intent_unexpected_state")
    invoice = invoice_of(world, intent)
    given = call.params.get("payment_method") or intent["payment_method"]
    method = usable(world, given, world.now_for(intent["customer"]), "payment_method") if given else None
    collect_or_raise(world, invoice, method or cards.method_for(world, invoice, None))
    return intent


def cancel_intent(world: World, call: Call) -> Doc:
    """`POST /v1/payment_intents/{id}/cancel`: refused, for every intent here belongs to an invoice."""
    world.store.get("payment_intent", call.id)
    text = "You cannot cancel a PaymentIntent that was created by an invoice; void the invoice instead."
    raise invalid(text, code="payment_intent_unexpected_state")


def invoice_of(world: World, intent: Doc) -> Doc:
    """The invoice that an intent pays."""
    link = world.store["invoice_payment"].by("payment_intent", intent["id"])[0]
    return world.store["invoice"].docs[link["invoice"]]


def find_intents(world: World, call: Call) -> Doc:
    """`GET /v1/payment_intents`."""
    narrow: dict[str, Any] = {"customer": call.params["customer"]} if "customer" in call.params else {}
    rows = (
        i
        for i in world.store["payment_intent"].newest_first(narrow, call.params.get("starting_after"))
        if pages.in_range(i["created"], call.params.get("created"))
    )
    return pages.page(rows, call.params, "/v1/payment_intents")


def retrieve_charge(world: World, call: Call) -> Doc:
    """`GET /v1/charges/{id}`."""
    return world.store.get("charge", call.id)


def find_charges(world: World, call: Call) -> Doc:
    """`GET /v1/charges`."""
    narrow: dict[str, Any] = {n: call.params[n] for n in ("customer", "payment_intent") if n in call.params}
    rows = (
        c
        for c in world.store["charge"].newest_first(narrow, call.params.get("starting_after"))
        if all(c[n] == v for n, v in narrow.items())
        and pages.in_range(c["created"], call.params.get("created"))
    )
    return pages.page(rows, call.params, "/v1/charges")


def list_payments(world: World, call: Call) -> Doc:
    """`GET /v1/invoice_payments`."""
    wanted = call.params
    narrow: dict[str, Any] = {"invoice": wanted["invoice"]} if "invoice" in wanted else {}
    intent = (wanted.get("payment") or {}).get("payment_intent")
    if intent:
        narrow["payment_intent"] = intent
    rows = (
        p
        for p in world.store["invoice_payment"].newest_first(narrow, wanted.get("starting_after"))
        if wanted.get("status") in (None, p["status"])
    )
    return pages.page(rows, wanted, "/v1/invoice_payments")


def retrieve_payment(world: World, call: Call) -> Doc:
    """`GET /v1/invoice_payments/{id}`."""
    return world.store.get("invoice_payment", call.id)


HANDLERS = {
    "payment_intent_retrieve": retrieve_intent,
    "payment_intent_confirm": confirm_intent,
    "payment_intent_cancel": cancel_intent,
    "payment_intent_list": find_intents,
    "invoice_payment_list": list_payments,
    "invoice_payment_retrieve": retrieve_payment,
    "charge_retrieve": retrieve_charge,
    "charge_list": find_charges,
}
