"""How a promise for the renewal stands: the subscription, its schedule and the clock, read at once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

import structlog

from sync.renewal.phases import Promise, keeps
from sync.rules.items import Item, amend, amendment_for, billed, without_empty
from sync.rules.price_book import PriceBook
from sync.rules.slots import Slot
from sync.rules.terms import Terms
from sync.state_at_stripe import ENDED, items_of
from sync.store import catalog_prices
from sync.stripe_objects import Schedule, Subscription, ref_id
from sync.telemetry import RENEWAL_AT_RISK, LogEvent
from sync.work import Work

log = structlog.get_logger()

AT_RISK_SECONDS = 300.0


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

    def is_driven_by(self, schedule_id: str | None) -> bool:
        """Whether exactly this schedule drives the subscription; None: whether none does."""
        return (self.schedule.id if self.schedule else None) == schedule_id


async def read(work: Work) -> Standing:
    """Read everything a step decides on. Raises StripeTrouble."""
    gateway = work.billing.gateway
    subscription_id = work.account.stripe_subscription_id
    if subscription_id is None:
        raise AssertionError("an account that was promised something has a subscription")
    subscription = await gateway.subscription(subscription_id)
    schedule_id = ref_id(subscription.schedule)
    return Standing(
        subscription,
        await gateway.schedule(schedule_id) if schedule_id else None,
        await gateway.billing_now(ref_id(subscription.test_clock)),
        items_of(subscription),
        await catalog_prices.book(work.billing.pool),
    )


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
    wanted: Mapping[Slot, int] = work.billing.catalog.items_for(
        Terms.from_json(work.leg.terms), work.account.currency
    )
    return billed(standing.items, standing.book) == without_empty(wanted)


def effective_unix(work: Work) -> int:
    """The renewal that the promise is for."""
    moment: datetime | None = work.leg.effective_on
    if moment is None:
        raise AssertionError("a renewal leg has its renewal")
    return int(moment.timestamp())


def at_risk(work: Work, why: str) -> float:
    """Tell on-call that a promise may be missed; returns the seconds until the next look."""
    RENEWAL_AT_RISK.inc()
    log.error(LogEvent.RENEWAL_AT_RISK, change_id=work.change_id, account_id=work.account.id, why=why)
    return AT_RISK_SECONDS
