"""The life of an invoice after the draft: finalised, paid or not, voided. Money moves here and nowhere else.

States: draft -> open -> paid | void | uncollectible (Stripe docs "Status transitions"). The customer's
balance is drawn when the invoice is finalised and given back when it is voided.
"""

from __future__ import annotations

from worker.twin.billing import cards, money, totals
from worker.twin.errors import decline_details, invalid
from worker.twin.events import snapshot
from worker.twin.store import Doc
from worker.twin.templates import customer as customer_templates
from worker.twin.templates import invoice as templates
from worker.twin.templates import payment
from worker.twin.world import World

PAID, DECLINED, WAITS = "paid", "declined", "waits"
REASONS = {
    "subscription_create": "Subscription creation",
    "subscription_update": "Subscription update",
    "subscription_cycle": "Subscription update",
}


def finalize(world: World, invoice: Doc) -> None:
    """Fix the amounts, number the invoice, draw the balance; with nothing to collect it is paid."""
    customer = world.store["customer"].docs[invoice["customer"]]
    now = world.now_for(customer["id"])
    totals.total_up(invoice, customer)
    _draw_balance(world, invoice, customer)
    invoice["number"] = f"{customer['invoice_prefix']}-{customer['next_invoice_sequence']:04}"
    customer["next_invoice_sequence"] += 1
    invoice["status"], invoice["effective_at"] = "open", now
    invoice["status_transitions"]["finalized_at"] = now
    invoice["automatically_finalizes_at"] = None
    invoice["webhooks_delivered_at"] = now
    invoice["hosted_invoice_url"] = f"{world.base_url}/_twin/hosted/{invoice['id']}"
    invoice["invoice_pdf"] = f"{world.base_url}/_twin/hosted/{invoice['id']}/pdf"
    if invoice["collection_method"] == "send_invoice":
        invoice["due_date"] = now + 86400 * _days_until_due(world, invoice)
    world.events.emit("invoice.finalized", invoice)
    if invoice["amount_due"] == 0:
        mark_paid(world, invoice)
    elif invoice["collection_method"] == "charge_automatically":
        _open_intent(world, invoice)


def _days_until_due(world: World, invoice: Doc) -> int:
    subscription_id = world.facts.invoices[invoice["id"]].subscription
    found = world.store["subscription"].docs[subscription_id]["days_until_due"] if subscription_id else None
    return found or 30


def _draw_balance(world: World, invoice: Doc, customer: Doc) -> None:
    wanted = invoice["total"] + customer["balance"]
    invoice["starting_balance"] = customer["balance"]
    invoice["ending_balance"] = 0 if invoice["amount_due"] else wanted
    moved = invoice["ending_balance"] - invoice["starting_balance"]
    small = 0 < wanted < money.minimum_charge(invoice["currency"])
    facts = world.facts.invoices[invoice["id"]]
    facts.balance_moved, facts.balance_type = moved, "invoice_too_small" if small else "applied_to_invoice"
    if moved:
        move_balance(world, customer, moved, facts.balance_type, invoice)


def move_balance(
    world: World, customer: Doc, amount: int, kind: str, invoice: Doc | None, currency: str = ""
) -> Doc:
    """Change the customer's balance by `amount` minor units (negative: a credit to the customer)."""
    before = snapshot(customer)
    customer["balance"] += amount
    currency = invoice["currency"] if invoice else currency or customer["currency"] or "usd"
    customer["currency"] = customer["currency"] or currency
    now = world.now_for(customer["id"])
    transaction = customer_templates.balance_transaction(
        world.ids.new("cbtxn", 20), now, customer, amount, kind, invoice["id"] if invoice else None, currency
    )
    world.store.add("customer_balance_transaction", transaction)
    world.events.emit("customer_balance_transaction.created", transaction)
    world.events.updated("customer.updated", customer, before)
    facts = world.facts.invoices.get(invoice["id"]) if invoice else None
    subscription = facts.subscription if facts else None
    world.effect("balance_moved", transaction, amount, facts.origin if facts else None, subscription)
    return transaction


def _open_intent(world: World, invoice: Doc) -> None:
    now = world.now_for(invoice["customer"])
    facts = world.facts.invoices[invoice["id"]]
    text = REASONS.get(invoice["billing_reason"], "Payment for Invoice")
    intent = payment.payment_intent(world.ids.new("pi", 20), now, invoice, text, world.ids.letters(24))
    world.store.add("payment_intent", intent)
    link = templates.invoice_payment(world.ids.new("inpay", 20), now, invoice, intent["id"])
    world.store.add("invoice_payment", link)
    facts.payment_intent, facts.invoice_payment = intent["id"], link["id"]
    world.events.emit("payment_intent.created", intent)


def collect(world: World, invoice: Doc, method: Doc | None, *, authenticated: bool = False) -> str:
    """Try to take the money of an open invoice; returns PAID, DECLINED or WAITS (for the customer)."""
    if invoice["status"] == "paid":
        return PAID
    facts = world.facts.invoices[invoice["id"]]
    if facts.payment_intent is None:
        _open_intent(world, invoice)
    intent = world.store["payment_intent"].docs[facts.payment_intent or ""]
    outcome = cards.outcome_of(world, method)
    if authenticated and outcome.startswith(cards.ACTION):
        outcome = outcome.partition(":")[2] or cards.GOOD
    if method is not None:
        intent["payment_method"] = method["id"]
    if outcome == cards.GOOD and method is not None:
        return _succeed(world, invoice, intent, method)
    if outcome.startswith(cards.ACTION):
        return _await_customer(world, invoice, intent)
    return _decline(world, invoice, intent, method, outcome or "generic_decline")


