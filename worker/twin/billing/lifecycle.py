"""What time and payments do to subscriptions: renewals, retries, cancellation, and the end of waiting."""

from __future__ import annotations

from typing import Any

from worker.twin.billing import cards, creation, invoicing, pending, phases, settlement
from worker.twin.billing.applying import watch_renewal
from worker.twin.billing.calendar import advance
from worker.twin.billing.lines import Line
from worker.twin.billing.plan import plan_change, recurring_line
from worker.twin.billing.targets import Target
from worker.twin.events import snapshot
from worker.twin.store import Doc
from worker.twin.world import World

FINALIZE_AFTER = 3600
ENDED = ("canceled", "incomplete_expired")
UNPAID = ("incomplete", "past_due", "unpaid")


def renew(world: World, subscription_id: str, due: int) -> None:
    """Due work: a period ends. The next begins at once; its invoice stays a draft for about an hour."""
    subscription = world.store["subscription"].docs.get(subscription_id)
    if subscription is None or subscription["status"] in (*ENDED, "incomplete", "paused"):
        return
    ending = [i for i in subscription["items"]["data"] if i["current_period_end"] <= due]
    if not ending:
        return
    before = snapshot(subscription)
    if subscription["status"] == "trialing":
        subscription["status"] = "active"
    old_start = min(i["current_period_start"] for i in ending)
    lines = [_roll(world, subscription, item) for item in ending]
    invoice = _cycle_invoice(world, subscription, lines, old_start, due)
    subscription["latest_invoice"] = invoice["id"]
    watch_renewal(world, subscription)
    world.effect("subscription_renewed", subscription, invoice["total"], None, subscription_id)
    world.events.updated("customer.subscription.updated", subscription, before)


def _roll(world: World, subscription: Doc, item: Doc) -> Line:
    target = Target(item["price"], item["quantity"], item)
    start = item["current_period_end"]
    end = advance(start, *target.interval, subscription["billing_cycle_anchor"])
    item.update(current_period_start=start, current_period_end=end)
    return recurring_line(world, subscription, target, start, end)


def _cycle_invoice(world: World, subscription: Doc, lines: list[Line], start: int, due: int) -> Doc:
    customer = world.store["customer"].docs[subscription["customer"]]
    waiting = invoicing.pending_items(world, customer["id"], subscription["id"])
    every = [*(invoicing.line_of_item(world, i) for i in waiting), *lines]
    invoice = invoicing.compose(
        world, customer, subscription["currency"], every,
        subscription=subscription, reason="subscription_cycle", ids=world.ids,
    )  # fmt: skip
    invoice.update(period_start=start, period_end=due, auto_advance=subscription["status"] != "unpaid")
    invoice["automatically_finalizes_at"] = due + FINALIZE_AFTER
    invoicing.issue(world, invoice, every, subscription)
    book = world.facts.subscriptions[subscription["id"]].debits
    for line, doc in zip(lines, invoice["lines"]["data"][len(waiting) :], strict=True):
        book[line.item or ""] = [invoicing.debit_of(line, invoice, doc)]
    if invoice["auto_advance"]:
        world.clock.at(due + FINALIZE_AFTER, "finalize", invoice["id"], world.domain_of(customer["id"]))
    return invoice


def finalize(world: World, invoice_id: str, due: int) -> None:
    """Due work: a draft's hour is over. It is finalised and, if possible, paid."""
    invoice = world.store["invoice"].docs.get(invoice_id)
    if invoice is None or invoice["status"] != "draft" or not invoice["auto_advance"]:
        return
    paused = (subscription_of(world, invoice) or {}).get("pause_collection")
    if paused:
        _finalize_paused(world, invoice, paused["behavior"])
        return
    settlement.finalize(world, invoice)
    charge(world, invoice)


def _finalize_paused(world: World, invoice: Doc, behavior: str) -> None:
    """`pause_collection`: invoices are still made, and stay drafts, are voided, or are given up."""
    if behavior == "keep_as_draft":
        invoice["auto_advance"] = False
        return
    settlement.finalize(world, invoice)
    if invoice["status"] == "open" and behavior == "void":
        settlement.void(world, invoice)
    elif invoice["status"] == "open":
        settlement.give_up(world, invoice)


def charge(world: World, invoice: Doc) -> None:
    """Collect a finalised invoice of the automatic path; a failure starts the retries."""
    if invoice["status"] == "open" and invoice["collection_method"] == "charge_automatically":
        subscription = subscription_of(world, invoice)
        outcome = settlement.collect(world, invoice, cards.method_for(world, invoice, subscription))
        if outcome != settlement.PAID:
            if plan_retry(world, invoice):
                _set_status(world, subscription, "past_due")
            else:
                _after_last_retry(world, subscription)
            return
    after_payment(world, invoice)


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


def _after_last_retry(world: World, subscription: Doc | None) -> None:
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
    if subscription is None or invoice["status"] != "paid":
        return
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
            invoice.update(auto_advance=False, next_payment_attempt=None)
    phases.abort(world, subscription, now)
    world.events.emit("customer.subscription.deleted", subscription)
    world.effect("subscription_canceled", subscription, 0, None, subscription["id"])


def _last_money(world: World, subscription: Doc, params: dict[str, Any], now: int) -> None:
    customer = world.store["customer"].docs[subscription["customer"]]
    if params.get("prorate"):
        everything = [{"id": i["id"], "quantity": 0} for i in subscription["items"]["data"]]
        plan = plan_change(world, subscription, {"items": everything}, now)
        plan.debits = []
        invoicing.file_items(world, plan)
        for line in plan.credits:
            if line.credited is not None:
                line.credited.until = line.start
    waiting = invoicing.pending_items(world, customer["id"], subscription["id"])
    if not params.get("prorate") and not params.get("invoice_now"):
        for item in waiting:
            invoicing.drop_item(world, item)
    elif params.get("invoice_now") and waiting:
        lines = [invoicing.line_of_item(world, i) for i in waiting]
        invoice = invoicing.compose(
            world, customer, subscription["currency"], lines,
            subscription=subscription, reason="subscription_update", ids=world.ids,
        )  # fmt: skip
        invoicing.issue(world, invoice, lines, subscription)
        subscription["latest_invoice"] = invoice["id"]
        settlement.finalize(world, invoice)
        if invoice["status"] == "open":
            settlement.collect(world, invoice, cards.method_for(world, invoice, subscription))
