"""New subscriptions: the first period, the first invoice, and what an unpaid first invoice means."""

from __future__ import annotations

from typing import Any

from worker.twin.billing import (
    accounts,
    cards,
    discounts,
    drafts,
    fields,
    invoicing,
    netting,
    phases,
    sending,
    settlement,
    trials,
)
from worker.twin.billing.applying import apply_target, set_items, watch_renewal
from worker.twin.billing.lines import Line
from worker.twin.billing.plan import Plan, period_line, recurring_line
from worker.twin.billing.targets import Target, resolve, start_periods
from worker.twin.billing.times import cancel_date, check_intervals, check_trial_end, end_periods
from worker.twin.errors import action_required, card_declined, invalid, no_payment_method
from worker.twin.events import snapshot
from worker.twin.facts import SubscriptionFacts
from worker.twin.ids import Ids
from worker.twin.store import Doc
from worker.twin.templates import subscription as templates
from worker.twin.world import World

INCOMPLETE_SECONDS = 23 * 3600
MAX_SUBSCRIPTIONS = 500


def draft_subscription(world: World, customer: Doc, params: dict[str, Any], ids: Ids) -> Plan:
    """The subscription that `params` ask for and the lines of its first invoice; nothing is stored."""
    now = world.now_for(customer["id"])
    targets = resolve(world, [], params.get("items") or [])
    subscription = templates.subscription(ids.new("sub", 20), now, customer, targets[0].price["currency"])
    subscription["default_tax_rates"] = fields.tax_rates(world, params.get("default_tax_rates"))
    subscription["default_payment_method"] = params.get("default_payment_method")
    subscription["collection_method"] = params.get("collection_method") or "charge_automatically"
    subscription["billing_cycle_anchor"] = now
    _billing_mode(subscription, params.get("billing_mode"), now)
    check_intervals(subscription, targets)
    start_periods(targets, now)
    _first_period(subscription, targets, params, now)
    plan = Plan(subscription, targets, now, params.get("proration_behavior") or "create_prorations")
    plan.cancel_at = cancel_date(subscription, targets, params)
    end_periods(targets, plan.cancel_at)
    netting.settle(world, plan, params)
    plan.fresh = [_first_line(world, plan, t) for t in targets]
    return plan


def _billing_mode(subscription: Doc, given: Any, now: int) -> None:
    if given and given["type"] == "classic":
        subscription["billing_mode"] = {"flexible": None, "type": "classic", "updated_at": now}
    elif given and given.get("flexible"):
        subscription["billing_mode"]["flexible"].update(given["flexible"])


def _first_period(subscription: Doc, targets: list[Target], params: dict[str, Any], now: int) -> None:
    """A trial or an anchor of one's own cuts the first period short."""
    end, anchor = _trial_end(params, now), params.get("billing_cycle_anchor")
    if end is not None:
        subscription.update(status="trialing", trial_start=now, trial_end=end)
    elif isinstance(anchor, int):
        if not now < anchor <= min(t.end for t in targets):
            raise invalid("`billing_cycle_anchor` must be within the first period.", "billing_cycle_anchor")
        end = anchor
    if end is None:
        return
    subscription["billing_cycle_anchor"] = end
    for target in targets:
        target.end = target.natural = end
        if subscription["status"] == "trialing":
            target.whole = end - target.start


def _trial_end(params: dict[str, Any], now: int) -> int | None:
    days, asked = params.get("trial_period_days"), params.get("trial_end")
    if days and asked is not None:
        text = "You may only specify one of these parameters: trial_end, trial_period_days."
        raise invalid(text, "trial_period_days", "parameters_exclusive")
    if days:
        return check_trial_end(now + 86400 * int(days), now)
    return check_trial_end(asked, now) if isinstance(asked, int) else None


def _first_line(world: World, plan: Plan, target: Target) -> Line:
    """Free in a trial; until an anchor of one's own a share, or nothing with `proration_behavior=none`."""
    line = period_line(world, plan.subscription, target)
    if plan.subscription["status"] == "trialing":
        line.amount, line.description, line.proration = 0, f"Trial period for {line.description}", False
    elif plan.behavior == "none" and target.natural - target.start < target.whole:
        line.amount = 0
    elif plan.behavior == "none" and target.end < target.natural:
        return recurring_line(world, plan.subscription, target, target.start, target.end)
    return line


def create(world: World, params: dict[str, Any], *, schedule: str | None = None) -> Doc:
    """Carry out `POST /v1/subscriptions`, or what a `schedule` starts: its first invoice waits an hour."""
    customer = world.store.get("customer", params["customer"], "customer")
    behavior = params.get("payment_behavior") or "allow_incomplete"
    plan = draft_subscription(world, customer, params, world.ids)
    subscription = plan.subscription
    subscription["schedule"] = schedule
    _check(world, plan, customer, params, behavior)
    world.store.add("subscription", subscription)
    facts = SubscriptionFacts(origin=world.origin())
    world.facts.subscriptions[subscription["id"]] = facts
    accounts.set_currency(world, customer, subscription["currency"])
    for target, line in zip(plan.targets, plan.fresh, strict=True):
        apply_target(world, subscription, target)
        line.item = target.id
    set_items(subscription, plan.targets)
    fields.set_fields(world, subscription, params)
    discounts.attach(world, subscription, plan.given_discounts)
    fields.set_cancellation(world, subscription, plan.cancel_at, params)
    _first_invoice(world, plan, customer, behavior)
    watch_renewal(world, subscription)
    world.events.emit("customer.subscription.created", subscription)
    if subscription["status"] == "trialing":
        trials.announce(world, subscription)
    world.effect("subscription_created", subscription, 0, None, subscription["id"])
    return subscription