def _succeed(world: World, invoice: Doc, intent: Doc, method: Doc) -> str:
    now = world.now_for(invoice["customer"])
    facts = world.facts.invoices[invoice["id"]]
    charge = payment.charge(world.ids.new("ch", 20), now, intent, method, None, None)
    world.store.add("charge", charge)
    intent.update(status="succeeded", amount_received=intent["amount"], latest_charge=charge["id"])
    intent.update(next_action=None, last_payment_error=None)
    world.events.emit("charge.succeeded", charge)
    world.events.emit("payment_intent.succeeded", intent)
    world.effect("charge", charge, charge["amount"], facts.origin, facts.subscription)
    link = world.store["invoice_payment"].docs[facts.invoice_payment or ""]
    link.update(status="paid", amount_paid=intent["amount"])
    link["status_transitions"]["paid_at"] = now
    world.events.emit("invoice_payment.paid", link)
    mark_paid(world, invoice, attempts=1)
    return PAID


def mark_paid(world: World, invoice: Doc, attempts: int = 0) -> None:
    """Nothing is left to collect; `attempts` counts the payment that did it."""
    before = snapshot(invoice)
    facts = world.facts.invoices[invoice["id"]]
    invoice.update(
        status="paid",
        attempted=True,
        attempt_count=invoice["attempt_count"] + attempts,
        amount_paid=invoice["amount_due"],
        amount_remaining=0,
        auto_advance=False,
        next_payment_attempt=None,
    )
    invoice["status_transitions"]["paid_at"] = world.now_for(invoice["customer"])
    world.events.updated("invoice.updated", invoice, before)
    world.events.emit("invoice.paid", invoice)
    world.events.emit("invoice.payment_succeeded", invoice)
    world.effect("invoice_paid", invoice, invoice["amount_paid"], facts.origin, facts.subscription)


def _attempt(world: World, invoice: Doc) -> None:
    before = snapshot(invoice)
    invoice.update(attempted=True, attempt_count=invoice["attempt_count"] + 1)
    world.events.updated("invoice.updated", invoice, before)


def _await_customer(world: World, invoice: Doc, intent: Doc) -> str:
    intent.update(
        status="requires_action", next_action=payment.next_action(intent["id"]), last_payment_error=None
    )
    _attempt(world, invoice)
    world.events.emit("payment_intent.requires_action", intent)
    world.events.emit("invoice.payment_action_required", invoice)
    return WAITS


def _decline(world: World, invoice: Doc, intent: Doc, method: Doc | None, reason: str) -> str:
    now = world.now_for(invoice["customer"])
    details = decline_details(reason)
    intent.update(status="requires_payment_method", next_action=None)
    if method is not None:
        charge = payment.charge(world.ids.new("ch", 20), now, intent, method, reason, details["message"])
        charge["failure_code"] = details["code"]
        world.store.add("charge", charge)
        intent["latest_charge"] = charge["id"]
        error = {**details, "type": "card_error", "charge": charge["id"], "payment_method": method}
        intent.update(last_payment_error=error, payment_method=None)
        world.events.emit("charge.failed", charge)
        world.events.emit("payment_intent.payment_failed", intent)
    _attempt(world, invoice)
    world.events.emit("invoice.payment_failed", invoice)
    return DECLINED


def void(world: World, invoice: Doc) -> None:
    """Void an open or uncollectible invoice: no money is owed, and the balance it drew comes back."""
    if invoice["status"] not in ("open", "uncollectible"):
        text = f"You can only void open or uncollectible invoices; this one is {invoice['status']}."
        raise invalid(text, code="status_transition_invalid")
    now, facts = world.now_for(invoice["customer"]), world.facts.invoices[invoice["id"]]
    before = snapshot(invoice)
    invoice.update(status="void", auto_advance=False, next_payment_attempt=None)
    invoice["status_transitions"]["voided_at"] = now
    _cancel_payment(world, facts.payment_intent, facts.invoice_payment, now)
    world.events.updated("invoice.updated", invoice, before)
    world.events.emit("invoice.voided", invoice)
    world.effect("invoice_voided", invoice, invoice["total"], facts.origin, facts.subscription)
    if facts.balance_moved:
        customer = world.store["customer"].docs[invoice["customer"]]
        move_balance(world, customer, -facts.balance_moved, "unapplied_from_invoice", invoice)
        facts.balance_moved = 0


def give_up(world: World, invoice: Doc) -> None:
    """Mark an open invoice uncollectible: nobody tries any more, but it may still be paid."""
    if invoice["status"] != "open":
        raise invalid("Only open invoices can be marked uncollectible.", code="status_transition_invalid")
    before = snapshot(invoice)
    invoice.update(status="uncollectible", auto_advance=False, next_payment_attempt=None)
    invoice["status_transitions"]["marked_uncollectible_at"] = world.now_for(invoice["customer"])
    world.events.updated("invoice.updated", invoice, before)
    world.events.emit("invoice.marked_uncollectible", invoice)


def _cancel_payment(world: World, intent_id: str | None, link_id: str | None, now: int) -> None:
    intent = world.store["payment_intent"].docs.get(intent_id or "")
    if intent is not None and intent["status"] != "succeeded":
        intent.update(
            status="canceled", canceled_at=now, cancellation_reason="void_invoice", next_action=None
        )
        world.events.emit("payment_intent.canceled", intent)
    link = world.store["invoice_payment"].docs.get(link_id or "")
    if link is not None and link["status"] == "open":
        link["status"] = "canceled"
        link["status_transitions"]["canceled_at"] = now
