"""What time does to a schedule: it starts a subscription, enters phases, announces its end, and ends."""

from __future__ import annotations

from typing import Any

from worker.twin.billing import creation, entering, invoicing, lifecycle, money, pending, phases
from worker.twin.billing.calendar import advance
from worker.twin.billing.fields import merge_metadata
from worker.twin.billing.lines import product_name
from worker.twin.events import snapshot
from worker.twin.store import Doc
from worker.twin.templates import invoice as invoice_templates
from worker.twin.world import World

EXPIRING_SECONDS = 7 * 86400  # Stripe API reference, "Types of events"


def plan_ahead(world: World, schedule: Doc, now: int) -> None:
    """Show the present phase, set the end that the schedule gives its subscription, and plan what follows."""
    domain, ends_at = world.domain_of(schedule["customer"]), schedule["phases"][-1]["end_date"]
    schedule["current_phase"] = None
    if schedule["status"] == "not_started":
        world.clock.at(schedule["phases"][0]["start_date"], "schedule_start", schedule["id"], domain)
        return
    present = phases.present(schedule, now)
    if present is not None:
        schedule["current_phase"] = {"end_date": present["end_date"], "start_date": present["start_date"]}
        world.clock.at(present["end_date"], "phase", schedule["id"], domain)
    subscription = world.store["subscription"].docs[schedule["subscription"]]
    _set_end(subscription, ends_at if schedule["end_behavior"] == "cancel" else None, now)


def announce_end(world: World, schedule: Doc, now: int) -> None:
    """Plan the event that comes seven days before the last phase ends."""
    due = schedule["phases"][-1]["end_date"] - EXPIRING_SECONDS
    if due > now:
        world.clock.at(due, "expiring", schedule["id"], world.domain_of(schedule["customer"]))


def _set_end(subscription: Doc, ends_at: int | None, now: int) -> None:
    """The schedule's end replaces one that followed the period: a fresh anchor does not move it."""
    subscription["cancel_at_period_end"] = False
    if subscription["cancel_at"] == ends_at:
        return
    subscription.update(cancel_at=ends_at, canceled_at=now if ends_at else None)
    reason = "cancellation_requested" if ends_at else None
    subscription["cancellation_details"] = {**subscription["cancellation_details"], "reason": reason}


def start_due(world: World, schedule_id: str, due: int) -> None:
    """Due work: the first phase begins."""
    schedule = world.store["subscription_schedule"].docs.get(schedule_id)
    if schedule is None or schedule["status"] != "not_started" or schedule["phases"][0]["start_date"] != due:
        return
    before = snapshot(schedule)
    if schedule["customer"] in world.deleted_customers:
        schedule.update(status="canceled", canceled_at=due)
        world.events.emit("subscription_schedule.canceled", schedule)
        return
    start(world, schedule, due)
    world.events.updated("subscription_schedule.updated", schedule, before)


def start(world: World, schedule: Doc, now: int) -> None:
    """Make the subscription of a schedule; its first invoice is a draft for about an hour."""
    phase = next(p for p in schedule["phases"] if now < p["end_date"])
    began = schedule["phases"][0]["start_date"]
    if began < now:
        _bill_the_past(world, schedule, phase, began, now)
    for item in phase["add_invoice_items"]:
        price = world.store["price"].docs[item["price"]]
        full = money.full_amount(price, world.facts.prices[price["id"]].tiers, item["quantity"])
        _ride_along(world, schedule, item, money.round_minor(full), now)
    subscription = creation.create(world, _creation(world, schedule, phase, now), schedule=schedule["id"])
    schedule.update(status="active", subscription=subscription["id"])
    before = snapshot(subscription)
    subscription["start_date"] = began
    plan_ahead(world, schedule, now)
    world.effect("schedule_started", schedule, 0, None, subscription["id"])
    world.events.updated("customer.subscription.updated", subscription, before)


def _creation(world: World, schedule: Doc, phase: Doc, now: int) -> dict[str, Any]:
    """The request that makes the subscription of a phase."""
    settings, mode = schedule["default_settings"], schedule["billing_mode"]
    customer = schedule["customer"]
    params: dict[str, Any] = {
        "customer": customer,
        "items": [entering.new_item(world, customer, i) for i in phase["items"]],
        "default_tax_rates": [r["id"] for r in phase["default_tax_rates"]],
        "discounts": entering.redeemable(world, customer, phase["discounts"]),
        "metadata": {k: v for k, v in phase["metadata"].items() if v != ""},
        "billing_mode": {"type": mode["type"], "flexible": mode["flexible"]},
        "proration_behavior": phase["proration_behavior"],
        "days_until_due": entering.days_until_due(schedule, phase),
    }
    for name in ("collection_method", "default_payment_method", "description"):
        params[name] = phase[name] or settings[name]
    if phase["trial_end"] and phase["trial_end"] > now:
        params["trial_end"] = phase["trial_end"]
    elif schedule["phases"][0]["start_date"] < now:
        params["billing_cycle_anchor"] = _cycle_around(world, schedule, phase, now)[1]
    return {name: value for name, value in params.items() if value not in (None, [], {})}


