"""Phases as a request asks for them: dates that follow one another, items, and what a phase sets.

Rules: Stripe docs "Subscription schedules", the SDK's parameter descriptions, and the changelog of
2025-09-30.clover (a computed end follows resets of the billing cycle anchor).
"""

from __future__ import annotations

import calendar
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from worker.twin.billing import discounts, phases
from worker.twin.billing.calendar import advance, check_interval
from worker.twin.billing.fields import merge_metadata
from worker.twin.billing.targets import resolve
from worker.twin.errors import invalid
from worker.twin.store import Doc
from worker.twin.templates import subscription as templates
from worker.twin.world import World

MAX_PHASES = 10
COPIED = (
    "application_fee_percent", "billing_cycle_anchor", "collection_method", "default_payment_method",
    "description", "invoice_settings", "on_behalf_of", "proration_behavior", "transfer_data", "trial",
)  # fmt: skip


@dataclass
class Frame:
    """What the phases of one request share; `anchor` moves on with them."""

    customer: str
    classic: bool
    now: int
    anchor: int
    currency: str | None = None
    interval: tuple[str, int] | None = None


def of_update(world: World, schedule: Doc, given: list[dict[str, Any]], now: int) -> list[Doc]:
    """The new phases of a schedule: past ones may be left out, the present one keeps its exact start."""
    subscription = world.store["subscription"].docs.get(schedule["subscription"] or "")
    running = phases.present(schedule, now) or schedule["phases"][-1]
    first = schedule["phases"][0]["start_date"] if subscription is None else running["start_date"]
    asked = given[0].get("start_date", first)
    asked = now if asked == "now" else asked
    if subscription is None:
        if asked < now:
            raise invalid(
                "A schedule that has not started cannot start in the past.", "phases[0][start_date]"
            )
    else:
        starts = {p["start_date"] for p in schedule["phases"] if p["end_date"] <= now} | {first}
        if asked not in starts:
            raise invalid("You can not modify the start date of the current phase.", "phases[0][start_date]")
    anchor = subscription["billing_cycle_anchor"] if subscription else asked
    frame = Frame(schedule["customer"], schedule["billing_mode"]["type"] == "classic", now, anchor)
    frame.currency = subscription["currency"] if subscription else None
    return follow(world, frame, given, asked)


def follow(world: World, frame: Frame, given: list[dict[str, Any]], start: int) -> list[Doc]:
    """The phases from `start` on; each begins where the one before ends."""
    made: list[Doc] = []
    for number, entry in enumerate(given):
        where = f"phases[{number}]"
        begin = made[-1]["end_date"] if made else start
        asked = entry.get("start_date", begin)
        if made and (frame.now if asked == "now" else asked) != begin:
            raise invalid("Phases must follow one another without a gap.", f"{where}[start_date]")
        made.append(_phase(world, frame, entry, begin, where))
    if sum(p["end_date"] > frame.now for p in made) > MAX_PHASES:
        raise invalid(f"A schedule may have at most {MAX_PHASES} current and future phases.", "phases")
    if made[-1]["end_date"] <= frame.now:
        raise invalid("The schedule must have a current or future phase.", "phases")
    return made


def _phase(world: World, frame: Frame, entry: dict[str, Any], start: int, where: str) -> Doc:
    targets = resolve(world, [], entry["items"], frame.currency)
    currency = targets[0].price["currency"]
    frame.currency = frame.currency or currency
    if currency != frame.currency or entry.get("currency", currency) != currency:
        raise invalid("All phases of a schedule must have one currency.", f"{where}[currency]")
    phase = templates.phase(start, 0, currency, [])
    for name in COPIED:
        if entry.get(name) is not None:
            phase[name] = entry[name] or None
    phase["metadata"] = dict(entry.get("metadata") or {})
    if phase["invoice_settings"]:
        phase["invoice_settings"] = {**templates.phase_invoice_settings(), **phase["invoice_settings"]}
    _anchor(frame, phase, targets[0].interval, where)
    phase["end_date"] = _end_of(frame, entry, targets[0].interval, start, where)
    phase["trial_end"] = _trial_end(frame, entry, phase, where)
    phase["items"] = [
        _item(world, frame, t.price["id"], t.quantity, given, where)
        for t, given in zip(targets, entry["items"], strict=True)
    ]
    extra = entry.get("add_invoice_items") or []
    phase["add_invoice_items"] = [_one_time(world, frame, given, where) for given in extra]
    phase["default_tax_rates"] = _rates(world, entry.get("default_tax_rates"), where)
    phase["discounts"] = named(world, frame.customer, entry.get("discounts"))
    return phase


