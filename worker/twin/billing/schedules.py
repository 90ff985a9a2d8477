"""Subscription schedules: planned phases over a subscription (Stripe docs "Subscription schedules").

Phases are fully replaced by an update. A transition replaces the items by the next phase's, matched by
price, voids a pending update, and happens before the renewal of the same second.
"""

from __future__ import annotations

from typing import Any

from worker.twin import pages
from worker.twin.billing import change, lifecycle, pending, phases
from worker.twin.billing.fields import merge_metadata
from worker.twin.errors import invalid
from worker.twin.events import snapshot
from worker.twin.store import Doc
from worker.twin.templates import subscription as templates
from worker.twin.world import Call, World


def create(world: World, call: Call) -> Doc:
    """`POST /v1/subscription_schedules` with `from_subscription`, which excludes everything else."""
    subscription_id = call.params.get("from_subscription")
    if subscription_id is None:
        raise invalid("The twin makes schedules `from_subscription` only.", "from_subscription")
    others = set(call.params) - {"from_subscription", "expand", "metadata"}
    if others:
        raise invalid("You cannot set other parameters together with `from_subscription`.", sorted(others)[0])
    subscription = world.store.get("subscription", subscription_id, "from_subscription")
    if subscription["schedule"]:
        raise invalid("The subscription is already attached to a schedule.", "from_subscription")
    if subscription["status"] in (*lifecycle.ENDED, "incomplete"):
        raise invalid(f"The subscription is {subscription['status']}.", "from_subscription")
    now = world.now_for(subscription["customer"])
    schedule = templates.schedule(world.ids.new("sub_sched", 20), now, subscription)
    items = subscription["items"]["data"]
    start = min(i["current_period_start"] for i in items)
    end = subscription["cancel_at"] or min(i["current_period_end"] for i in items)
    schedule["phases"] = [phases.of_subscription(subscription, start, end)]
    if subscription["cancel_at"]:
        schedule["end_behavior"] = "cancel"
    merge_metadata(schedule, call.params.get("metadata"))
    world.store.add("subscription_schedule", schedule)
    before = snapshot(subscription)
    subscription["schedule"] = schedule["id"]
    _follow(world, schedule, now)
    world.events.emit("subscription_schedule.created", schedule)
    world.events.updated("customer.subscription.updated", subscription, before)
    return schedule


def update(world: World, call: Call) -> Doc:
    """`POST /v1/subscription_schedules/{id}`."""
    schedule = world.store.get("subscription_schedule", call.id)
    _must_run(schedule)
    params = call.params
    now = world.now_for(schedule["customer"])
    fresh = phases.from_request(world, schedule, params["phases"], now) if "phases" in params else None
    merge_metadata({"metadata": {}}, params.get("metadata"))
    before = snapshot(schedule)
    if fresh is not None:
        _apply_present(world, schedule, fresh, params.get("proration_behavior") or "create_prorations", now)
        schedule["phases"] = fresh
    merge_metadata(schedule, params.get("metadata"))
    schedule["end_behavior"] = params.get("end_behavior", schedule["end_behavior"])
    schedule["default_settings"] = {**schedule["default_settings"], **params.get("default_settings", {})}
    _follow(world, schedule, now)
    world.events.updated("subscription_schedule.updated", schedule, before)
    return schedule


def _must_run(schedule: Doc) -> None:
    if schedule["status"] not in ("active", "not_started"):
        status = schedule["status"]
        raise invalid(f"You cannot update or end a subscription schedule in the `{status}` status.")


def _follow(world: World, schedule: Doc, now: int) -> None:
    """Show the present phase and plan the next transition."""
    present = phases.present(schedule, now)
    schedule["current_phase"] = None
    if present is not None:
        schedule["current_phase"] = {"end_date": present["end_date"], "start_date": present["start_date"]}
        world.clock.at(present["end_date"], "phase", schedule["id"], world.domain_of(schedule["customer"]))


def _apply_present(world: World, schedule: Doc, fresh: list[Doc], behavior: str, now: int) -> None:
    """An update of the present phase changes the subscription now; a refusal leaves everything as it was."""
    subscription = world.store["subscription"].docs[schedule["subscription"]]
    present = phases.present({"phases": fresh}, now)
    if present is not None:
        _make_items(world, subscription, present, behavior)


