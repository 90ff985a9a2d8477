"""The bank's answer to a debit, days after it went out.

Sources: docs "Set up a subscription with ACH Direct Debit" (the subscription is active while the payment is
processing), docs "Testing" (accounts that fail, and one that stays in `processing`).
"""

from __future__ import annotations

from worker.twin.billing import lifecycle, pausing, settlement, tokens
from worker.twin.events import snapshot
from worker.twin.store import Doc
from worker.twin.world import World


def started(world: World, invoice: Doc) -> None:
    """The customer gave a bank account for an invoice that the subscription waited for: it is active."""
    subscription = lifecycle.subscription_of(world, invoice)
    if settlement.intent_of(world, invoice).get("status") != "processing" or subscription is None:
        return
    pausing.attempted(world, subscription, invoice, "active")
    if subscription["status"] == "incomplete" and subscription["latest_invoice"] == invoice["id"]:
        before = snapshot(subscription)
        subscription["status"] = "active"
        world.events.updated("customer.subscription.updated", subscription, before)
        origin = world.facts.subscriptions[subscription["id"]].origin
        world.effect("subscription_activated", subscription, 0, origin, subscription["id"])


def answer(world: World, invoice_id: str, due: int) -> None:
    """Due work: the debit of an invoice succeeds, fails, or stays on its way for ever."""
    invoice = world.store["invoice"].docs[invoice_id]
    intent = settlement.intent_of(world, invoice)
    if intent.get("status") != "processing":
        return
    charge = world.store["charge"].docs[intent["latest_charge"]]
    outcome = world.facts.cards[charge["payment_method"]]
    failure = outcome.removeprefix(tokens.DEBIT).removeprefix(":") if outcome != tokens.GOOD else ""
    if failure == tokens.NEVER:
        return
    if failure:
        fail(world, invoice, intent, failure)
        return
    charge.update(amount_captured=charge["amount"], captured=True, paid=True, status="succeeded")
    settlement.complete(world, invoice, intent, charge, attempts=0)
    lifecycle.after_payment(world, invoice)


def fail(world: World, invoice: Doc, intent: Doc, code: str) -> None:
    """The debit came back: retries begin, and the subscription is past due; a paused one stays paused."""
    settlement.debit_failed(world, invoice, intent, code)
    subscription = lifecycle.subscription_of(world, invoice)
    if subscription is None or subscription["status"] != "paused":
        lifecycle.after_failure(world, invoice)
        return
    lifecycle.mark_delinquent(world, invoice["customer"], True)
    if world.now_for(invoice["customer"]) >= invoice["created"] + pausing.RESUME_SECONDS:
        pausing.drop_attempt(world, subscription)
