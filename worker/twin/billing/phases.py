"""Phases of a schedule as they stand: made from a subscription, split when it changes, ended with it."""

from __future__ import annotations

from typing import Any

from worker.twin.events import snapshot
from worker.twin.store import Doc
from worker.twin.templates import subscription as templates
from worker.twin.world import World


def present(schedule: Doc, now: int) -> Doc | None:
    """The phase that `now` falls into."""
    return next((p for p in schedule["phases"] if p["start_date"] <= now < p["end_date"]), None)


def of_subscription(subscription: Doc, start: int, end: int) -> Doc:
    """A phase with the subscription's items as they are."""
    made = templates.phase(start, end, subscription["currency"], [])
    made.update(_state_of(subscription, start))
    return made


def _state_of(subscription: Doc, now: int) -> dict[str, Any]:
    """What a phase says about its subscription, as the subscription is."""
    trial_end = subscription["trial_end"]
    return {
        "items": [_item_of(i) for i in subscription["items"]["data"]],
        "discounts": [_discount(d) for d in subscription["discounts"]],
        "default_tax_rates": subscription["default_tax_rates"],
        "trial_end": trial_end if trial_end and trial_end > now else None,
    }


def _item_of(item: Doc) -> Doc:
    made = templates.phase_item(item["price"]["id"], item["quantity"])
    made.update(metadata=dict(item["metadata"]), tax_rates=item["tax_rates"])
    made["discounts"] = [_discount(d) for d in item["discounts"]]
    return made


def _discount(discount_id: str) -> dict[str, Any]:
    return {"coupon": None, "discount": discount_id, "promotion_code": None}


def schedule_of(world: World, subscription: Doc) -> Doc | None:
    """The schedule that manages a subscription."""
    return world.store["subscription_schedule"].docs.get(subscription["schedule"] or "")


def split(world: World, subscription: Doc, now: int) -> None:
    """Items were changed under a schedule: the present phase ends here, one with the new items follows.

    The next phase is untouched and will overwrite them (Stripe docs "Subscription schedules").
    """
    schedule = schedule_of(world, subscription)
    phase = present(schedule, now) if schedule else None
    if schedule is None or phase is None:
        return
    before = snapshot(schedule)
    fresh = {**phase, **_state_of(subscription, now), "start_date": now, "add_invoice_items": []}
    place = schedule["phases"].index(phase)
    if phase["start_date"] == now:
        schedule["phases"][place] = fresh
    else:
        schedule["phases"][place] = {**phase, "end_date": now}
        schedule["phases"].insert(place + 1, fresh)
    schedule["current_phase"] = {"end_date": fresh["end_date"], "start_date": fresh["start_date"]}
    world.events.updated("subscription_schedule.updated", schedule, before)


def abort(world: World, subscription: Doc, now: int) -> None:
    """End the schedule of a subscription that ends: it cannot outlive it.

    `aborted` tells that nobody paid, `canceled` that somebody ended it (Stripe API reference, "Types of
    events").
    """
    schedule = schedule_of(world, subscription)
    subscription["schedule"] = None
    if schedule is None or schedule["status"] != "active":
        return
    schedule.update(status="canceled", canceled_at=now, current_phase=None)
    unpaid = subscription["status"] == "incomplete_expired"
    unpaid = unpaid or subscription["cancellation_details"]["reason"] == "payment_failed"
    kind = "subscription_schedule.aborted" if unpaid else "subscription_schedule.canceled"
    world.events.emit(kind, schedule)
