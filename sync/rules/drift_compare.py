"""What we meant for an account against what Stripe has of its subscription. Pure: facts in, differences out.

Items, prices and quantities are ours to judge. Payment state, trials, discounts, taxes and planned ends
belong to Stripe and to people: they are mirrored, and no difference comes of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sync.errors import NotFound
from sync.rules.catalog import Catalog
from sync.rules.drift import Difference, FindingKind
from sync.rules.drift_items import Owner, item_differences
from sync.rules.entitlements import ENDED
from sync.rules.items import Item
from sync.rules.price_book import PriceBook
from sync.rules.terms import Terms

# Nothing is in force before the first payment, and nothing is judged.
UNPAID_FIRST: Final = "incomplete"
# What a schedule that has not begun yet is about: it drives no subscription so far.
NOT_STARTED: Final = "not_started"


@dataclass(frozen=True, slots=True)
class PromiseMeant:
    """What the renewal at `effective_unix` is to bring; `stands`: its schedule was written already."""

    terms: Terms
    effective_unix: int
    stands: bool


@dataclass(frozen=True, slots=True)
class Meant:
    """What an account bought. `in_flight` are the terms of a purchase that may land at any moment.

    `just_before` are those that were in force until a moment ago: a read of Stripe may lag behind.
    `moves` says that something else of the account is under way, so that a missing subscription, terms or
    schedule prove nothing.
    """

    account_id: str
    currency: str
    terms: Terms | None
    in_flight: Terms | None = None
    just_before: Terms | None = None
    promise: PromiseMeant | None = None
    moves: bool = False


@dataclass(frozen=True, slots=True)
class Seen:
    """A subscription as Stripe has it.

    `ended_at_once`: somebody ended it, at once and unplanned; `is_ending`: it ends with its period, or
    before. `schedule_is_ours` is None without a schedule; `schedule_phases` is a digest of what it will do;
    `schedule_carries`: whether it leads to what is promised, None where nobody can tell.
    """

    id: str
    status: str
    items: Sequence[Item]
    period_start_unix: int | None = None
    ended_at_once: bool = False
    is_ending: bool = False
    schedule_id: str | None = None
    schedule_is_ours: bool | None = None
    schedule_phases: str | None = None
    schedule_carries: bool | None = None
    foreign_pending_until_unix: int | None = None


def compare(meant: Meant, seen: Seen, *, catalog: Catalog, prices: PriceBook) -> list[Difference]:
    """Every difference between an account and its own subscription."""
    if seen.status in ENDED:
        return list(_of_end(meant, seen))
    if seen.status == UNPAID_FIRST:
        return []
    return [
        *_of_terms(meant, seen, catalog, prices),
        *_of_pending_update(meant, seen),
        *_of_schedule(meant, seen),
    ]


def customer_missing(account_id: str, customer_id: str) -> Difference:
    """The customer was deleted; whatever it had ended with it."""
    return Difference(
        FindingKind.CUSTOMER_MISSING, customer_id, "", account_id, {"exists": True}, {"exists": False}
    )


def subscription_missing(meant: Meant, subscription_id: str) -> Difference:
    """Stripe has no such subscription."""
    expected = meant.terms.to_json() if meant.terms else None
    return Difference(FindingKind.SUBSCRIPTION_MISSING, subscription_id, "", meant.account_id, expected, None)


def second_subscription(meant: Meant, own_id: str | None, seen: Seen) -> list[Difference]:
    """What is wrong with a subscription of the account's customer that is not the account's own."""
    if seen.status in (*ENDED, UNPAID_FIRST) or meant.in_flight is not None:
        return []
    kind = FindingKind.SECOND_SUBSCRIPTION if own_id else FindingKind.TERMS_MISSING
    found = {"subscription": seen.id, "items": _billed(seen.items)}
    return [Difference(kind, seen.id, "", meant.account_id, {"subscription": own_id}, found)]


def schedule_to_come(account_id: str, schedule_id: str, phases: str) -> Difference:
    """A schedule that was not made here and will begin a subscription of the account's customer."""
    found = {"schedule": schedule_id, "status": NOT_STARTED, "phases": phases}
    return Difference(FindingKind.SCHEDULE_FOREIGN, schedule_id, NOT_STARTED, account_id, None, found)


