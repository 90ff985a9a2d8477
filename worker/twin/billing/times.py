"""What a request does to the times of a subscription: a fresh anchor, a trial, an end of its own.

It decides; the arithmetic of the prorations is the plan's. Sources: Stripe docs "Compare classic and flexible
billing mode" (anchor resets), "Set the subscription billing renewal date", "Mixed interval subscriptions",
"Cancel subscriptions"; the SDK's texts of `trial_end`, `cancel_at` and `billing_cycle_anchor`.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from worker.twin.billing import money
from worker.twin.billing.targets import Target, advance_to, start_periods
from worker.twin.errors import invalid
from worker.twin.store import Doc
from worker.twin.world import World

TRIAL_SECONDS = 730 * 86400
# Every interval in units of its family: weeks are days, years are months, and the two never mix.
UNITS = {"day": ("day", 1), "week": ("day", 7), "month": ("month", 1), "year": ("month", 12)}


@dataclass
class Times:
    """`cancel_at` is the end of the subscription after the change, or None; `anchor` a new one, if any."""

    reset: bool = False
    trial_end: int | None = None
    ends_trial: bool = False
    cancel_at: int | None = None
    anchor: int | None = None


def decide(world: World, subscription: Doc, targets: list[Target], params: dict[str, Any], now: int) -> Times:
    """Work out the times and write the periods into `targets`; in a trial every one ends with the trial."""
    check_intervals(subscription, targets)
    times = Times(reset=_resets(world, subscription, targets, params))
    if in_trial(subscription):
        times.reset = False
        for target in targets:
            target.end = target.natural = subscription["trial_end"]
            target.whole = target.end - target.start
    if times.reset:
        start_periods(targets, now)
    _trial(subscription, times, targets, params, now)
    _end(subscription, times, targets, params)
    asked = params.get("cancel_at") or params.get("cancel_at_period_end")
    if asked and times.cancel_at is not None and times.cancel_at <= now:
        # The last period of a paused subscription may be over; what Stripe does then is not documented.
        raise invalid("The current period is over: cancel the subscription instead.", "cancel_at")
    return times


def _end(subscription: Doc, times: Times, targets: list[Target], params: dict[str, Any]) -> None:
    times.cancel_at = cancel_date(subscription, targets, params)
    moved = times.cancel_at != subscription["cancel_at"]
    anew = moved or times.reset or times.trial_end is not None
    touched = [t for t in targets if not t.deleted and (anew or t.priced_anew)]
    cut = end_periods(touched, times.cancel_at)
    if cut and moved and subscription["billing_mode"]["type"] == "classic":
        times.anchor = times.cancel_at
        for target in touched:
            target.natural = target.end


def check_intervals(subscription: Doc, targets: list[Target]) -> None:
    """Classic: one interval. Flexible: each is a multiple of the shortest."""
    kept = {t.interval for t in targets if not t.deleted}
    if len(kept) < 2:
        return
    if subscription["billing_mode"]["type"] == "classic":
        raise invalid(
            "Currency and interval fields must match across all plans on this subscription.", "items"
        )
    lengths = [(UNITS[unit][0], UNITS[unit][1] * count) for unit, count in kept]
    shortest = min(length for _, length in lengths)
    if len({family for family, _ in lengths}) > 1 or any(length % shortest for _, length in lengths):
        raise invalid("All intervals must be multiples of the subscription's shortest interval.", "items")


def _resets(world: World, subscription: Doc, targets: list[Target], params: dict[str, Any]) -> bool:
    """A fresh anchor: asked for, or in classic mode by another interval or by the first price above zero."""
    anchor = (params.get("billing_cycle_anchor") or {}).get("type")
    if anchor == "now":
        return True
    if anchor == "unchanged" or subscription["billing_mode"]["type"] == "flexible":
        return False
    if subscription["status"] == "paused":
        return False
    swapped = [t for t in targets if t.item is not None and not t.deleted and t.price is not t.item["price"]]
    other_interval = any(t.interval != Target(t.item["price"], 1).interval for t in swapped if t.item)
    was_free = sum(_full(world, i["price"], i["quantity"]) for i in subscription["items"]["data"]) == 0
    costs_now = sum(_full(world, t.price, t.quantity) for t in targets if not t.deleted) > 0
    return other_interval or (was_free and costs_now)


def _full(world: World, price: Doc, quantity: int) -> Fraction:
    return money.full_amount(price, world.facts.prices[price["id"]].tiers, quantity)


def in_trial(subscription: Doc) -> bool:
    """Whether nothing is charged for time at present."""
    return bool(subscription["status"] == "trialing")


def _trial(subscription: Doc, times: Times, targets: list[Target], params: dict[str, Any], now: int) -> None:
    asked = params.get("trial_end")
    if asked is None or asked == "":
        return
    if params.get("trial_from_plan"):
        raise invalid("You cannot set `trial_end` together with `trial_from_plan=true`.", "trial_end")
    if asked == "now":
        if in_trial(subscription):
            times.ends_trial = times.reset = True
            start_periods(targets, now)
        return
    times.trial_end = check_trial_end(int(asked), now)
    times.reset = False
    for target in targets:
        if not in_trial(subscription) or target.item is None:
            target.start = now
        target.end = target.natural = times.trial_end
        target.whole = target.end - target.start


def check_trial_end(asked: int, now: int) -> int:
    """A trial ends in the future, at most two years from now (the SDK's text of `trial_end`)."""
    if asked <= now:
        raise invalid("Invalid timestamp: must be an integer Unix timestamp in the future.", "trial_end")
    if asked > now + TRIAL_SECONDS:
        raise invalid("A trial can last two years at most.", "trial_end")
    return asked


def cancel_date(subscription: Doc, targets: list[Target], params: dict[str, Any]) -> int | None:
    """When the subscription shall end; `cancel_at_period_end` follows a period that changes.

    With mixed intervals `cancel_at_period_end` means the earliest end.
    """
    ends = [t.natural for t in targets if not t.deleted]
    asked, flag = params.get("cancel_at"), params.get("cancel_at_period_end")
    if asked and flag:
        text = "You may only specify one of these parameters: cancel_at, cancel_at_period_end."
        raise invalid(text, "cancel_at", "parameters_exclusive")
    if flag or asked == "min_period_end":
        return min(ends)
    if asked in ("max_period_end", "max_billed_until"):
        return max(ends)
    if isinstance(asked, int):
        return asked
    if asked == "" or flag is False:
        return None
    current: int | None = min(ends) if subscription["cancel_at_period_end"] else subscription["cancel_at"]
    return current


def end_periods(targets: list[Target], cancel_at: int | None) -> bool:
    """Cut the periods at the end of the subscription; without one each is whole. True if any is cut."""
    cut = False
    for target in targets:
        target.end = target.natural
        if cancel_at is not None and target.start < cancel_at < target.natural:
            target.end, cut = cancel_at, True
    return cut


def next_period(item: Doc, anchor: int, cancel_at: int | None) -> Target:
    """The period after an item's present one; the last one before `cancel_at` is cut, and always prorated."""
    target = Target(item["price"], item["quantity"], item)
    target.start = item["current_period_end"]
    advance_to(target, anchor)
    end_periods([target], cancel_at)
    return target
