"""A subscription as it was read, in the form that the rules compare."""

from __future__ import annotations

from typing import Final

from sync import gates
from sync.errors import NotFound, Refused
from sync.reconcile.digests import digest
from sync.reconcile.meant import Intent
from sync.renewal.phases import Promise, keeps
from sync.requests import CHANGE_METADATA
from sync.rules.catalog import Catalog
from sync.rules.drift_compare import Seen
from sync.rules.entitlements import ENDED
from sync.rules.items import amend, amendment_for
from sync.rules.price_book import PriceBook
from sync.state_at_stripe import items_of
from sync.stripe_objects import Schedule, Subscription

# Stripe's own rules ended it: that is its business, and people set those rules.
_BY_RULE: Final = ("payment_failed", "payment_disputed")
# Asked for and ended in one request.
_AT_ONCE_SECONDS: Final = 60


def seen(
    subscription: Subscription,
    schedule: Schedule | None,
    intent: Intent,
    *,
    catalog: Catalog,
    prices: PriceBook,
    schedule_is_ours: bool = False,
) -> Seen:
    """What the rules need to know. `schedule` is the attached one, ours where the account names it; so says
    `schedule_is_ours` where its maker was looked up."""
    attached = schedule if schedule is not None and schedule.is_attached else None
    is_ours = None
    if attached is not None:
        is_ours = attached.id == intent.account.stripe_schedule_id or schedule_is_ours
    pending = subscription.pending_update
    foreign = pending is not None and CHANGE_METADATA not in (pending.metadata or {})
    has_items = bool(subscription.items.data)
    return Seen(
        id=subscription.id,
        status=subscription.status,
        items=items_of(subscription),
        period_start_unix=subscription.period_start if has_items else None,
        ended_at_once=ended_at_once(subscription),
        is_ending=has_items and subscription.status not in ENDED and gates.ends(subscription),
        schedule_id=attached.id if attached else None,
        schedule_is_ours=is_ours,
        schedule_phases=phases_digest(attached) if attached else None,
        schedule_carries=_carries(subscription, attached if is_ours else None, intent, catalog, prices),
        foreign_pending_until_unix=pending.expires_at if pending is not None and foreign else None,
    )


def phases_digest(schedule: Schedule) -> str:
    """What the schedule will do, in a few letters: another one when anybody edits it."""
    return digest([schedule.end_behavior, schedule.phases])


def ended_at_once(subscription: Subscription) -> bool:
    """Whether somebody ended it before its period was over, without having planned that."""
    ended, asked = subscription.ended_at, subscription.canceled_at
    if subscription.status != "canceled" or ended is None:
        return False
    details = subscription.cancellation_details
    if details is not None and details.reason in _BY_RULE:
        return False
    was_planned = asked is not None and asked < ended - _AT_ONCE_SECONDS
    is_over = bool(subscription.items.data) and ended >= subscription.period_end
    return not was_planned and not is_over


def _carries(
    subscription: Subscription, own: Schedule | None, intent: Intent, catalog: Catalog, prices: PriceBook
) -> bool | None:
    """Whether our schedule leads to what is promised; None where nothing is, or the items cannot be read."""
    promise = intent.meant.promise
    if promise is None or not promise.stands or intent.promise_id is None:
        return None
    if own is None:
        return False
    items = items_of(subscription)
    try:
        amendment = amendment_for(
            items, promise.terms, catalog=catalog, prices=prices, currency=intent.meant.currency
        )
    except (Refused, NotFound):
        return None
    wanted = Promise(intent.promise_id, amend(items, amendment), promise.terms.interval)
    return keeps(own, subscription, wanted)
