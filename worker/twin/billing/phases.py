"""Phases of a schedule: made from a subscription or a request, split when the subscription changes."""

from __future__ import annotations

from typing import Any

from worker.twin.billing.calendar import advance
from worker.twin.billing.fields import merge_metadata
from worker.twin.billing.targets import resolve
from worker.twin.errors import invalid
from worker.twin.events import snapshot
from worker.twin.store import Doc
from worker.twin.templates import subscription as templates
from worker.twin.world import World

MAX_PHASES = 10
PHASE_FIELDS = ("metadata", "proration_behavior", "description", "trial_end", "collection_method")


def present(schedule: Doc, now: int) -> Doc | None:
    """The phase that `now` falls into."""
    return next((p for p in schedule["phases"] if p["start_date"] <= now < p["end_date"]), None)


def of_subscription(subscription: Doc, start: int, end: int) -> Doc:
    """A phase with the subscription's items as they are."""
    items = [_item_of(i) for i in subscription["items"]["data"]]
    made = templates.phase(start, end, subscription["currency"], items)
    made["discounts"] = [_discount(d) for d in subscription["discounts"]]
    made["default_tax_rates"] = subscription["default_tax_rates"]
    return made


def _item_of(item: Doc) -> Doc:
    made = templates.phase_item(item["price"]["id"], item["quantity"])
    made.update(metadata=dict(item["metadata"]), tax_rates=item["tax_rates"])
    made["discounts"] = [_discount(d) for d in item["discounts"]]
    return made


def _discount(discount_id: str) -> dict[str, Any]:
    return {"coupon": None, "discount": discount_id, "promotion_code": None}


def split(world: World, subscription: Doc, now: int) -> None:
    """Items were changed under a schedule: the present phase ends here, one with the new items follows.

    The next phase is untouched and will overwrite them (Stripe docs "Subscription schedules").
    """
    schedule = world.store["subscription_schedule"].docs.get(subscription["schedule"] or "")
    phase = present(schedule, now) if schedule else None
    if schedule is None or phase is None:
        return
    before = snapshot(schedule)
    fresh = of_subscription(subscription, now, phase["end_date"])
    fresh["proration_behavior"] = phase["proration_behavior"]
    place = schedule["phases"].index(phase)
    if phase["start_date"] == now:
        schedule["phases"][place] = fresh
    else:
        phase["end_date"] = now
        schedule["phases"].insert(place + 1, fresh)
    schedule["current_phase"] = {"end_date": fresh["end_date"], "start_date": fresh["start_date"]}
    world.events.updated("subscription_schedule.updated", schedule, before)


def abort(world: World, subscription: Doc, now: int) -> None:
    """End the schedule of a subscription that ends: it cannot outlive it."""
    schedule = world.store["subscription_schedule"].docs.get(subscription["schedule"] or "")
    subscription["schedule"] = None
    if schedule is not None and schedule["status"] == "active":
        schedule.update(status="canceled", canceled_at=now, current_phase=None)
        world.events.emit("subscription_schedule.aborted", schedule)


def from_request(world: World, schedule: Doc, given: list[dict[str, Any]], now: int) -> list[Doc]:
    """The new phases of an update; past ones may be left out, the present one keeps its exact start."""
    if len(given) > MAX_PHASES:
        raise invalid(f"A schedule may have at most {MAX_PHASES} phases.", "phases")
    subscription = world.store["subscription"].docs[schedule["subscription"]]
    phases: list[Doc] = []
    running = present(schedule, now) or schedule["phases"][-1]
    starts = {p["start_date"] for p in schedule["phases"] if p["end_date"] <= now} | {running["start_date"]}
    for number, entry in enumerate(given):
        default = phases[-1]["end_date"] if phases else running["start_date"]
        asked: Any = entry.get("start_date", default)
        asked = now if asked == "now" else asked
        if phases and asked != phases[-1]["end_date"]:
            raise invalid("Phases must follow one another without a gap.", f"phases[{number}][start_date]")
        if not phases and asked not in starts:
            raise invalid("You can not modify the start date of the current phase.", "phases[0][start_date]")
        phases.append(_phase(world, subscription, entry, asked, number))
    if phases[-1]["end_date"] <= now:
        raise invalid("The schedule must have a current or future phase.", "phases")
    return phases


def _phase(world: World, subscription: Doc, entry: dict[str, Any], start: int, number: int) -> Doc:
    where = f"phases[{number}]"
    targets = resolve(world, [], entry["items"])
    end = _end_of(subscription, entry, targets[0].interval, start, where)
    items = [
        _item(world, t.price["id"], t.quantity, given, where)
        for t, given in zip(targets, entry["items"], strict=True)
    ]
    phase = templates.phase(start, end, subscription["currency"], items)
    for name in PHASE_FIELDS:
        if entry.get(name) is not None:
            phase[name] = entry[name] or ({} if name == "metadata" else None)
    phase["default_tax_rates"] = _rates(world, entry.get("default_tax_rates"), where)
    phase["discounts"] = _discounts(world, entry.get("discounts"), where)
    return phase


def _item(world: World, price_id: str, quantity: int, given: dict[str, Any], where: str) -> Doc:
    item = templates.phase_item(price_id, quantity)
    merge_metadata(item, given.get("metadata"))
    item["tax_rates"] = _rates(world, given.get("tax_rates"), where)
    item["discounts"] = _discounts(world, given.get("discounts"), where)
    return item


def _rates(world: World, given: Any, where: str) -> list[Doc]:
    return [world.store.get("tax_rate", rate, f"{where}[tax_rates]", 400) for rate in given or []]


def _discounts(world: World, given: Any, where: str) -> list[dict[str, Any]]:
    for entry in given or []:
        if entry.get("discount"):
            world.store.get("discount", entry["discount"], f"{where}[discounts]", 400)
        if entry.get("coupon"):
            world.store.get("coupon", entry["coupon"], f"{where}[discounts]", 400)
    return [{"coupon": None, "discount": None, "promotion_code": None, **d} for d in given or []]


def _end_of(
    subscription: Doc, entry: dict[str, Any], interval: tuple[str, int], start: int, where: str
) -> int:
    if entry.get("end_date") is not None and entry.get("duration") is not None:
        text = "You may only specify one of these parameters: duration, end_date."
        raise invalid(text, f"{where}[end_date]", "parameters_exclusive")
    if entry.get("end_date") is not None:
        end = entry["end_date"]
        if not isinstance(end, int) or end <= start:
            raise invalid("`end_date` must be after the phase's start.", f"{where}[end_date]")
        return end
    duration = entry.get("duration")
    unit, count = (duration["interval"], duration.get("interval_count", 1)) if duration else interval
    return advance(start, unit, count, subscription["billing_cycle_anchor"])
