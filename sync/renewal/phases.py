"""The phases of a promise: the present one as it is, and the next one with the promised items. Pure.

A schedule's phases are replaced in full by every update, so whatever a phase does not repeat is lost at its
start: discounts (named by their own id: a coupon would begin a new discount), tax rates, metadata and items
that are not ours (Stripe docs "Subscription schedules").
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from sync.requests import Body
from sync.rules.items import Item
from sync.rules.terms import Interval
from sync.stripe_objects import (
    Phase,
    PhaseDiscount,
    Reference,
    Schedule,
    Span,
    Subscription,
    SubscriptionItem,
    ref_id,
)

RENEWAL_METADATA = "prorata_renewal"


@dataclass(frozen=True, slots=True)
class Promise:
    """What the next period shall be: every item after the amendment, those that are not ours included."""

    change_id: str
    items: Sequence[Item]
    interval: Interval


def bodies(subscription: Subscription, present: Span, promise: Promise) -> list[Body]:
    """The `phases` of the update that makes `promise` the next phase; `present` is the running one."""
    held = {item.id: item for item in subscription.items.data}
    shared = common(subscription)
    now: Body = {
        **shared,
        "items": [_present_item(item) for item in subscription.items.data],
        "start_date": present.start_date,
        "end_date": present.end_date,
    }
    following: Body = {
        **shared,
        "items": [_next_item(item, held.get(item.id)) for item in promise.items],
        "duration": {"interval": promise.interval.value, "interval_count": 1},
        "proration_behavior": "none",
        "metadata": {RENEWAL_METADATA: promise.change_id},
    }
    return [now, following]


def keeps(schedule: Schedule, subscription: Subscription, promise: Promise) -> bool:
    """Whether the schedule leads from the present items to the promised ones when the period ends."""
    present = schedule.current_phase
    if schedule.status != "active" or schedule.end_behavior != "release" or present is None:
        return False
    if present.end_date != subscription.period_end:
        return False
    following = [phase for phase in schedule.phases if phase.start_date >= present.end_date]
    metered = {item.price_id for item in promise.items if item.metered}
    return (
        shows(schedule, subscription)
        and len(following) == 1
        and following[0].proration_behavior == "none"
        and _said(following[0], metered) == _asked(bodies(subscription, present, promise)[1])
    )


def shows(schedule: Schedule, subscription: Subscription) -> bool:
    """Whether the schedule's running phase has the subscription's items. Stripe keeps both equal, so where
    they differ one of two reads lags behind."""
    held = Counter((item.price.id, item.quantity or 0) for item in subscription.items.data)
    return held == Counter((item.price_id, item.quantity) for item in running_items(schedule))


def running_items(schedule: Schedule) -> tuple[Item, ...]:
    """The items of the phase that runs; a phase's items have no ids."""
    present = schedule.current_phase
    running = next(
        (each for each in schedule.phases if present and each.start_date == present.start_date), None
    )
    found = running.items if running else []
    return tuple(Item("", ref_id(item.price) or "", item.quantity or 0) for item in found)


def _said(phase: Phase, metered: Collection[str]) -> tuple[object, ...]:
    """What a phase makes of the subscription, in a shape that `_asked` shares. A metered item has no
    quantity that was asked for, whatever it shows."""
    items = []
    for item in phase.items:
        quantity = 0 if ref_id(item.price) in metered else item.quantity or 0
        items.append((ref_id(item.price), quantity, _named(item.discounts), _rates(item.tax_rates)))
    return (Counter(items), _named(phase.discounts), _rates(phase.default_tax_rates))


def _asked(body: Body) -> tuple[object, ...]:
    items = [
        (item["price"], item.get("quantity", 0), _ids(item), tuple(sorted(item.get("tax_rates", []))))
        for item in body["items"]
    ]
    return (Counter(items), _ids(body), tuple(sorted(body.get("default_tax_rates", []))))


def _ids(body: Body) -> tuple[str, ...]:
    return tuple(sorted(each["discount"] for each in body.get("discounts", [])))


def _named(discounts: Iterable[PhaseDiscount] | None) -> tuple[str, ...]:
    """A coupon by its own name equals no running discount: it would begin anew."""
    return tuple(sorted(ref_id(each.discount) or "new" for each in discounts or []))


def _rates(rates: Iterable[Reference] | None) -> tuple[str, ...]:
    return tuple(sorted(rate.id for rate in rates or []))


def common(subscription: Subscription) -> Body:
    """What hangs on the whole subscription, to be repeated in every phase."""
    found: Body = {}
    if subscription.discounts:
        found["discounts"] = _by_id(subscription.discounts)
    if subscription.default_tax_rates:
        found["default_tax_rates"] = [rate.id for rate in subscription.default_tax_rates]
    return found


def _by_id(discounts: Iterable[object]) -> list[Body]:
    """Discounts by their own ids, whether or not they came expanded."""
    ids = [found["id"] if isinstance(found, dict) else found for found in discounts]
    return [{"discount": discount_id} for discount_id in ids]


def _present_item(item: SubscriptionItem) -> Body:
    body: Body = {"price": item.price.id, **_carried(item)}
    if item.quantity is not None:
        body["quantity"] = item.quantity
    return body


def _next_item(item: Item, held: SubscriptionItem | None) -> Body:
    body: Body = {"price": item.price_id, **(_carried(held) if held else {})}
    if not item.metered:
        body["quantity"] = item.quantity
    return body


def _carried(item: SubscriptionItem) -> Body:
    """What hangs on the item itself and would be lost."""
    body: Body = {}
    if item.discounts:
        body["discounts"] = _by_id(item.discounts)
    if item.tax_rates:
        body["tax_rates"] = [rate.id for rate in item.tax_rates]
    if item.metadata:
        body["metadata"] = dict(item.metadata)
    return body
