"""Payment intents, charges, refunds."""

from __future__ import annotations

from typing import Any

from worker.twin import pages
from worker.twin.billing import cards
from worker.twin.errors import invalid
from worker.twin.events import snapshot
from worker.twin.resources.invoices import collect_or_raise
from worker.twin.resources.payment_methods import usable
from worker.twin.store import Doc
from worker.twin.templates import payment as templates
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


def create_refund(world: World, call: Call) -> Doc:
    """`POST /v1/refunds` of a charge or of the charge behind a payment intent."""
    given = call.params
    charge_id = given.get("charge")
    if not charge_id and given.get("payment_intent"):
        charge_id = world.store.get("payment_intent", given["payment_intent"], "payment_intent")[
            "latest_charge"
        ]
    charge = world.store.get("charge", charge_id or "", "charge")
    left = charge["amount_captured"] - charge["amount_refunded"]
    amount = given.get("amount", left)
    if amount > left or left == 0:
        raise invalid(
            f"Refund amount is greater than unrefunded amount on charge ({left}).",
            "amount",
            "charge_already_refunded",
        )
    before = snapshot(charge)
    refund = templates.refund(world.ids.new("re", 20), world.clock.now(), charge, amount, given.get("reason"))
    world.store.add("refund", refund)
    charge["amount_refunded"] += amount
    charge["refunded"] = charge["amount_refunded"] == charge["amount_captured"]
    world.events.emit("refund.created", refund)
    world.events.updated("charge.refunded", charge, before)
    world.effect("refund", refund, -amount)
    return refund


def retrieve_refund(world: World, call: Call) -> Doc:
    """`GET /v1/refunds/{id}`."""
    return world.store.get("refund", call.id)


def find_refunds(world: World, call: Call) -> Doc:
    """`GET /v1/refunds`."""
    narrow: dict[str, Any] = {n: call.params[n] for n in ("charge", "payment_intent") if n in call.params}
    return pages.page(world.store["refund"].newest_first(narrow), call.params, "/v1/refunds")


HANDLERS = {
    "payment_intent_retrieve": retrieve_intent,
    "payment_intent_confirm": confirm_intent,
    "payment_intent_list": find_intents,
    "charge_retrieve": retrieve_charge,
    "charge_list": find_charges,
    "refund_create": create_refund,
    "refund_retrieve": retrieve_refund,
    "refund_list": find_refunds,
}