def _anchor(frame: Frame, phase: Doc, interval: tuple[str, int], where: str) -> None:
    """Move the anchor if this phase resets it: asked for, or in classic mode by another interval."""
    changes = frame.interval not in (None, interval)
    frame.interval = interval
    if phase["billing_cycle_anchor"] != "phase_start":
        frame.anchor = phase["start_date"] if frame.classic and changes else frame.anchor
        return
    if phase["trial"] or phase["trial_end"]:
        text = "`billing_cycle_anchor` cannot be `phase_start` in a phase with a trial."
        raise invalid(text, f"{where}[billing_cycle_anchor]")
    frame.anchor = phase["start_date"]


def _trial_end(frame: Frame, entry: dict[str, Any], phase: Doc, where: str) -> int | None:
    asked = entry.get("trial_end")
    asked = frame.now if asked == "now" else asked
    if asked is None:
        return int(phase["end_date"]) if phase["trial"] else None
    if phase["trial"]:
        text = "You may only specify one of these parameters: trial, trial_end."
        raise invalid(text, f"{where}[trial_end]", "parameters_exclusive")
    if phase["billing_cycle_anchor"] == "phase_start":
        text = "`billing_cycle_anchor` cannot be `phase_start` in a phase with a trial."
        raise invalid(text, f"{where}[billing_cycle_anchor]")
    if not phase["start_date"] <= asked <= phase["end_date"]:
        raise invalid("`trial_end` must be within the phase.", f"{where}[trial_end]")
    return int(asked)


def _item(world: World, frame: Frame, price_id: str, quantity: int, given: dict[str, Any], where: str) -> Doc:
    item = templates.phase_item(price_id, quantity)
    merge_metadata({"metadata": {}}, given.get("metadata"))
    item["metadata"] = dict(given.get("metadata") or {})
    item["tax_rates"] = _rates(world, given.get("tax_rates"), where)
    item["discounts"] = named(world, frame.customer, given.get("discounts"))
    return item


def _one_time(world: World, frame: Frame, given: dict[str, Any], where: str) -> Doc:
    price = world.store.get("price", given.get("price") or "", f"{where}[add_invoice_items][0][price]", 400)
    if price["currency"] != frame.currency:
        raise invalid("All phases of a schedule must have one currency.", f"{where}[add_invoice_items]")
    item = templates.phase_invoice_item(price["id"], given.get("quantity", 1))
    merge_metadata(item, given.get("metadata"))
    item["tax_rates"] = _rates(world, given.get("tax_rates"), where)
    item["discounts"] = named(world, frame.customer, given.get("discounts"))
    item["discountable"] = given.get("discountable")
    item["period"] = given.get("period") or item["period"]
    return item


def _rates(world: World, given: Any, where: str) -> list[Doc]:
    return [world.store.get("tax_rate", rate, f"{where}[tax_rates]", 400) for rate in given or []]


def named(world: World, customer: str, given: Any) -> list[dict[str, Any]]:
    """Discounts of a request by coupon, discount or promotion code, if each could be redeemed now."""
    discounts.sketch(world, given or [], customer)
    return [{"coupon": None, "discount": None, "promotion_code": None, **d} for d in given or []]


def _end_of(frame: Frame, entry: dict[str, Any], interval: tuple[str, int], start: int, where: str) -> int:
    asked, duration = entry.get("end_date"), entry.get("duration")
    if asked is not None and duration is not None:
        text = "You may only specify one of these parameters: duration, end_date."
        raise invalid(text, f"{where}[end_date]", "parameters_exclusive")
    if asked is not None:
        end = frame.now if asked == "now" else int(asked)
        if end <= start:
            raise invalid("`end_date` must be after the phase's start.", f"{where}[end_date]")
        return end
    if duration:
        check_interval(duration, f"{where}[duration]")
    unit, count = (duration["interval"], duration.get("interval_count", 1)) if duration else interval
    return advance(start, unit, count, frame.anchor if _on_cycle(start, frame.anchor) else start)


def _on_cycle(moment: int, anchor: int) -> bool:
    """Whether `moment` lies on the anchor's day of the month (or the last day of a shorter one)."""
    at, base = datetime.fromtimestamp(moment, UTC), datetime.fromtimestamp(anchor, UTC)
    return at.time() == base.time() and at.day == min(base.day, calendar.monthrange(at.year, at.month)[1])
