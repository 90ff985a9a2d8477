"""Carrying out a plan: items, periods and the book of debits become what the plan says."""

from __future__ import annotations

from typing import Any

from worker.twin.billing import discounts, fields
from worker.twin.billing.invoicing import debit_of
from worker.twin.billing.plan import Plan
from worker.twin.billing.targets import Target
from worker.twin.facts import Cut
from worker.twin.store import Doc
from worker.twin.templates import subscription as templates
from worker.twin.world import World


def enact(world: World, plan: Plan, params: dict[str, Any], invoice: Doc | None) -> None:
    """Apply `plan` and the plain fields of its request; `invoice` billed its lines, if there is one."""
    subscription = plan.subscription
    fields.set_fields(world, subscription, params)
    discounts.attach(world, subscription, plan.given_discounts)
    _cut_credited(plan)
    for target in plan.targets:
        apply_target(world, subscription, target)
    set_items(subscription, plan.targets)
    if plan.reset or plan.anchor is not None:
        subscription["billing_cycle_anchor"] = plan.at if plan.anchor is None else plan.anchor
    fields.set_cancellation(world, subscription, plan.cancel_at, params)
    if plan.ends_trial:
        subscription.update(status="active", trial_end=plan.at)
    if plan.trial_end is not None:
        _start_trial(subscription, plan)
    _book(world, plan, invoice)
    watch_renewal(world, subscription)


def set_items(subscription: Doc, targets: list[Target]) -> None:
    """Put the remaining items into the subscription."""
    items = subscription["items"]
    items["data"] = [t.item for t in targets if t.item is not None and not t.deleted]
    items["total_count"] = len(items["data"])


def _start_trial(subscription: Doc, plan: Plan) -> None:
    if subscription["status"] != "trialing":
        subscription.update(status="trialing", trial_start=plan.at)
    subscription["trial_end"] = plan.trial_end
    subscription["billing_cycle_anchor"] = plan.trial_end


def _cut_credited(plan: Plan) -> None:
    for line in plan.credits:
        if line.credited is not None:
            line.credited.until = min(line.credited.until, line.start)


def apply_target(world: World, subscription: Doc, target: Target) -> None:
    """Make, change or remove one item."""
    if target.deleted:
        if target.item is not None:
            discounts.attach(world, target.item, [])
            world.store["subscription_item"].remove(target.item["id"])
            world.facts.subscriptions[subscription["id"]].debits.pop(target.item["id"], None)
            world.facts.subscriptions[subscription["id"]].cuts.pop(target.item["id"], None)
        return
    plan_doc = world.facts.prices[target.price["id"]].plan
    if target.item is None:
        now = world.now_for(subscription["customer"])
        item = templates.item(target.new_id, now, subscription["id"], target.price, plan_doc)
        target.item = world.store.add("subscription_item", item)
    item = target.item
    item.update(price=target.price, plan=plan_doc, quantity=target.quantity)
    set_period(world, subscription, target, item)
    fields.merge_metadata(item, target.extras.get("metadata"))
    if "tax_rates" in target.extras:
        item["tax_rates"] = fields.tax_rates(world, target.extras["tax_rates"])
    discounts.attach(world, item, target.own)


def _book(world: World, plan: Plan, invoice: Doc | None) -> None:
    """Write debits for what was charged; a charge's line stands at the same place in the invoice."""
    book = world.facts.subscriptions[plan.subscription["id"]].debits
    places = {id(line): n for n, line in enumerate(plan.lines)}
    for line in [*plan.debits, *plan.fresh]:
        doc = invoice["lines"]["data"][places[id(line)]] if invoice else None
        book.setdefault(line.item or "", []).append(debit_of(line, invoice, doc))


def set_period(world: World, subscription: Doc, target: Target, item: Doc) -> None:
    """Write an item's period, and remember what a shortened one would have been."""
    item.update(current_period_start=target.start, current_period_end=target.end)
    cuts = world.facts.subscriptions[subscription["id"]].cuts
    if target.end < target.natural or target.end - target.start < target.whole:
        cuts[item["id"]] = Cut(target.natural, target.whole)
    else:
        cuts.pop(item["id"], None)


def watch_renewal(world: World, subscription: Doc) -> None:
    """Plan the next renewal (the first item whose period ends) and the notice before it."""
    due = min(i["current_period_end"] for i in subscription["items"]["data"])
    domain, days = world.domain_of(subscription["customer"]), world.account.upcoming_invoice_days
    world.clock.once(due, "renew", subscription["id"], domain)
    notice = due - 86400 * days
    if days and notice > world.now_for(subscription["customer"]):
        world.clock.once(notice, "upcoming", subscription["id"], domain)
