"""The life of an invoice after the draft: finalised, paid or not, voided. Money moves here and nowhere else.

States: draft -> open -> paid | void | uncollectible (Stripe docs "Status transitions"). The customer's
balance is drawn when the invoice is finalised and given back when it is voided.
"""

from __future__ import annotations

from worker.twin.billing import accounts, cards, disputes, funds, money, totals
from worker.twin.errors import decline_details, invalid
from worker.twin.events import snapshot
from worker.twin.store import Doc
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
    _number(world, invoice, customer)
    invoice["status"], invoice["effective_at"] = "open", now
    invoice["status_transitions"]["finalized_at"] = now
    invoice["automatically_finalizes_at"] = None
    invoice["webhooks_delivered_at"] = now
    invoice["hosted_invoice_url"] = f"{world.base_url}/_twin/hosted/{invoice['id']}"
    invoice["invoice_pdf"] = f"{world.base_url}/_twin/hosted/{invoice['id']}/pdf"
    if invoice["collection_method"] == "send_invoice" and invoice["due_date"] is None:
        invoice["due_date"] = now + 86400 * _days_until_due(world, invoice)
    world.events.emit("invoice.finalized", invoice)
    if invoice["amount_due"] == 0:
        mark_paid(world, invoice)
    elif invoice["collection_method"] == "charge_automatically":
        _open_intent(world, invoice)


def _number(world: World, invoice: Doc, customer: Doc) -> None:
    """The customer's next invoice number; no source says that taking it is announced."""
    invoice["number"] = f"{customer['invoice_prefix']}-{customer['next_invoice_sequence']:04}"
    customer["next_invoice_sequence"] += 1
    accounts.set_currency(world, customer, invoice["currency"])


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
        accounts.move_balance(world, customer, moved, facts.balance_type, invoice)


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
    """Try to take the money of an open invoice; returns PAID, DECLINED or WAITS (for the customer).

    A bank debit on its way counts as PAID for whoever asked, while the invoice stays open.
    """
    if invoice["status"] == "paid":
        return PAID
    refuse_while_processing(world, invoice)
    _refuse_slow(world, invoice, method)
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
        if authenticated:
            cards.authenticated(world, method)
        return _succeed(world, invoice, intent, method)
    if outcome.startswith(cards.DEBIT) and method is not None:
        return _debit(world, invoice, intent, method)
    if outcome.startswith(cards.ACTION):
        return _await_customer(world, invoice, intent)
    return _decline(world, invoice, intent, method, outcome or "generic_decline")


def _succeed(world: World, invoice: Doc, intent: Doc, method: Doc) -> str:
    now = world.now_for(invoice["customer"])
    charge = payment.charge(world.ids.new("ch", 20), now, intent, method, None, None)
    complete(world, invoice, intent, world.store.add("charge", charge), attempts=1)
    return PAID


def complete(world: World, invoice: Doc, intent: Doc, charge: Doc, attempts: int) -> None:
    """The bank has paid: the money arrives in the account's balance, and the invoice is paid."""
    now, facts = world.now_for(invoice["customer"]), world.facts.invoices[invoice["id"]]
    sequel = cards.sequel_of(world, charge["payment_method"])
    at_once = sequel == "available" or charge["payment_method_details"]["type"] != "card"
    funds.take(world, charge, waits=not at_once)
    intent.update(status="succeeded", amount_received=intent["amount"], latest_charge=charge["id"])
    intent.update(next_action=None, last_payment_error=None)
    world.events.emit("charge.succeeded", charge)
    world.events.emit("payment_intent.succeeded", intent)
    world.effect("charge", charge, charge["amount"], facts.origin, facts.subscription)
    link = world.store["invoice_payment"].docs[facts.invoice_payment or ""]
    link.update(status="paid", amount_paid=intent["amount"])
    link["status_transitions"]["paid_at"] = now
    world.events.emit("invoice_payment.paid", link)
    mark_paid(world, invoice, attempts)
    disputes.follow(world, charge, sequel)


def _debit(world: World, invoice: Doc, intent: Doc, method: Doc) -> str:
    """A bank debit goes out; the bank answers after some days (docs "ACH Direct Debit")."""
    now = world.now_for(invoice["customer"])
    charge = payment.waiting_charge(world.ids.new("py", 20), now, intent, method)
    world.store.add("charge", charge)
    intent.update(status="processing", latest_charge=charge["id"], next_action=None, last_payment_error=None)
    intent["payment_method_types"] = [method["type"]]
    _attempt(world, invoice, next_payment_attempt=None)
    world.events.emit("charge.pending", charge)
    world.events.emit("payment_intent.processing", intent)
    due = now + 86400 * world.account.debit_days
    world.clock.at(due, "debit", invoice["id"], world.domain_of(invoice["customer"]))
    return PAID