def _of_end(meant: Meant, seen: Seen) -> Iterator[Difference]:
    if meant.terms is None or meant.in_flight is not None or not seen.ended_at_once:
        return
    expected, found = {"status": "active"}, {"status": seen.status}
    yield Difference(FindingKind.STATUS_DIFFERS, seen.id, "status", meant.account_id, expected, found)


def _of_terms(meant: Meant, seen: Seen, catalog: Catalog, prices: PriceBook) -> list[Difference]:
    """The items against what is in force; what is about to land, or just renewed, is as good."""
    owner = Owner(meant.account_id, seen.id)
    first: list[Difference] | None = None
    for terms in _possible(meant, seen):
        try:
            wanted = catalog.items_for(terms, meant.currency)
        except NotFound as error:
            found = [_not_sold(owner, terms, error)]
        else:
            found = item_differences(owner, wanted, seen.items, prices)
        if first is None:
            first = found
        # Items outside the catalog are there whatever the terms are.
        if all(each.kind is FindingKind.NOT_IN_CATALOG for each in found):
            return found
    if first is not None:
        return first
    if meant.moves:
        return []
    bills = {"items": _billed(seen.items)}
    return [Difference(FindingKind.TERMS_MISSING, seen.id, "", meant.account_id, None, bills)]


def _billed(items: Iterable[Item]) -> list[dict[str, Any]]:
    """Everything that a change of would make it another subscription, whatever the order of the items."""
    pairs = sorted((item.price_id, item.quantity) for item in items)
    return [{"price": price_id, "quantity": quantity} for price_id, quantity in pairs]


def _possible(meant: Meant, seen: Seen) -> Iterator[Terms]:
    if meant.terms is not None:
        yield meant.terms
    if meant.in_flight is not None:
        yield meant.in_flight
    if meant.just_before is not None:
        yield meant.just_before
    promise, began = meant.promise, seen.period_start_unix
    if promise is not None and began is not None and began >= promise.effective_unix:
        yield promise.terms


def _not_sold(owner: Owner, terms: Terms, error: NotFound) -> Difference:
    return Difference(
        FindingKind.TERMS_NOT_IN_CATALOG,
        owner.subscription_id,
        "terms",
        owner.account_id,
        terms.to_json(),
        {"why": error.detail},
    )


def _of_pending_update(meant: Meant, seen: Seen) -> Iterator[Difference]:
    if seen.foreign_pending_until_unix is not None:
        found = {"expires_unix": seen.foreign_pending_until_unix}
        yield Difference(
            FindingKind.PENDING_UPDATE_FOREIGN, seen.id, "pending_update", meant.account_id, None, found
        )


def _of_schedule(meant: Meant, seen: Seen) -> Iterator[Difference]:
    """Whose schedule drives it, and whether the promise is kept until the renewal comes."""
    found = {"schedule": seen.schedule_id, "subscription": seen.id, "phases": seen.schedule_phases}
    if seen.schedule_id is not None and seen.schedule_is_ours is False:
        yield Difference(FindingKind.SCHEDULE_FOREIGN, seen.schedule_id, "", meant.account_id, None, found)
    if seen.schedule_id is not None and seen.schedule_is_ours and meant.promise is None and not meant.moves:
        yield Difference(FindingKind.SCHEDULE_LEFT_OVER, seen.schedule_id, "", meant.account_id, None, found)
    promise, began = meant.promise, seen.period_start_unix
    if promise is None or not promise.stands or meant.moves or seen.is_ending:
        return
    if began is not None and began < promise.effective_unix and seen.schedule_carries is False:
        expected = {"terms": promise.terms.to_json(), "on_unix": promise.effective_unix}
        yield Difference(
            FindingKind.RENEWAL_LEG_MISSING,
            seen.id,
            "schedule",
            meant.account_id,
            expected,
            {"schedule": seen.schedule_id, "phases": seen.schedule_phases},
        )