def _check(world: World, plan: Plan, customer: Doc, params: dict[str, Any], behavior: str) -> None:
    """Everything that refuses a creation, before anything is written."""
    subscription = plan.subscription
    fields.check(world, customer["id"], params)
    if behavior == "pending_if_incomplete":
        raise invalid(
            "`pending_if_incomplete` cannot be used when creating a subscription.", "payment_behavior"
        )
    fields.check_collection(params, None)
    _check_customer(world, customer, subscription)
    if subscription["collection_method"] == "send_invoice":
        return
    draft = _compose(world, plan, customer, plan.fresh, world.preview_ids)
    if behavior == "default_incomplete" or subscription["schedule"] or not draft["amount_due"]:
        return
    method = cards.method_for(world, draft, subscription)
    if behavior == "error_if_incomplete":
        refuse_if_unpayable(world, method)
    if method is None:
        raise no_payment_method()


def _check_customer(world: World, customer: Doc, subscription: Doc) -> None:
    """One currency per customer, and at most 500 subscriptions that have not ended (section 3)."""
    if customer["currency"] not in (None, subscription["currency"]):
        text = (
            "You cannot combine currencies on a single customer. This customer has had a subscription, "
            f"coupon, or invoice item with currency {customer['currency']}."
        )
        raise invalid(text, "items")
    others = world.store["subscription"].by("customer", customer["id"])
    if len(others) >= MAX_SUBSCRIPTIONS:
        running = sum(s["status"] not in ("canceled", "incomplete_expired") for s in others)
        if running >= MAX_SUBSCRIPTIONS:
            text = f"Customer {customer['id']} already has the maximum of {MAX_SUBSCRIPTIONS} subscriptions."
            raise invalid(text, "customer", "customer_max_subscriptions")


def refuse_if_unpayable(world: World, method: Doc | None) -> None:
    """Raise Stripe's 402 if a payment with `method` would not succeed at once; nothing is written."""
    outcome = cards.outcome_of(world, method)
    if outcome == "":
        raise no_payment_method()
    if outcome.startswith(cards.ACTION):
        raise action_required("subscription_payment_intent_requires_action")
    if outcome != cards.GOOD and not outcome.startswith(cards.DEBIT):
        raise card_declined(outcome)


def _compose(world: World, plan: Plan, customer: Doc, lines: list[Line], ids: Ids) -> Doc:
    return invoicing.compose(
        world,
        customer,
        plan.subscription["currency"],
        lines,
        subscription=plan.subscription,
        reason="subscription_create",
        ids=ids,
        applied=plan.discounts,
    )


def _first_invoice(world: World, plan: Plan, customer: Doc, behavior: str) -> None:
    subscription = plan.subscription
    waiting = invoicing.pending_items(world, customer["id"], subscription["id"])
    lines = [*plan.fresh, *(invoicing.line_of_item(world, i) for i in waiting)]
    invoice = _compose(world, plan, customer, lines, world.ids)
    if subscription["schedule"]:
        drafts.wait(world, invoice)
    invoicing.issue(world, invoice, lines, subscription)
    book = world.facts.subscriptions[subscription["id"]].debits
    for line, doc in zip(plan.fresh, invoice["lines"]["data"], strict=False):
        book[line.item or ""] = [invoicing.debit_of(line, invoice, doc)]
    subscription["latest_invoice"] = invoice["id"]
    if subscription["schedule"]:
        return
    settlement.finalize(world, invoice)
    if invoice["status"] == "paid" or invoice["collection_method"] == "send_invoice":
        sending.send(world, invoice)
        return
    outcome = settlement.WAITS
    if behavior != "default_incomplete":
        outcome = settlement.collect(world, invoice, cards.method_for(world, invoice, subscription))
    if outcome != settlement.PAID:
        subscription["status"] = "incomplete"
        due = world.now_for(customer["id"]) + INCOMPLETE_SECONDS
        world.clock.at(due, "expire_incomplete", subscription["id"], world.domain_of(customer["id"]))


def give_up(world: World, subscription: Doc) -> None:
    """An incomplete subscription ends: its first invoice was voided, or 23 hours passed."""
    before = snapshot(subscription)
    now = world.now_for(subscription["customer"])
    subscription.update(status="incomplete_expired", ended_at=now)
    phases.abort(world, subscription, now)
    invoice = world.store["invoice"].docs[subscription["latest_invoice"]]
    if invoice["status"] == "open":
        settlement.void(world, invoice)
    world.events.updated("customer.subscription.updated", subscription, before)


def expire(world: World, subscription_id: str, due: int) -> None:
    """Due work: 23 hours after an unpaid first invoice."""
    subscription = world.store["subscription"].docs.get(subscription_id)
    if subscription is not None and subscription["status"] == "incomplete":
        give_up(world, subscription)
