"""What payments and their absence do to subscriptions: retries, cancellation, and the end of waiting."""

from __future__ import annotations

from typing import Any

from worker.twin.billing import (
    cards,
    closing,
    creation,
    invoicing,
    pausing,
    pending,
    phases,
    sending,
    settlement,
)
from worker.twin.billing.plan import plan_change
from worker.twin.events import snapshot
from worker.twin.store import Doc
from worker.twin.world import World

ENDED = ("canceled", "incomplete_expired")
UNPAID = ("incomplete", "past_due", "unpaid")


def charge(world: World, invoice: Doc) -> None:
    """Collect a finalised invoice of the automatic path, or send it; a failure starts the retries."""
    sending.send(world, invoice)
    if invoice["status"] == "open" and invoice["collection_method"] == "charge_automatically":
        subscription = subscription_of(world, invoice)
        outcome = settlement.collect(world, invoice, cards.method_for(world, invoice, subscription))
        if outcome != settlement.PAID:
            after_failure(world, invoice)
            return
    after_payment(world, invoice)


def after_failure(world: World, invoice: Doc) -> None:
    """An automatic payment failed: the subscription is past due, and retries follow until there are none."""
    mark_delinquent(world, invoice["customer"], True)
    if plan_retry(world, invoice):
        _set_status(world, subscription_of(world, invoice), "past_due")
    else:
        give_up(world, invoice)


def mark_delinquent(world: World, customer_id: str, behind: bool) -> None:
    """`customer.delinquent`: true by a failed automatic payment or a passed due date, false by any payment.

    Source: the SDK's text of the field.
    """
    customer = world.store["customer"].docs[customer_id]
    if customer["delinquent"] != behind:
        before = snapshot(customer)
        customer["delinquent"] = behind
        world.events.updated("customer.updated", customer, before)


def became_overdue(world: World, invoice: Doc) -> None:
    """The due date of a sent invoice passes: the subscription is past due."""
    facts = world.facts.invoices[invoice["id"]]
    if facts.overdue:
        return
    facts.overdue = True
    world.events.emit("invoice.overdue", invoice)
    mark_delinquent(world, invoice["customer"], True)
    subscription = subscription_of(world, invoice)
    if subscription is not None and subscription["status"] == "active":
        _set_status(world, subscription, "past_due")


def plan_retry(world: World, invoice: Doc) -> bool:
    """Plan the next automatic attempt; False when there is none left."""
    facts, days = world.facts.invoices[invoice["id"]], world.account.retry_days
    before = snapshot(invoice)
    invoice["next_payment_attempt"] = None
    if facts.retries < len(days):
        invoice["next_payment_attempt"] = world.now_for(invoice["customer"]) + 86400 * days[facts.retries]
        facts.retries += 1
        domain = world.domain_of(invoice["customer"])
        world.clock.at(invoice["next_payment_attempt"], "retry", invoice["id"], domain)
    world.events.updated("invoice.updated", invoice, before)
    return invoice["next_payment_attempt"] is not None


def give_up(world: World, invoice: Doc) -> None:
    """Nobody tries any more: what the account's `after_last_retry` says; else it stays past due."""
    subscription = subscription_of(world, invoice)
    if subscription is None:
        return
    if world.account.after_last_retry == "cancel":
        cancel(world, subscription, {}, reason="payment_failed")
    elif world.account.after_last_retry == "unpaid":
        _set_status(world, subscription, "unpaid")


def retry(world: World, invoice_id: str, due: int) -> None:
    """Due work: another automatic attempt at an unpaid invoice."""
    invoice = world.store["invoice"].docs.get(invoice_id)
    if invoice is not None and invoice["status"] == "open" and invoice["next_payment_attempt"] == due:
        charge(world, invoice)


def _set_status(world: World, subscription: Doc | None, status: str) -> None:
    if subscription is None or subscription["status"] in (*ENDED, status):
        return
    before = snapshot(subscription)
    subscription["status"] = status
    world.events.updated("customer.subscription.updated", subscription, before)


def subscription_of(world: World, invoice: Doc) -> Doc | None:
    """The subscription behind an invoice."""
    subscription_id = world.facts.invoices[invoice["id"]].subscription
    return world.store["subscription"].docs.get(subscription_id) if subscription_id else None


