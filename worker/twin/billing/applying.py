"""Carrying out a plan: items, periods and the book of debits become what the plan says."""

from __future__ import annotations

from typing import Any

from worker.twin.billing import discounts, fields
from worker.twin.billing.invoicing import debit_of
from worker.twin.billing.lines import Line
from worker.twin.billing.plan import Plan
from worker.twin.billing.targets import Target
from worker.twin.store import Doc
from worker.twin.templates import subscription as templates
from worker.twin.world import World


def enact(world: World, plan: Plan, params: dict[str, Any], invoice: Doc | None) -> None:
    """Apply `plan` and the plain fields of its request; `invoice` billed its lines, if there is one."""
    subscription = plan.subscription
    fields.set_fields(world, subscription, params)
    _cut_credited(plan)
    for target in plan.targets:
        apply_target(world, subscription, target)
    set_items(subscription, plan.targets)
    if plan.reset:
        subscription["billing_cycle_anchor"] = plan.at
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
    subscription.update(status="trialing", trial_start=plan.at, trial_end=plan.trial_end)
    subscription["billing_cycle_anchor"] = plan.trial_end


def _cut_credited(plan: Plan) -> None:
    for line in plan.credits:
        if line.credited is not None:
            line.credited.until = min(line.credited.until, line.start)


def apply_target(world: World, subscription: Doc, target: Target) -> None:
    """Make, change or remove one item."""
    if target.deleted:
        if target.item is not None:
            world.store["subscription_item"].remove(target.item["id"])
            world.facts.subscriptions[subscription["id"]].debits.pop(target.item["id"], None)
        return
    plan_doc = world.facts.prices[target.price["id"]].plan
    if target.item is None:
        now = world.now_for(subscription["customer"])
        item = templates.item(world.ids.new("si"), now, subscription["id"], target.price, plan_doc)
        target.item = world.store.add("subscription_item", item)
    item = target.item
    item.update(price=target.price, plan=plan_doc, quantity=target.quantity)
    item.update(current_period_start=target.start, current_period_end=target.end)
    fields.merge_metadata(item, target.extras.get("metadata"))
    if "tax_rates" in target.extras:
        item["tax_rates"] = fields.tax_rates(world, target.extras["tax_rates"])
    if "discounts" in target.extras:
        item["discounts"] = discounts.attach(
            world, target.extras["discounts"], None, subscription["customer"]
        )


def _book(world: World, plan: Plan, invoice: Doc | None) -> None:
    """Write debits for what was charged; a charge's line stands at the same place in the invoice."""
    book = world.facts.subscriptions[plan.subscription["id"]].debits
    places = {id(line): n for n, line in enumerate(plan.lines)}
    new_ids = {t.new_id: t.id for t in plan.targets if t.new_id}
    for line in [*plan.debits, *plan.fresh]:
        doc = invoice["lines"]["data"][places[id(line)]] if invoice else None
        item_id = _rename(line, new_ids, doc)
        book.setdefault(item_id, []).append(debit_of(line, invoice, doc))


def _rename(line: Line, new_ids: dict[str, str], doc: Doc | None) -> str:
    """New items had a provisional id while the plan was made: put the real one everywhere."""
    old = line.item or ""
    item_id = new_ids.get(old, old)
    line.item = item_id
    if doc is not None:
        doc["parent"]["subscription_item_details"]["subscription_item"] = item_id
    if line.invoice_item is not None:
        line.invoice_item["parent"]["subscription_details"]["subscription_item"] = item_id
    return item_id


def watch_renewal(world: World, subscription: Doc) -> None:
    """Plan the next renewal: the first item whose period ends."""
    due = min(i["current_period_end"] for i in subscription["items"]["data"])
    world.clock.at(due, "renew", subscription["id"], world.domain_of(subscription["customer"]))
