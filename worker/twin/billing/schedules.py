"""Requests about subscription schedules: planned phases over a subscription (docs "Subscription schedules").

Phases are fully replaced by an update. A transition voids a pending update, replaces the items by the next
phase's, and happens before the renewal of the same second.
"""

from __future__ import annotations

from typing import Any

from worker.twin import pages
from worker.twin.billing import entering, lifecycle, phase_requests, phases, transitions
from worker.twin.billing.fields import merge_metadata
from worker.twin.errors import ApiError, invalid
from worker.twin.events import snapshot
from worker.twin.store import Doc
from worker.twin.templates import subscription as templates
from worker.twin.world import Call, World

END_BEHAVIORS = ("release", "cancel")


def create(world: World, call: Call) -> Doc:
    """`POST /v1/subscription_schedules`: from a subscription, or from phases that will make one."""
    if call.params.get("from_subscription") is not None:
        return _adopt(world, call.params)
    return _plan(world, call.params)


def _adopt(world: World, params: dict[str, Any]) -> Doc:
    """`from_subscription` excludes everything else."""
    others = sorted(set(params) - {"from_subscription", "expand"})
    if others:
        raise invalid(f"You cannot set `{others[0]}` if `from_subscription` is set.", others[0])
    subscription = world.store.get("subscription", params["from_subscription"], "from_subscription")
    if subscription["schedule"]:
        raise invalid("The subscription is already attached to a schedule.", "from_subscription")
    if subscription["status"] in (*lifecycle.ENDED, "incomplete"):
        raise invalid(f"The subscription is {subscription['status']}.", "from_subscription")
    customer = world.store["customer"].docs[subscription["customer"]]
    now = world.now_for(customer["id"])
    mode = subscription["billing_mode"]
    schedule = templates.schedule(world.ids.new("sub_sched", 20), now, customer, mode)
    settings = schedule["default_settings"]
    for name in ("collection_method", "default_payment_method"):
        settings[name] = subscription[name]
    settings["invoice_settings"]["days_until_due"] = subscription["days_until_due"]
    items = subscription["items"]["data"]
    begin = min(i["current_period_start"] for i in items)
    end = subscription["cancel_at"] or min(i["current_period_end"] for i in items)
    schedule.update(
        subscription=subscription["id"], phases=[phases.of_subscription(subscription, begin, end)]
    )
    schedule["end_behavior"] = "cancel" if subscription["cancel_at"] else "release"
    world.store.add("subscription_schedule", schedule)
    before = snapshot(subscription)
    subscription["schedule"] = schedule["id"]
    transitions.plan_ahead(world, schedule, now)
    transitions.announce_end(world, schedule, now)
    world.events.emit("subscription_schedule.created", schedule)
    world.events.updated("customer.subscription.updated", subscription, before)
    return schedule


def _plan(world: World, params: dict[str, Any]) -> Doc:
    """A schedule that starts now, later, or at a moment in the past."""
    for name in ("customer", "phases", "start_date"):
        if not params.get(name):
            raise invalid(f"Missing required param: {name}.", name, "parameter_missing")
    customer = world.store.get("customer", params["customer"], "customer")
    now = world.now_for(customer["id"])
    mode = _billing_mode(params.get("billing_mode"), now)
    schedule = templates.schedule(world.ids.new("sub_sched", 20), now, customer, mode)
    begin = now if params["start_date"] == "now" else int(params["start_date"])
    frame = phase_requests.Frame(customer["id"], mode["type"] == "classic", now, begin)
    schedule["phases"] = phase_requests.follow(world, frame, params["phases"], begin)
    schedule["status"] = "not_started"
    _settle(world, schedule, params)
    _check_payment(world, schedule)
    world.store.add("subscription_schedule", schedule)
    transitions.announce_end(world, schedule, now)
    if begin > now:
        transitions.plan_ahead(world, schedule, now)
    else:
        transitions.start(world, schedule, now)
    world.events.emit("subscription_schedule.created", schedule)
    return schedule


def _billing_mode(given: dict[str, Any] | None, now: int) -> dict[str, Any]:
    if given and given["type"] == "classic":
        return {"flexible": None, "type": "classic", "updated_at": now}
    flexible = {"proration_discounts": "included", **((given or {}).get("flexible") or {})}
    return {"flexible": flexible, "type": "flexible", "updated_at": now}


def _settle(world: World, schedule: Doc, params: dict[str, Any]) -> None:
    """Metadata, the end, and the defaults that phases fall back on."""
    if params.get("end_behavior", "release") not in END_BEHAVIORS:
        raise invalid("`end_behavior` must be `release` or `cancel`.", "end_behavior")
    if params.get("pause_schedules"):
        raise invalid("Planned pauses are not modelled by the twin.", "pause_schedules")
    merge_metadata(schedule, params.get("metadata"))
    schedule["end_behavior"] = params.get("end_behavior", schedule["end_behavior"])
    settings, given = schedule["default_settings"], params.get("default_settings") or {}
    invoice_settings = {**settings["invoice_settings"], **given.get("invoice_settings", {})}
    fresh = {name: value or None for name, value in given.items()}
    schedule["default_settings"] = {**settings, **fresh, "invoice_settings": invoice_settings}