def _refuse_slow(world: World, invoice: Doc, method: Doc | None) -> None:
    """A pending update lives for hours, a debit takes days (docs "Pending updates": no bank debits)."""
    facts = world.facts.invoices[invoice["id"]]
    known = world.facts.subscriptions.get(facts.subscription or "")
    if known and known.pending and known.pending.invoice == invoice["id"] and cards.needs_days(world, method):
        raise invalid("A pending update cannot be paid by bank debit.", "payment_method")


def refuse_while_processing(world: World, invoice: Doc) -> None:
    """A debit on its way can be neither repeated nor overtaken (Stripe's own answer is not documented)."""
    if intent_of(world, invoice).get("status") == "processing":
        text = "This invoice has a payment that is still processing."
        raise invalid(text, "invoice", "payment_intent_unexpected_state")


def intent_of(world: World, invoice: Doc) -> Doc:
    """The payment intent behind an invoice, or an empty object."""
    facts = world.facts.invoices[invoice["id"]]
    return world.store["payment_intent"].docs.get(facts.payment_intent or "", {})


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


def _attempt(world: World, invoice: Doc, **fields: None) -> None:
    before = snapshot(invoice)
    invoice.update(attempted=True, attempt_count=invoice["attempt_count"] + 1, **fields)
    world.events.updated("invoice.updated", invoice, before)


def _await_customer(world: World, invoice: Doc, intent: Doc) -> str:
    intent.update(
        status="requires_action", next_action=payment.next_action(intent["id"]), last_payment_error=None
    )
    _attempt(world, invoice)
    world.events.emit("payment_intent.requires_action", intent)
    # Both are sent: docs "Using webhooks with subscriptions", laravel/cashier-stripe issue 808.
    world.events.emit("invoice.payment_failed", invoice)
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


def debit_failed(world: World, invoice: Doc, intent: Doc, code: str) -> None:
    """The bank sent the debit back: the invoice is open again, and needs another payment."""
    charge = world.store["charge"].docs[intent["latest_charge"]]
    method = world.store["payment_method"].docs.get(charge["payment_method"] or "")
    message = "The bank returned the debit."
    charge.update(status="failed", failure_code=code, failure_message=message)
    error = {"code": "payment_intent_payment_attempt_failed", "message": message, "type": "card_error",
             "charge": charge["id"], "payment_method": method}  # fmt: skip
    intent.update(status="requires_payment_method", last_payment_error=error, payment_method=None)
    world.events.emit("charge.failed", charge)
    world.events.emit("payment_intent.payment_failed", intent)
    world.events.emit("invoice.payment_failed", invoice)


def void(world: World, invoice: Doc) -> None:
    """Void an open or uncollectible invoice: no money is owed, and the balance it drew comes back."""
    if invoice["status"] not in ("open", "uncollectible"):
        text = f"You can only void open or uncollectible invoices; this one is {invoice['status']}."
        raise invalid(text, code="status_transition_invalid")
    refuse_while_processing(world, invoice)
    now, facts = world.now_for(invoice["customer"]), world.facts.invoices[invoice["id"]]
    before = snapshot(invoice)
    invoice.update(status="void", auto_advance=False, next_payment_attempt=None)
    invoice["status_transitions"]["voided_at"] = now
    cancel_payment(world, invoice)
    world.events.updated("invoice.updated", invoice, before)
    world.events.emit("invoice.voided", invoice)
    world.effect("invoice_voided", invoice, invoice["total"], facts.origin, facts.subscription)
    if facts.balance_moved:
        customer = world.store["customer"].docs[invoice["customer"]]
        accounts.move_balance(world, customer, -facts.balance_moved, "unapplied_from_invoice", invoice)
        facts.balance_moved = 0


def give_up(world: World, invoice: Doc) -> None:
    """Mark an open invoice uncollectible: nobody tries any more, but it may still be paid."""
    if invoice["status"] != "open":
        raise invalid("Only open invoices can be marked uncollectible.", code="status_transition_invalid")
    refuse_while_processing(world, invoice)
    before = snapshot(invoice)
    invoice.update(status="uncollectible", auto_advance=False, next_payment_attempt=None)
    invoice["status_transitions"]["marked_uncollectible_at"] = world.now_for(invoice["customer"])
    world.events.updated("invoice.updated", invoice, before)
    world.events.emit("invoice.marked_uncollectible", invoice)


def cancel_payment(world: World, invoice: Doc) -> None:
    """Nothing is to be collected any more: the payment intent is cancelled."""
    now, facts = world.now_for(invoice["customer"]), world.facts.invoices[invoice["id"]]
    intent = intent_of(world, invoice)
    if intent and intent["status"] not in ("succeeded", "canceled"):
        intent.update(
            status="canceled", canceled_at=now, cancellation_reason="void_invoice", next_action=None
        )
        world.events.emit("payment_intent.canceled", intent)
    link = world.store["invoice_payment"].docs.get(facts.invoice_payment or "")
    if link is not None and link["status"] == "open":
        link["status"] = "canceled"
        link["status_transitions"]["canceled_at"] = now
