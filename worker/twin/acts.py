"""What customers and banks do, which no request of the API can: 3-D Secure, a card's outcome, a dispute.

At the control door: `POST /_twin/dashboard {"act": name, ...}`; the hosted pages use the same acts.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from worker.twin import webhook_acts
from worker.twin.billing import cards, discounts, disputes, lifecycle, payouts, refunds, settlement
from worker.twin.errors import ApiError
from worker.twin.exchange import Twin
from worker.twin.resources.invoices import collect_or_raise
from worker.twin.store import Doc


def act(twin: Twin, body: dict[str, Any]) -> Any:
    """What a customer or a bank does, by the name in `act`."""
    name = body["act"]
    if name not in ACTS:
        raise ApiError(400, f"No such act: {name}; there are {', '.join(ACTS)}.", param="act")
    try:
        return ACTS[name](twin, body)
    finally:
        twin.deliveries.take()


def _waiting_invoice(twin: Twin, body: dict[str, Any]) -> Doc:
    invoice = twin.world.store.get("invoice", body.get("invoice", ""), "invoice")
    if invoice["status"] != "open":
        raise ApiError(400, f"The invoice is {invoice['status']}.", param="invoice")
    return invoice


def complete_authentication(twin: Twin, body: dict[str, Any]) -> Doc:
    """The customer finishes 3-D Secure (or pays) on the hosted page; `payment_method` may be a test token."""
    invoice = _waiting_invoice(twin, body)
    world = twin.world
    customer = world.store["customer"].docs[invoice["customer"]]
    given = body.get("payment_method")
    method = None
    if given:
        fresh = cards.is_token(given)
        method = (
            cards.mint(world, given, world.now_for(customer["id"]))
            if fresh
            else world.store.get("payment_method", given)
        )
        if method["customer"] is None:
            cards.attach(world, method, customer)
    subscription = lifecycle.subscription_of(world, invoice)
    method = method or cards.method_for(world, invoice, subscription)
    collect_or_raise(world, invoice, method, authenticated=True)
    return invoice


def fail_authentication(twin: Twin, body: dict[str, Any]) -> Doc:
    """The customer fails or leaves 3-D Secure: the payment needs another payment method."""
    invoice = _waiting_invoice(twin, body)
    settlement.refuse_while_processing(twin.world, invoice)
    facts = twin.world.facts.invoices[invoice["id"]]
    intent = twin.world.store.get("payment_intent", facts.payment_intent or "", "invoice", 400)
    error = {"code": "payment_intent_authentication_failure", "type": "card_error",
             "message": "The provided payment method has failed authentication."}  # fmt: skip
    intent.update(
        status="requires_payment_method", next_action=None, last_payment_error=error, payment_method=None
    )
    twin.world.events.emit("payment_intent.payment_failed", intent)
    twin.world.events.emit("invoice.payment_failed", invoice)
    return invoice


def set_card(twin: Twin, body: dict[str, Any]) -> Any:
    """The bank changes its mind about a card: `outcome` is `good`, `action` or a decline code."""
    card = twin.world.store.get("payment_method", body.get("payment_method", ""), "payment_method")
    twin.world.facts.cards[card["id"]] = str(body.get("outcome", cards.GOOD))
    return {"payment_method": card["id"], "outcome": twin.world.facts.cards[card["id"]]}


def dispute(twin: Twin, body: dict[str, Any]) -> Any:
    """The cardholder disputes a `charge`, or with `inquiry` only asks; `reason` as in the API."""
    charge = twin.world.store.get("charge", body.get("charge", ""), "charge")
    reason, inquiry = str(body.get("reason", "general")), bool(body.get("inquiry"))
    return disputes.make(twin.world, charge, reason, inquiry=inquiry)


def close_dispute(twin: Twin, body: dict[str, Any]) -> Any:
    """The bank decides a `dispute`: `outcome` is `won`, `lost`, or `escalate` for an inquiry."""
    found = twin.world.store.get("dispute", body.get("dispute", ""), "dispute")
    outcome = str(body.get("outcome", "won"))
    if outcome == "escalate":
        return disputes.escalate(twin.world, found)
    if outcome not in ("won", "lost"):
        raise ApiError(400, "`outcome` is won, lost or escalate.", param="outcome")
    return disputes.close(twin.world, found, outcome)


def fail_payout(twin: Twin, body: dict[str, Any]) -> Any:
    """The bank refuses a `payout`, with a failure `code`."""
    found = twin.world.store.get("payout", body.get("payout", ""), "payout")
    return payouts.fail(twin.world, found, str(body.get("code", "account_closed")))


def cancel_refund(twin: Twin, body: dict[str, Any]) -> Any:
    """Somebody calls back a pending `refund` in the dashboard."""
    return refunds.cancel(twin.world, twin.world.store.get("refund", body.get("refund", ""), "refund"))


def discount_customer(twin: Twin, body: dict[str, Any]) -> Any:
    """Staff give a customer a `coupon`: this version of the API has no parameter for it."""
    customer = twin.world.store.get("customer", body.get("customer", ""), "customer")
    return discounts.give_customer(twin.world, customer, str(body.get("coupon", "")))


ACTS: dict[str, Callable[[Twin, dict[str, Any]], Any]] = {
    "complete_authentication": complete_authentication,
    "complete_3ds": complete_authentication,
    "fail_authentication": fail_authentication,
    "set_card": set_card,
    "dispute": dispute,
    "discount_customer": discount_customer,
    "close_dispute": close_dispute,
    "fail_payout": fail_payout,
    "cancel_refund": cancel_refund,
    "roll_secret": webhook_acts.roll_secret,
    "resend": webhook_acts.resend,
}
