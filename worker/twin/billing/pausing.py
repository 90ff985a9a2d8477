"""Two kinds of pause. `pause_collection`: invoices go on, nobody collects. `paused`: nothing is billed.

Sources: Stripe docs "Pause payment collection", "Pause subscriptions"; the SDK's texts of `pause`, `resume`
and `status_details`; changelog "Adds the ability to pause and resume Subscriptions on demand".
"""

from __future__ import annotations

from typing import Any

from worker.twin.billing import cards, closing, invoicing, netting, pending, settlement
from worker.twin.billing.applying import set_period, watch_renewal
from worker.twin.billing.lines import Line
from worker.twin.billing.plan import Plan, credit_lines, debit_line, debited_from, period_line
from worker.twin.billing.targets import Target, keep_period, period_around, start_periods
from worker.twin.billing.times import end_periods
from worker.twin.errors import invalid
from worker.twin.events import Snapshot, snapshot
from worker.twin.store import Doc
from worker.twin.world import World

RESUME_SECONDS = 23 * 3600


def finalize_uncollected(world: World, invoice: Doc, behavior: str) -> None:
    """`pause_collection`: an invoice stays a draft, is voided, or is given up."""
    before = snapshot(invoice)
    invoice.update(auto_advance=False, automatically_finalizes_at=None)
    world.events.updated("invoice.updated", invoice, before)
    if behavior == "keep_as_draft":
        return
    settlement.finalize(world, invoice)
    if invoice["status"] == "open" and behavior == "void":
        settlement.void(world, invoice)
    elif invoice["status"] == "open":
        settlement.give_up(world, invoice)


def resume_collection(world: World, subscription_id: str, due: int) -> None:
    """Due work: `resumes_at` has come."""
    subscription = world.store["subscription"].docs.get(subscription_id)
    paused = subscription["pause_collection"] if subscription else None
    if subscription is not None and paused and paused["resumes_at"] == due:
        before = snapshot(subscription)
        subscription["pause_collection"] = None
        world.events.updated("customer.subscription.updated", subscription, before)


def pause(world: World, subscription: Doc, params: dict[str, Any]) -> None:
    """`POST .../pause`: credit the unused time as asked for, and stop."""
    _check(subscription)
    pending.discard(world, subscription)
    before = snapshot(subscription)
    now = world.now_for(subscription["customer"])
    since = ((params.get("bill_for") or {}).get("unused_time_from") or {}).get("type", "now")
    plan = Plan(subscription, _present(world, subscription), now, "create_prorations")
    if since != "none":
        for target in plan.targets:
            begin = target.start if since == "item_current_period_start" else now
            plan.credits.extend(credit_lines(world, plan, target, begin))
    invoicing.file_items(world, plan)
    for line in plan.credits:
        if line.credited is not None:
            line.credited.until = line.start
    if params.get("invoicing_behavior") == "invoice":
        closing.bill_waiting(world, subscription)
    enter(world, subscription, "pause_requested", before)


def _check(subscription: Doc) -> None:
    if subscription["billing_mode"]["type"] != "flexible":
        raise invalid("Only subscriptions with `billing_mode=flexible` can be paused.", "subscription")
    if subscription["schedule"]:
        raise invalid("A subscription with an attached schedule cannot be paused.", "subscription")
    if subscription["collection_method"] != "charge_automatically":
        raise invalid("Only subscriptions that are charged automatically can be paused.", "subscription")
    if subscription["status"] != "active":
        raise invalid(f"A subscription that is {subscription['status']} cannot be paused.", "subscription")


def _present(world: World, subscription: Doc) -> list[Target]:
    targets = [Target(i["price"], i["quantity"], i) for i in subscription["items"]["data"]]
    for target in targets:
        keep_period(target, target.item or {}, world.facts.subscriptions[subscription["id"]].cuts)
    return targets


def enter(world: World, subscription: Doc, why: str, before: Snapshot) -> None:
    """The subscription is `paused`: no invoices, no new periods. `why` is shown in `status_details`."""
    at = world.now_for(subscription["customer"])
    paused = {"subscription": {"type": why}, "transitioned_at": at, "type": "subscription"}
    subscription.update(status="paused", status_details={"paused": paused})
    world.effect("subscription_paused", subscription, 0, None, subscription["id"])
    world.events.updated("customer.subscription.updated", subscription, before)
    world.events.emit("customer.subscription.paused", subscription)


def resume(world: World, subscription: Doc, params: dict[str, Any]) -> None:
    """`POST .../resume`. With an invoice the pause is over when that is paid, or when a payment is tried.

    Changelog "Adds the subscription pause endpoint": by default the request itself attempts no payment, and
    one that fails later (as with `pay`) makes the subscription past due; `resume_on_payment_success` attempts
    it and waits for success, which a bank debit takes days for.
    """
    if subscription["status"] != "paused":
        raise invalid("Only a paused subscription can be resumed.", "subscription")
    now, facts = world.now_for(subscription["customer"]), world.facts.subscriptions[subscription["id"]]
    before = snapshot(subscription)
    drop_attempt(world, subscription)
    plan = _plan(world, subscription, params, now)
    for target in plan.targets:
        set_period(world, subscription, target, target.item or {})
    if plan.reset:
        subscription["billing_cycle_anchor"] = now
    watch_renewal(world, subscription)
    invoicing.file_items(world, plan)
    invoice = _bill(world, plan) if plan.invoices_now else None
    if invoice is None:
        _book(world, plan, None)
    elif invoice["status"] == "open":
        facts.resuming = invoice["id"]
        facts.resumes_on_attempt = params.get("payment_behavior") != "resume_on_payment_success"
        due, domain = now + RESUME_SECONDS, world.domain_of(subscription["customer"])
        world.clock.at(due, "expire_resume", subscription["id"], domain)
        world.events.updated("customer.subscription.updated", subscription, before)
        if not facts.resumes_on_attempt:
            settlement.collect(world, invoice, cards.method_for(world, invoice, subscription))
        if invoice["status"] == "paid":
            end_pause(world, subscription, invoice)
        return
    _go_on(world, subscription, before)