def _make_items(world: World, subscription: Doc, phase: Doc, behavior: str) -> None:
    """Make the subscription what the phase says; an item of the same price stays, another is replaced.

    Discounts and tax rates that the phase does not name are lost.
    """
    wanted = {i["price"]: i for i in phase["items"]}
    edits: list[dict[str, Any]] = []
    for item in subscription["items"]["data"]:
        same = wanted.pop(item["price"]["id"], None)
        entry = {"id": item["id"]}
        edits.append({**entry, **_settings(same)} if same else {**entry, "deleted": True})
    edits += [{"price": price_id, **_settings(item)} for price_id, item in wanted.items()]
    params: dict[str, Any] = {
        "proration_behavior": behavior,
        "items": edits,
        "discounts": _named(phase["discounts"]),
        "default_tax_rates": [r["id"] for r in phase["default_tax_rates"]],
    }
    if phase["metadata"]:
        params["metadata"] = phase["metadata"]
    change.update(world, subscription, params, by_schedule=True)


def _settings(item: Doc) -> dict[str, Any]:
    return {
        "quantity": item["quantity"],
        "metadata": item["metadata"],
        "tax_rates": [r["id"] for r in item["tax_rates"]],
        "discounts": _named(item["discounts"]),
    }


def _named(discounts: list[Doc]) -> list[dict[str, Any]]:
    return [{k: v for k, v in d.items() if v is not None} for d in discounts]


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
    pending.discard(world, subscription)
    _make_items(world, subscription, following, following["proration_behavior"])
    _follow(world, schedule, due)
    world.effect("phase_entered", schedule, 0, None, subscription["id"])
    world.events.updated("subscription_schedule.updated", schedule, before)


def _end(world: World, schedule: Doc, subscription: Doc) -> None:
    if schedule["end_behavior"] == "cancel":
        schedule.update(
            status="completed", completed_at=world.now_for(schedule["customer"]), current_phase=None
        )
        world.events.emit("subscription_schedule.completed", schedule)
        subscription["schedule"] = None
        lifecycle.cancel(world, subscription, {})
        return
    _release(world, schedule, subscription)


def _release(world: World, schedule: Doc, subscription: Doc, *, keep_cancel_date: bool = False) -> None:
    now = world.now_for(schedule["customer"])
    before = snapshot(subscription)
    ends_at = schedule["phases"][-1]["end_date"]
    schedule.update(status="released", released_at=now, released_subscription=subscription["id"])
    schedule.update(subscription=None, current_phase=None)
    subscription["schedule"] = None
    if keep_cancel_date and schedule["end_behavior"] == "cancel":
        subscription.update(cancel_at=ends_at, canceled_at=now)
        world.clock.at(ends_at, "cancel", subscription["id"], world.domain_of(subscription["customer"]))
    world.events.emit("subscription_schedule.released", schedule)
    world.events.updated("customer.subscription.updated", subscription, before)


def release(world: World, call: Call) -> Doc:
    """`POST .../release`: the subscription goes on without the schedule."""
    schedule = world.store.get("subscription_schedule", call.id)
    _must_run(schedule)
    subscription = world.store["subscription"].docs[schedule["subscription"]]
    _release(world, schedule, subscription, keep_cancel_date=bool(call.params.get("preserve_cancel_date")))
    return schedule


def cancel(world: World, call: Call) -> Doc:
    """`POST .../cancel`: the schedule and its subscription end."""
    schedule = world.store.get("subscription_schedule", call.id)
    _must_run(schedule)
    subscription = world.store["subscription"].docs[schedule["subscription"]]
    schedule.update(status="canceled", canceled_at=world.now_for(schedule["customer"]), current_phase=None)
    world.events.emit("subscription_schedule.canceled", schedule)
    subscription["schedule"] = None
    options = {
        "invoice_now": call.params.get("invoice_now", True),
        "prorate": call.params.get("prorate", True),
    }
    lifecycle.cancel(world, subscription, options)
    return schedule


def retrieve(world: World, call: Call) -> Doc:
    """`GET /v1/subscription_schedules/{id}`."""
    return world.store.get("subscription_schedule", call.id)


def find(world: World, call: Call) -> Doc:
    """`GET /v1/subscription_schedules`."""
    wanted = call.params
    narrow = {"customer": wanted["customer"]} if "customer" in wanted else {}
    rows = (
        s
        for s in world.store["subscription_schedule"].newest_first(narrow)
        if ("scheduled" not in wanted or wanted["scheduled"] == (s["status"] == "not_started"))
        and pages.in_range(s["created"], wanted.get("created"))
        and pages.in_range(s["released_at"], wanted.get("released_at"))
        and pages.in_range(s["canceled_at"], wanted.get("canceled_at"))
        and pages.in_range(s["completed_at"], wanted.get("completed_at"))
    )
    return pages.page(rows, wanted, "/v1/subscription_schedules")


HANDLERS = {
    "subscription_schedule_create": create,
    "subscription_schedule_update": update,
    "subscription_schedule_retrieve": retrieve,
    "subscription_schedule_list": find,
    "subscription_schedule_release": release,
    "subscription_schedule_cancel": cancel,
}
