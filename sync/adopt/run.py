"""A whole adoption: read what there is, look at each subscription, take over what maps exactly.

It can end at any moment: what was taken over stays so, and the next run reports it as such. Nothing is
remembered of what an interrupted run had only read, because it would be old by then.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

import structlog

from sync.adopt import reading
from sync.adopt.found import Candidate
from sync.adopt.owner import Naming, account_id_of
from sync.adopt.take_over import Known, Outcome, Result, take_over
from sync.at_once import at_most
from sync.billing import Billing
from sync.gateway import ObjectRead
from sync.rules.adoption_prices import PriceMap, Saying
from sync.rules.price_book import PriceBook
from sync.store import adoptions as store
from sync.store import catalog_prices
from sync.store.db import transaction
from sync.telemetry import LogEvent

log = structlog.get_logger(__name__)

# What is done, how far, and of how many (None: nobody knows yet).
Progress = Callable[[str, int, int | None], None]
READING: Final = "reading subscriptions"
ADOPTING: Final = "adopting"
AT_ONCE: Final = 3
CHUNK: Final = 100


@dataclass(frozen=True, slots=True)
class Choice:
    """What the operator asked for; without a subscription all of them are looked at."""

    actor: str
    subscription_id: str | None = None
    dry_run: bool = False
    mapped: PriceMap = field(default_factory=PriceMap)
    naming: Naming = field(default_factory=Naming)


@dataclass(frozen=True, slots=True)
class Adoption:
    """What became of every subscription, in the order of their ids."""

    results: tuple[Result, ...]

    def summary(self) -> dict[str, Any]:
        """Return the counts by outcome and by first reason."""
        outcomes = Counter(str(result.outcome) for result in self.results)
        reasons = Counter(str(result.reasons[0].code) for result in self.results if result.reasons)
        counted = {str(outcome): outcomes.get(outcome, 0) for outcome in Outcome}
        return {"subscriptions": len(self.results), **counted, "reasons": dict(sorted(reasons.items()))}


def _silent(what: str, done: int, total: int | None) -> None: ...


async def adopt(billing: Billing, choice: Choice, progress: Progress = _silent) -> Adoption:
    """Adopt one subscription or all. Raises NotFound for one that Stripe does not have, and StripeTrouble."""
    book = await catalog_prices.book(billing.pool)
    found = await _read(billing, book, choice, progress)
    owners = await store.owners(billing.pool, [each.customer.id for each in found])
    known = Known(
        Saying(billing.catalog, book, choice.mapped), choice.naming, owners, _shared(found, choice.naming)
    )
    results: list[Result] = []
    for start in range(0, len(found), CHUNK):
        results += await _take_over_all(billing, found[start : start + CHUNK], known, choice)
        progress(ADOPTING, len(results), len(found))
    if choice.subscription_id is None and not choice.dry_run:
        await store.close_gone(billing.pool, [each.subscription.id for each in found])
    done = Adoption(tuple(results))
    log.info(LogEvent.ADOPTION_FINISHED, **done.summary(), dry_run=choice.dry_run)
    return done


async def _read(billing: Billing, book: PriceBook, choice: Choice, progress: Progress) -> list[Candidate]:
    keep = _keeper(billing, choice)
    if choice.subscription_id is not None:
        return [await reading.read_one(billing, book, keep, choice.subscription_id)]

    def counted(count: int) -> None:
        progress(READING, count, None)

    return await reading.read_all(billing, book, keep, counted)


def _keeper(billing: Billing, choice: Choice) -> reading.Mirrored | None:
    """What is read is mirrored as well: an account is shown, and has its rights, by its mirror."""

    async def keep(reads: Sequence[ObjectRead], began: datetime) -> None:
        async with transaction(billing.pool) as conn:
            await billing.mirror.apply_reads(conn, reads, began=began)

    return None if choice.dry_run else keep


def _shared(found: Sequence[Candidate], naming: Naming) -> frozenset[str]:
    """The account ids that more than one customer claims: which one is meant is not ours to say."""
    customers = {each.customer.id: account_id_of(each.customer, naming) for each in found}
    claimed = Counter(account_id for account_id in customers.values() if isinstance(account_id, str))
    return frozenset(account_id for account_id, count in claimed.items() if count > 1)


async def _take_over_all(
    billing: Billing, found: Sequence[Candidate], known: Known, choice: Choice
) -> list[Result]:
    """A few at a time; each is a transaction of its own. The order of the results is that of `found`."""
    moved = await store.moved(billing.pool, {each.subscription.id: each.read_unix for each in found})

    async def one(each: Candidate) -> Result:
        if each.subscription.id in moved:  # an event says so: what the list showed is over
            keep = _keeper(billing, choice)
            each = await reading.read_one(billing, known.saying.book, keep, each.subscription.id)
        return await take_over(billing, each, known, actor=choice.actor, dry_run=choice.dry_run)

    return await at_most(AT_ONCE, [one(each) for each in found])
