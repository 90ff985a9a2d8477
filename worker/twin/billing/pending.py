"""Pending updates: a change that is held back until its invoice is paid (Stripe docs "Pending updates").

Expires at the earliest of the trial's end, the first period's end, and 23 hours. A void invoice discards
it; older pending invoice items that rode on that invoice are swallowed with it (the conservative reading).
"""

from __future__ import annotations

from typing import Any

from worker.twin.billing import cards, phases, settlement, trials
from worker.twin.billing.applying import enact
from worker.twin.billing.plan import Plan, plan_change
from worker.twin.errors import invalid
from worker.twin.events import Snapshot, snapshot
from worker.twin.facts import PendingChange
from worker.twin.store import Doc
from worker.twin.templates import subscription as templates
from worker.twin.world import World

HOLD_SECONDS = 23 * 3600
# Stripe docs "Pending updates reference"; metadata, discounts and cancel_at_period_end since
# 2026-05-27.dahlia/endive.
ALLOWED = {
    "expand", "payment_behavior", "proration_behavior", "proration_date", "billing_cycle_anchor", "items",
    "trial_end", "trial_from_plan", "add_invoice_items", "metadata", "discounts", "cancel_at_period_end",
}  # fmt: skip
ALLOWED_IN_ITEM = {"id", "price", "price_data", "quantity"}


def check_parameters(subscription: Doc, params: dict[str, Any]) -> None:
    """Refuse what a pending update cannot hold."""
    wrong = sorted(set(params) - ALLOWED)
    for entry in params.get("items") or []:
        wrong += [f"items[{name}]" for name in sorted(set(entry) - ALLOWED_IN_ITEM)]
    if wrong:
        names = ", ".join(wrong)
        raise invalid(
            f"The following parameters are not supported with `pending_if_incomplete`: {names}.", wrong[0]
        )
    if subscription["collection_method"] != "charge_automatically":
        text = "`payment_behavior=pending_if_incomplete` needs `collection_method=charge_automatically`."
        raise invalid(text, "payment_behavior")


def check_method(world: World, subscription: Doc) -> None:
    """A payment that takes days cannot decide a pending update (docs "Pending updates": no bank debits)."""
    latest = world.store["invoice"].docs.get(subscription["latest_invoice"] or "")
    method = cards.method_for(world, latest, subscription) if latest else None
    if cards.needs_days(world, method):
        text = "`pending_if_incomplete` is not supported with this type of payment method."
        raise invalid(text, "payment_behavior")


def hold(world: World, plan: Plan, params: dict[str, Any], invoice: Doc, now: int) -> None:
    """Write the pending update onto the subscription; its items stay as they are."""
    subscription = plan.subscription
    ends = [i["current_period_end"] for i in subscription["items"]["data"]]
    limits = [*ends, now + HOLD_SECONDS, *([subscription["trial_end"]] if subscription["trial_end"] else [])]
    expires_at = min(at for at in limits if at > now)
    shown = templates.pending_update(expires_at, _items(world, plan), params.get("metadata") or None)
    if plan.reset:
        shown["billing_cycle_anchor"] = plan.at
    shown["cancel_at_period_end"] = params.get("cancel_at_period_end")
    shown["trial_end"] = plan.at if plan.ends_trial else plan.trial_end
    if plan.given_discounts is not None:
        kept = [d["id"] for d in plan.given_discounts]
        shown["discounts"] = kept
        params = {**params, "discounts": [{"discount": d} for d in kept] or ""}
    subscription["pending_update"] = shown
    origin = world.facts.invoices[invoice["id"]].origin
    fresh = [t.new_id for t in plan.targets if t.new_id]
    held = PendingChange(params, now, invoice["id"], origin, fresh)
    world.facts.subscriptions[subscription["id"]].pending = held
    world.clock.at(
        expires_at, "expire_pending", subscription["id"], world.domain_of(subscription["customer"])
    )
    world.effect("pending_update_created", subscription, invoice["total"], origin, subscription["id"])


def _items(world: World, plan: Plan) -> list[Doc]:
    shown = []
    for target in plan.targets:
        if target.deleted:
            continue
        if target.item is not None:
            item = dict(target.item)
        else:
            plan_doc = world.facts.prices[target.price["id"]].plan
            item = templates.item(
                world.ids.new("si"), plan.at, plan.subscription["id"], target.price, plan_doc
            )
        item.update(
            price=target.price, plan=world.facts.prices[target.price["id"]].plan, quantity=target.quantity
        )
        item.update(current_period_start=target.start, current_period_end=target.end)
        shown.append(item)
    return shown


def apply(world: World, subscription: Doc) -> None:
    """The invoice was paid: the change takes hold, counted from the moment it was asked for."""
    held = world.facts.subscriptions[subscription["id"]].pending
    if held is None:
        return
    before = _release(world, subscription)
    invoice = world.store["invoice"].docs[held.invoice]
    plan = plan_change(world, subscription, held.params, held.at)
    _name_items(plan, held.new_items)
    for line, doc in zip(plan.lines, invoice["lines"]["data"], strict=False):
        details = doc["parent"][doc["parent"]["type"]]
        line.invoice_item = world.store["invoiceitem"].docs.get(details["invoice_item"] or "")
    enact(world, plan, held.params, invoice)
    phases.split(world, subscription, world.now_for(subscription["customer"]))
    world.effect("pending_update_applied", subscription, invoice["total"], held.origin, subscription["id"])
    world.effect("subscription_updated", subscription, invoice["total"], held.origin, subscription["id"])
    world.events.emit("customer.subscription.pending_update_applied", subscription)
    world.events.updated("customer.subscription.updated", subscription, before)
    if plan.trial_end is not None or plan.ends_trial:
        trials.announce(world, subscription)


def _release(world: World, subscription: Doc) -> Snapshot:
    """Nothing is held back any more; returns the subscription as it was."""
    before = snapshot(subscription)
    world.facts.subscriptions[subscription["id"]].pending = None
    subscription["pending_update"] = None
    return before


def _name_items(plan: Plan, names: list[str]) -> None:
    fresh = {t.new_id: name for t, name in zip((t for t in plan.targets if t.new_id), names, strict=True)}
    for target in plan.targets:
        target.new_id = fresh.get(target.new_id, "")
    for line in plan.lines:
        line.item = fresh.get(line.item or "", line.item)


def discard(world: World, subscription: Doc, *, expired: bool = False) -> None:
    """The change is dropped: its invoice was voided, it expired, or something else replaced it."""
    held = world.facts.subscriptions[subscription["id"]].pending
    if held is None:
        return
    before = _release(world, subscription)
    invoice = world.store["invoice"].docs[held.invoice]
    if invoice["status"] == "open":
        settlement.void(world, invoice)
    world.effect("pending_update_discarded", subscription, invoice["total"], held.origin, subscription["id"])
    if expired:
        world.events.emit("customer.subscription.pending_update_expired", subscription)
    world.events.updated("customer.subscription.updated", subscription, before)


def expire(world: World, subscription_id: str, due: int) -> None:
    """Due work: drop an update that nobody paid for."""
    subscription = world.store["subscription"].docs.get(subscription_id)
    shown = subscription["pending_update"] if subscription else None
    if subscription is not None and shown is not None and shown["expires_at"] == due:
        discard(world, subscription, expired=True)
