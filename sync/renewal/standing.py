"""How a promise for the renewal stands: the subscription, its schedule and the clock, read at once."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sync import gates
from sync.gateway import Gateway, StripeCallFailed, Verdict
from sync.renewal.phases import Promise, keeps
from sync.rules.entitlements import ENDED
from sync.rules.items import Item, amend, amendment_for, billed, without_empty
from sync.rules.price_book import PriceBook
from sync.rules.slots import Slot
from sync.rules.terms import Terms
from sync.state_at_stripe import items_of
from sync.store import catalog_prices
from sync.stripe_objects import Schedule, Subscription, ref_id
from sync.work import Work


@dataclass(frozen=True, slots=True)
class Standing:
    """`schedule` is the one that is attached, whoever made it; `now_unix` the clock that bills."""

    subscription: Subscription
    schedule: Schedule | None
    now_unix: int
    items: tuple[Item, ...]
    book: PriceBook

    @property
    def is_over(self) -> bool:
        return self.subscription.status in ENDED

    @property
    def is_ending(self) -> bool:
        """Whether it ends with its period: then there is no renewal, unless somebody takes that back."""
        return gates.ends(self.subscription)

    def is_driven_by(self, schedule_id: str | None) -> bool:
        """Whether exactly this schedule drives the subscription; None: whether none does."""
        return (self.schedule.id if self.schedule else None) == schedule_id


async def read(work: Work) -> Standing:
    """Read everything a step decides on. Raises StripeTrouble.

    Our own schedule is asked for by its id: a read of the subscription may lag behind it.
    """
    gateway = work.billing.gateway
    subscription_id = work.account.stripe_subscription_id
    if subscription_id is None:
        raise AssertionError("an account that was promised something has a subscription")
    subscription, own, book = await asyncio.gather(
        gateway.subscription(subscription_id),
        _schedule(gateway, work.account.stripe_schedule_id),
        catalog_prices.book(work.billing.pool),
    )
    return Standing(
        subscription,
        await _attached(gateway, subscription, own),
        await gateway.billing_now(ref_id(subscription.test_clock)),
        items_of(subscription),
        book,
    )


async def _schedule(gateway: Gateway, schedule_id: str | None) -> Schedule | None:
    if schedule_id is None:
        return None
    try:
        return await gateway.schedule(schedule_id)
    except StripeCallFailed as error:
        if error.failure.verdict is Verdict.MISSING:
            return None
        raise


async def _attached(gateway: Gateway, subscription: Subscription, own: Schedule | None) -> Schedule | None:
    """The schedule that drives the subscription; one of ours that says so itself is believed."""
    if own is not None and own.is_attached and ref_id(own.subscription) == subscription.id:
        return own
    attached_id = ref_id(subscription.schedule)
    if attached_id is None or (own is not None and own.id == attached_id):
        return None
    found = await _schedule(gateway, attached_id)
    return found if found is not None and found.is_attached else None


def promise(work: Work, standing: Standing) -> Promise:
    """The items of the next period. Raises Refused or NotFound where the items do not allow them."""
    terms = Terms.from_json(work.leg.terms)
    amendment = amendment_for(
        standing.items,
        terms,
        catalog=work.billing.catalog,
        prices=standing.book,
        currency=work.account.currency,
    )
    return Promise(work.change_id, amend(standing.items, amendment), terms.interval)


def is_kept(work: Work, standing: Standing) -> bool:
    """Whether our schedule is attached and leads to the promised items."""
    schedule = standing.schedule
    return (
        schedule is not None
        and schedule.id == work.account.stripe_schedule_id
        and keeps(schedule, standing.subscription, promise(work, standing))
    )


def is_in_force(work: Work, standing: Standing) -> bool:
    """Whether the items bill the promised terms already. Raises Refused for items that nobody can read."""
    return bills(work, standing, Terms.from_json(work.leg.terms))


def bills(work: Work, standing: Standing, terms: Terms) -> bool:
    """Whether the items bill exactly these terms. Raises Refused for items that nobody can read."""
    wanted: Mapping[Slot, int] = work.billing.catalog.items_for(terms, work.account.currency)
    return billed(standing.items, standing.book) == without_empty(wanted)


def effective_unix(work: Work) -> int:
    """The renewal that the promise is for."""
    moment: datetime | None = work.leg.effective_on
    if moment is None:
        raise AssertionError("a renewal leg has its renewal")
    return int(moment.timestamp())
