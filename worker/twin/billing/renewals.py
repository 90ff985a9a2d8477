"""Renewals: a period ends, the next begins, and its invoice stays a draft for about an hour."""

from __future__ import annotations

from worker.twin import receivers
from worker.twin.billing import drafts, invoicing, lifecycle, pausing, settlement, trials
from worker.twin.billing.applying import set_period, watch_renewal
from worker.twin.billing.lines import Line
from worker.twin.billing.plan import period_line
from worker.twin.billing.times import next_period
from worker.twin.events import snapshot
from worker.twin.store import Doc
from worker.twin.world import World


def renew(world: World, subscription_id: str, due: int) -> None:
    """Due work: a period ends. The next begins at once; its invoice stays a draft for about an hour."""
    subscription = world.store["subscription"].docs.get(subscription_id)
    if subscription is None or subscription["status"] in (*lifecycle.ENDED, "incomplete", "paused"):
        return
    ending = [i for i in subscription["items"]["data"] if i["current_period_end"] <= due]
    if not ending:
        return
    before = snapshot(subscription)
    if subscription["status"] == "trialing" and not _leave_trial(world, subscription):
        return
    old_start = min(i["current_period_start"] for i in ending)
    lines = [_roll(world, subscription, item) for item in ending]
    invoice = _cycle_invoice(world, subscription, lines, old_start, due)
    subscription["latest_invoice"] = invoice["id"]
    watch_renewal(world, subscription)
    world.effect("subscription_renewed", subscription, invoice["total"], None, subscription_id)
    world.events.updated("customer.subscription.updated", subscription, before)


def _leave_trial(world: World, subscription: Doc) -> bool:
    """A trial is over; False if it ends the subscription, or pauses it, for want of a payment method."""
    then = trials.end_of(world, subscription)
    if then == "cancel":
        lifecycle.cancel(world, subscription, {})
    elif then == "pause":
        pausing.enter(world, subscription, "trial_end_without_payment_method", snapshot(subscription))
    else:
        subscription["status"] = "active"
    return then == "create_invoice"


def _roll(world: World, subscription: Doc, item: Doc) -> Line:
    target = next_period(item, subscription["billing_cycle_anchor"], subscription["cancel_at"])
    set_period(world, subscription, target, item)
    return period_line(world, subscription, target)


def _cycle_invoice(world: World, subscription: Doc, lines: list[Line], start: int, due: int) -> Doc:
    customer = world.store["customer"].docs[subscription["customer"]]
    waiting = invoicing.pending_items(world, customer["id"], subscription["id"])
    every = [*(invoicing.line_of_item(world, i) for i in waiting), *lines]
    invoice = invoicing.compose(
        world, customer, subscription["currency"], every,
        subscription=subscription, reason="subscription_cycle", ids=world.ids,
    )  # fmt: skip
    invoice.update(period_start=start, period_end=due, auto_advance=False)
    paused = subscription["pause_collection"] or {}
    if subscription["status"] != "unpaid" and paused.get("behavior") != "keep_as_draft":
        drafts.wait(world, invoice)
    invoicing.issue(world, invoice, every, subscription)
    book = world.facts.subscriptions[subscription["id"]].debits
    for line, doc in zip(lines, invoice["lines"]["data"][len(waiting) :], strict=True):
        book[line.item or ""] = [invoicing.debit_of(line, invoice, doc)]
    return invoice


def finalize(world: World, invoice_id: str, due: int) -> None:
    """Due work: a draft's hour is over. It is finalised and, if possible, paid."""
    invoice = world.store["invoice"].docs.get(invoice_id)
    if invoice is None or invoice["status"] != "draft" or not invoice["auto_advance"]:
        return
    paused = (lifecycle.subscription_of(world, invoice) or {}).get("pause_collection")
    if paused:
        pausing.finalize_uncollected(world, invoice, paused["behavior"])
        return
    if receivers.holds_back(world, invoice, due):
        return
    settlement.finalize(world, invoice)
    lifecycle.charge(world, invoice)
