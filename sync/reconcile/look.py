"""A fresh look at one account: only what Stripe shows now, between two equal looks at our own tables.

A change that lands in between would look like drift, so a look counts only where nothing of the account moved
while Stripe was read.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from sync.billing import Billing
from sync.gateway import ObjectRead
from sync.mirror_rows import Kind
from sync.reconcile.meant import Intent, intents
from sync.reconcile.seen import phases_digest, seen
from sync.renewal.ownership import was_made_for
from sync.rules.drift import Difference
from sync.rules.drift_compare import (
    NOT_STARTED,
    Seen,
    compare,
    customer_missing,
    schedule_to_come,
    second_subscription,
    subscription_missing,
)
from sync.rules.entitlements import ENDED
from sync.snapshot import is_deleted
from sync.state_at_stripe import items_of
from sync.store import catalog_prices, sweeps
from sync.stripe_objects import Schedule, Subscription, ref_id

# Whatever moves for longer than that is looked at in the next round.
TRIES: Final = 3


@dataclass(slots=True)
class Look:
    """What a look at an account found. `reads` are for the mirror, asked for since `began`."""

    intent: Intent
    began: datetime
    reads: list[ObjectRead] = field(default_factory=list)
    differences: list[Difference] = field(default_factory=list)


async def look_at(billing: Billing, account_id: str) -> Look | None:
    """Compare the account with its own subscription, read fresh.

    None where the account is unknown, or would not rest. Raises StripeCallFailed.
    """
    for _ in range(TRIES):
        before = (await intents(billing.pool, [account_id])).get(account_id)
        if before is None:
            return None
        found = Look(before, await sweeps.now(billing.pool))
        await _compare(billing, found)
        if before.is_as((await intents(billing.pool, [account_id])).get(account_id)):
            return found
    return None


async def _compare(billing: Billing, look: Look) -> None:
    account = look.intent.account
    customer_id, subscription_id = account.stripe_customer_id, account.stripe_subscription_id
    if customer_id is None:
        return
    customer, own = await asyncio.gather(
        _read(billing, look, Kind.CUSTOMER, customer_id),
        _read(billing, look, Kind.SUBSCRIPTION, subscription_id) if subscription_id else _nothing(),
    )
    if is_gone(customer):
        look.differences.append(customer_missing(account.id, customer_id))
    elif own is not None and own.body is None:
        look.differences.append(subscription_missing(look.intent.meant, own.object_id))
    elif own is not None:
        look.differences += await _of_own(billing, look, own.decode(Subscription))


async def _of_own(billing: Billing, look: Look, subscription: Subscription) -> list[Difference]:
    account = look.intent.account
    schedule, is_ours = await _attached(billing, look, subscription), False
    if schedule is not None and schedule.id != account.stripe_schedule_id:
        is_ours = await was_made_for(billing, account.id, schedule)
    prices = await catalog_prices.book(billing.pool)
    shown = seen(
        subscription,
        schedule,
        look.intent,
        catalog=billing.catalog,
        prices=prices,
        schedule_is_ours=is_ours,
    )
    return compare(look.intent.meant, shown, catalog=billing.catalog, prices=prices)


async def _attached(billing: Billing, look: Look, subscription: Subscription) -> Schedule | None:
    """The schedule that drives it. Our own is asked for by its id: the subscription may be read too early."""
    schedule_id = ref_id(subscription.schedule) or look.intent.account.stripe_schedule_id
    if schedule_id is None or subscription.status in ENDED:
        return None
    read = await _read(billing, look, Kind.SCHEDULE, schedule_id)
    schedule = read.decode(Schedule) if read.body is not None else None
    is_of_it = schedule is not None and ref_id(schedule.subscription) == subscription.id
    return schedule if is_of_it else None


async def _read(billing: Billing, look: Look, kind: Kind, object_id: str) -> ObjectRead:
    read = await billing.gateway.read_object(kind, object_id)
    look.reads.append(read)
    return read


async def _nothing() -> None:
    return None


def is_gone(read: ObjectRead) -> bool:
    """Whether Stripe has no such object, or calls it deleted."""
    return read.body is None or is_deleted(read.body)


# ---- what else the account's customer has


def of_other(intent: Intent, subscription: Subscription) -> list[Difference]:
    """What is wrong with a subscription that is not the account's own."""
    shown = Seen(subscription.id, subscription.status, items_of(subscription))
    return second_subscription(intent.meant, intent.account.stripe_subscription_id, shown)


def of_schedule_to_come(intent: Intent, schedule: Schedule) -> list[Difference]:
    """What is wrong with a schedule of the customer's that has not begun: we make none of that kind."""
    if schedule.status != NOT_STARTED:
        return []
    return [schedule_to_come(intent.account.id, schedule.id, phases_digest(schedule))]


async def others_of(billing: Billing, look: Look) -> list[Difference]:
    """Every other subscription and schedule to come of the account's customer, listed now."""
    account = look.intent.account
    if account.stripe_customer_id is None:
        return []
    found: list[Difference] = []
    for read in await _all(
        billing, Kind.SUBSCRIPTION, {"customer": account.stripe_customer_id, "status": "all"}
    ):
        if read.object_id != account.stripe_subscription_id:
            look.reads.append(read)
            found += of_other(look.intent, read.decode(Subscription))
    for read in await _all(
        billing, Kind.SCHEDULE, {"customer": account.stripe_customer_id, "scheduled": True}
    ):
        look.reads.append(read)
        found += of_schedule_to_come(look.intent, read.decode(Schedule))
    return found


async def _all(billing: Billing, kind: Kind, params: dict[str, object]) -> Sequence[ObjectRead]:
    reads: list[ObjectRead] = []
    cursor, more = None, True
    while more:
        page = await billing.gateway.list_objects(kind, params, starting_after=cursor)
        reads += page.reads
        more, cursor = page.has_more, page.last_id
    return reads