def after_payment(world: World, invoice: Doc) -> None:
    """An invoice was paid outside the request that made it: what waited for it goes on."""
    subscription = subscription_of(world, invoice)
    if invoice["status"] != "paid":
        return
    mark_delinquent(world, invoice["customer"], False)
    if subscription is None:
        return
    pausing.end_pause(world, subscription, invoice)
    held = world.facts.subscriptions[subscription["id"]].pending
    if held is not None and held.invoice == invoice["id"]:
        pending.apply(world, subscription)
    if subscription["latest_invoice"] != invoice["id"] or subscription["status"] not in UNPAID:
        return
    if subscription["status"] == "incomplete":
        origin = world.facts.subscriptions[subscription["id"]].origin
        world.effect("subscription_activated", subscription, invoice["total"], origin, subscription["id"])
    _set_status(world, subscription, "active")


def after_void(world: World, invoice: Doc) -> None:
    """An invoice was voided: a change that waited for it is discarded, an incomplete subscription ends."""
    subscription = subscription_of(world, invoice)
    if subscription is None:
        return
    held = world.facts.subscriptions[subscription["id"]].pending
    if held is not None and held.invoice == invoice["id"]:
        pending.discard(world, subscription)
    if subscription["latest_invoice"] != invoice["id"]:
        return
    if subscription["status"] == "incomplete":
        creation.give_up(world, subscription)
    elif subscription["status"] == "past_due":
        _set_status(world, subscription, "active")


def after_giving_up(world: World, invoice: Doc) -> None:
    """An invoice was marked uncollectible by hand: nobody waits for it any more."""
    mark_delinquent(world, invoice["customer"], False)
    subscription = subscription_of(world, invoice)
    if subscription is None:
        return
    pausing.end_pause(world, subscription, invoice)
    if subscription["latest_invoice"] == invoice["id"] and subscription["status"] == "past_due":
        _set_status(world, subscription, "active")


def cancel_due(world: World, subscription_id: str, due: int) -> None:
    """Due work: the end that was asked for earlier."""
    subscription = world.store["subscription"].docs.get(subscription_id)
    if subscription is None or subscription["status"] in ENDED or subscription["cancel_at"] != due:
        return
    waiting = invoicing.pending_items(world, subscription["customer"], subscription_id)
    cancel(world, subscription, {"invoice_now": bool(waiting), "prorate": False})


def cancel(
    world: World, subscription: Doc, params: dict[str, Any], reason: str = "cancellation_requested"
) -> None:
    """End a subscription now. Without `invoice_now` and `prorate` its waiting prorations are dropped."""
    now = world.now_for(subscription["customer"])
    pending.discard(world, subscription)
    _last_money(world, subscription, params, now)
    given = params.get("cancellation_details") or {}
    subscription["cancellation_details"] = {**subscription["cancellation_details"], "reason": reason, **given}
    subscription.update(status="canceled", ended_at=now, canceled_at=subscription["canceled_at"] or now)
    for invoice in world.store["invoice"].by("subscription", subscription["id"]):
        if invoice["status"] in ("open", "draft"):
            before = snapshot(invoice)
            invoice.update(auto_advance=False, next_payment_attempt=None)
            world.events.updated("invoice.updated", invoice, before)
    phases.abort(world, subscription, now)
    world.events.emit("customer.subscription.deleted", subscription)
    world.effect("subscription_canceled", subscription, 0, None, subscription["id"])


def _last_money(world: World, subscription: Doc, params: dict[str, Any], now: int) -> None:
    if params.get("prorate"):
        everything = [{"id": i["id"], "quantity": 0} for i in subscription["items"]["data"]]
        plan = plan_change(world, subscription, {"items": everything}, now)
        plan.debits = []
        invoicing.file_items(world, plan)
        for line in plan.credits:
            if line.credited is not None:
                line.credited.until = line.start
    if params.get("invoice_now"):
        closing.bill_waiting(world, subscription)
    elif not params.get("prorate"):
        for item in invoicing.pending_items(world, subscription["customer"], subscription["id"]):
            invoicing.drop_item(world, item)