def _plan(world: World, subscription: Doc, params: dict[str, Any], now: int) -> Plan:
    """A fresh period by default; with the anchor unchanged, the rest of the period that runs."""
    behavior = params.get("proration_behavior") or "create_prorations"
    plan = Plan(subscription, _present(world, subscription), now, behavior)
    netting.settle(world, plan, {})
    plan.reset = (params.get("billing_cycle_anchor") or {}).get("type", "now") == "now"
    if plan.reset:
        start_periods(plan.targets, now)
        end_periods(plan.targets, subscription["cancel_at"])
        plan.fresh = [period_line(world, subscription, t) for t in plan.targets]
        return plan
    for target in plan.targets:
        if target.end <= now:
            period_around(target, subscription["billing_cycle_anchor"], now)
        begin = max(now, debited_from(world, plan, target) or _paid_until(world, subscription, target))
        if behavior != "none" and begin < target.end:
            plan.debits.append(debit_line(world, plan, target, begin))
    return plan


def _paid_until(world: World, subscription: Doc, target: Target) -> int:
    book = world.facts.subscriptions[subscription["id"]].debits.get(target.id, [])
    return max((d.until for d in book if d.until > d.start), default=0)


def _bill(world: World, plan: Plan) -> Doc:
    subscription = plan.subscription
    customer = world.store["customer"].docs[subscription["customer"]]
    lines: list[Line] = invoicing.lines_now(world, plan)
    invoice = invoicing.compose(
        world, customer, subscription["currency"], lines,
        subscription=subscription, reason="subscription_update", ids=world.ids,
    )  # fmt: skip
    invoicing.issue(world, invoice, lines, subscription)
    _book(world, plan, invoice)
    subscription["latest_invoice"] = invoice["id"]
    settlement.finalize(world, invoice)
    return invoice


def _book(world: World, plan: Plan, invoice: Doc | None) -> None:
    book = world.facts.subscriptions[plan.subscription["id"]].debits
    for line in [*plan.debits, *plan.fresh]:
        doc = invoice["lines"]["data"][plan.lines.index(line)] if invoice else None
        book.setdefault(line.item or "", []).append(invoicing.debit_of(line, invoice, doc))


def end_pause(world: World, subscription: Doc, invoice: Doc) -> None:
    """The invoice of a resumption was paid or given up: the pause is over."""
    facts = world.facts.subscriptions[subscription["id"]]
    if facts.resuming == invoice["id"] and subscription["status"] == "paused":
        facts.resuming = None
        _go_on(world, subscription, snapshot(subscription))


def attempted(world: World, subscription: Doc, invoice: Doc, status: str) -> None:
    """A payment of the resumption's invoice was tried by hand: failed (`past_due`), or on its way."""
    facts = world.facts.subscriptions[subscription["id"]]
    if facts.resuming == invoice["id"] and facts.resumes_on_attempt and subscription["status"] == "paused":
        facts.resuming = None
        _go_on(world, subscription, snapshot(subscription), status)


def _go_on(world: World, subscription: Doc, before: Snapshot, status: str = "active") -> None:
    subscription.update(status=status, status_details=None)
    world.effect("subscription_resumed", subscription, 0, None, subscription["id"])
    world.events.updated("customer.subscription.updated", subscription, before)
    world.events.emit("customer.subscription.resumed", subscription)


def expire_resume(world: World, subscription_id: str, due: int) -> None:
    """Due work: 23 hours after a resumption that nobody paid for; it stays paused.

    A bank debit on its way is waited for: if it comes back, that is the end (`debits.fail`).
    """
    subscription = world.store["subscription"].docs.get(subscription_id)
    facts = world.facts.subscriptions.get(subscription_id)
    invoice = world.store["invoice"].docs.get(facts.resuming or "") if facts else None
    if subscription is None or invoice is None or invoice["created"] + RESUME_SECONDS != due:
        return
    if settlement.intent_of(world, invoice).get("status") != "processing":
        drop_attempt(world, subscription)


def drop_attempt(world: World, subscription: Doc) -> None:
    """Void the invoice of a resumption that was not paid; its time was never bought."""
    facts = world.facts.subscriptions[subscription["id"]]
    invoice = world.store["invoice"].docs.get(facts.resuming or "")
    facts.resuming = None
    if invoice is None:
        return
    for debit in (d for spans in facts.debits.values() for d in spans):
        if debit.invoice == invoice["id"]:
            debit.until = debit.start
    if invoice["status"] == "open":
        settlement.void(world, invoice)