def _cycle_around(world: World, schedule: Doc, phase: Doc, now: int) -> tuple[int, int]:
    """The billing period around `now`, counted from a start in the past."""
    recurring = world.store["price"].docs[phase["items"][0]["price"]]["recurring"]
    anchor = begin = schedule["phases"][0]["start_date"]
    while (end := advance(begin, recurring["interval"], recurring["interval_count"], anchor)) <= now:
        begin = end
    return begin, end


def _bill_the_past(world: World, schedule: Doc, phase: Doc, began: int, now: int) -> None:
    """A start in the past: the first invoice also bills the time since then, unless prorations are off."""
    if phase["proration_behavior"] == "none" or (phase["trial_end"] or 0) > now:
        return
    for item in phase["items"]:
        price = world.store["price"].docs[item["price"]]
        recurring = price["recurring"]
        whole = money.full_amount(price, world.facts.prices[price["id"]].tiers, item["quantity"])
        amount, begin = whole * 0, began
        while begin < now:
            end = advance(begin, recurring["interval"], recurring["interval_count"], began)
            amount += money.share(whole, min(end, now) - begin, end - begin)
            begin = end
        _ride_along(world, schedule, item, money.round_minor(amount), began)


def _ride_along(world: World, schedule: Doc, item: Doc, amount: int, began: int) -> None:
    """An invoice item that the subscription's first invoice takes."""
    customer, price = (
        world.store["customer"].docs[schedule["customer"]],
        world.store["price"].docs[item["price"]],
    )
    now = world.now_for(customer["id"])
    doc = invoice_templates.invoice_item(world.ids.new("ii", 20), now, customer, price["currency"])
    doc.update(amount=amount, net_amount=amount, period={"end": now, "start": began})
    doc.update(quantity=item["quantity"], quantity_decimal=str(item["quantity"]), tax_rates=item["tax_rates"])
    doc["pricing"] = invoicing.pricing(price, None if began < now else price["unit_amount_decimal"])
    doc["description"] = product_name(world.store["product"].docs, price)
    merge_metadata(doc, item["metadata"])
    invoicing.add_item(world, doc)


def transition(world: World, schedule_id: str, due: int) -> None:
    """Due work: a phase ends. The next one is entered, or the schedule ends as `end_behavior` says."""
    schedule = world.store["subscription_schedule"].docs.get(schedule_id)
    current = schedule["current_phase"] if schedule else None
    if schedule is None or schedule["status"] != "active" or current is None or current["end_date"] != due:
        return
    subscription = world.store["subscription"].docs[schedule["subscription"]]
    following = next((p for p in schedule["phases"] if p["start_date"] == due), None)
    if following is None:
        _end(world, schedule, subscription)
        return
    before = snapshot(schedule)
    enter(world, schedule, subscription, following, following["proration_behavior"], due)
    world.effect("phase_entered", schedule, 0, None, subscription["id"])
    world.events.updated("subscription_schedule.updated", schedule, before)


def enter(world: World, schedule: Doc, subscription: Doc, phase: Doc, behavior: str, now: int) -> None:
    """Begin a phase: an unpaid change is dropped, the subscription becomes what the phase says."""
    pending.discard(world, subscription)
    entering.make_items(world, schedule, subscription, phase, behavior)
    before = snapshot(subscription)
    if entering.resets_anchor(schedule, phase):
        subscription["billing_cycle_anchor"] = now
    plan_ahead(world, schedule, now)
    world.events.updated("customer.subscription.updated", subscription, before)


def _end(world: World, schedule: Doc, subscription: Doc) -> None:
    if schedule["end_behavior"] == "cancel":
        now = world.now_for(schedule["customer"])
        schedule.update(status="completed", completed_at=now, current_phase=None)
        world.events.emit("subscription_schedule.completed", schedule)
        lifecycle.cancel(world, subscription, {})
        return
    release(world, schedule)


def release(world: World, schedule: Doc, *, keep_cancel_date: bool = False) -> None:
    """Let the subscription go on by itself; without `keep_cancel_date` the end set by the schedule goes."""
    now = world.now_for(schedule["customer"])
    subscription = world.store["subscription"].docs.get(schedule["subscription"] or "")
    released = subscription["id"] if subscription else None
    schedule.update(status="released", released_at=now, released_subscription=released)
    schedule.update(subscription=None, current_phase=None)
    world.events.emit("subscription_schedule.released", schedule)
    if subscription is None:
        return
    before = snapshot(subscription)
    subscription["schedule"] = None
    ends_at = subscription["cancel_at"]
    if ends_at is not None and keep_cancel_date:
        world.clock.at(ends_at, "cancel", subscription["id"], world.domain_of(subscription["customer"]))
    else:
        _set_end(subscription, None, now)
    world.events.updated("customer.subscription.updated", subscription, before)


def expiring(world: World, schedule_id: str, due: int) -> None:
    """Due work: seven days before the end of the last phase."""
    schedule = world.store["subscription_schedule"].docs.get(schedule_id)
    if schedule is None or schedule["status"] not in ("active", "not_started"):
        return
    if schedule["phases"][-1]["end_date"] - EXPIRING_SECONDS == due:
        world.events.emit("subscription_schedule.expiring", schedule)