def _check_payment(world: World, schedule: Doc) -> None:
    """Each phase, or else the defaults, must say how it can be paid."""
    settings = schedule["default_settings"]
    for number, phase in enumerate(schedule["phases"]):
        method = phase["collection_method"] or settings["collection_method"]
        if method == "send_invoice" and not entering.days_until_due(schedule, phase):
            text = "If invoices will be emailed to the customer, you must specify `days_until_due`."
            raise invalid(text, f"phases[{number}][invoice_settings][days_until_due]")
        card = phase["default_payment_method"] or settings["default_payment_method"]
        where = f"phases[{number}][default_payment_method]"
        if card and world.store.get("payment_method", card, where, 400)["customer"] != schedule["customer"]:
            raise invalid(f"The customer does not have a payment method with the ID {card}", where)


def update(world: World, call: Call) -> Doc:
    """`POST /v1/subscription_schedules/{id}`."""
    schedule = world.store.get("subscription_schedule", call.id)
    _must_run(schedule)
    now = world.now_for(schedule["customer"])
    fresh = {**schedule}
    if "phases" in call.params:
        if not call.params["phases"]:
            raise invalid("A schedule must have at least one phase.", "phases")
        fresh["phases"] = phase_requests.of_update(world, schedule, call.params["phases"], now)
    _settle(world, fresh, call.params)
    _check_payment(world, fresh)
    before = snapshot(schedule)
    was = phases.present(schedule, now)
    ended = schedule["phases"][-1]["end_date"]
    _apply_present(world, fresh, was, call.params, now)
    schedule.update(fresh)
    if schedule["phases"][-1]["end_date"] != ended:
        transitions.announce_end(world, schedule, now)
    if schedule["status"] == "not_started" and schedule["phases"][0]["start_date"] <= now:
        transitions.start(world, schedule, now)
    else:
        _plan_ahead(world, schedule, now)
    world.events.updated("subscription_schedule.updated", schedule, before)
    return schedule


def _apply_present(world: World, fresh: Doc, was: Doc | None, params: dict[str, Any], now: int) -> None:
    """An update of the present phase changes the subscription now; a refusal leaves everything as it was."""
    present = phases.present(fresh, now)
    if "phases" not in params or present is None or fresh["status"] == "not_started":
        return
    subscription = world.store["subscription"].docs[fresh["subscription"]]
    behavior = params.get("proration_behavior") or "create_prorations"
    entered = was is None or was["start_date"] != present["start_date"]
    entering.make_items(world, fresh, subscription, present, behavior, was=None if entered else was)


def _plan_ahead(world: World, schedule: Doc, now: int) -> None:
    subscription = world.store["subscription"].docs.get(schedule["subscription"] or "")
    before = snapshot(subscription) if subscription else {}
    transitions.plan_ahead(world, schedule, now)
    if subscription:
        world.events.updated("customer.subscription.updated", subscription, before)


def _must_run(schedule: Doc) -> None:
    if schedule["status"] not in ("active", "not_started"):
        raise _wrong_status(schedule)


def _wrong_status(schedule: Doc) -> ApiError:
    status = schedule["status"]
    return invalid(
        f"You cannot update, release or cancel a subscription schedule that is in the `{status}` status. "
        "A schedule must be in one of these statuses: `not_started`, `active`."
    )


def release(world: World, call: Call) -> Doc:
    """`POST .../release`: the subscription goes on without the schedule."""
    schedule = world.store.get("subscription_schedule", call.id)
    _must_run(schedule)
    transitions.release(world, schedule, keep_cancel_date=bool(call.params.get("preserve_cancel_date")))
    return schedule


def cancel(world: World, call: Call) -> Doc:
    """`POST .../cancel`: the schedule ends, and its subscription with it if it has started."""
    schedule = world.store.get("subscription_schedule", call.id)
    _must_run(schedule)
    subscription = world.store["subscription"].docs.get(schedule["subscription"] or "")
    schedule.update(status="canceled", canceled_at=world.now_for(schedule["customer"]), current_phase=None)
    world.events.emit("subscription_schedule.canceled", schedule)
    if subscription is None:
        return schedule
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
    """`GET /v1/subscription_schedules`; those on a test clock are listed only by their customer."""
    wanted = call.params
    narrow = {"customer": wanted["customer"]} if "customer" in wanted else {}
    rows = (
        s
        for s in world.store["subscription_schedule"].newest_first(narrow, wanted.get("starting_after"))
        if wanted.get("customer", s["customer"]) == s["customer"]
        and (s["test_clock"] is None or "customer" in wanted)
        and ("scheduled" not in wanted or wanted["scheduled"] == (s["status"] == "not_started"))
        and all(
            pages.in_range(s[name], wanted.get(name))
            for name in ("created", "released_at", "canceled_at", "completed_at")
        )
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
