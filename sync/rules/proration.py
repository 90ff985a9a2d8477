"""The estimate behind the slider: Stripe's proration arithmetic, exact and instant, and never the authority.

What is shown before a confirm, and what is charged, always comes from Stripe's own preview; every quote
records how far the estimate was off. Sources: Stripe docs "Prorations" (to the second, per item, credit of
the old and charge of the new), and amounts recorded from Stripe for the rounding of ties.
All moments are whole Unix seconds, all amounts minor units.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from fractions import Fraction
from typing import Final, NamedTuple

from sync.errors import Code, Conflict, NotFound
from sync.rules.catalog import Catalog
from sync.rules.items import Item
from sync.rules.money import minimum_charge_minor
from sync.rules.terms import Interval, Terms

_HALF: Final = Fraction(1, 2)


class Period(NamedTuple):
    """A billing period `[start, end)` in Unix seconds."""

    start: int
    end: int


class LineKind(StrEnum):
    """What a line of an estimate does."""

    CREDIT = "credit"
    CHARGE = "charge"


@dataclass(frozen=True, slots=True)
class EstimateLine:
    """One line: the whole quantity of one price, for the rest of a period. Credits are negative."""

    kind: LineKind
    price_id: str
    quantity: int
    amount_minor: int
    period: Period


@dataclass(frozen=True, slots=True)
class Estimate:
    """What a change would cost.

    `due_today_minor` is what would be collected now, `to_balance_minor` what would move to the customer's
    balance instead (negative: credit; positive: a charge too small to collect). Together they are the sum of
    the lines. `from_now_on_minor` is the price of one whole interval afterwards.
    """

    lines: tuple[EstimateLine, ...]
    due_today_minor: int
    to_balance_minor: int
    from_now_on_minor: int

    @property
    def total_minor(self) -> int:
        """Return the sum of the lines."""
        return sum(line.amount_minor for line in self.lines)


def prorate(amount_minor: int, seconds_left: int, seconds_total: int) -> int:
    """Return the share of an amount for the rest of its period, to the nearest minor unit.

    `amount_minor` is negative for a credit. A tie goes toward minus infinity: -2.5 is -3 and 4.5 is 4, as
    recorded from Stripe. Raises `ValueError` unless 0 <= seconds_left <= seconds_total and seconds_total > 0.
    """
    if not 0 <= seconds_left <= seconds_total or seconds_total == 0:
        raise ValueError(f"{seconds_left} of {seconds_total} seconds is no share of a period")
    return math.ceil(Fraction(amount_minor * seconds_left, seconds_total) - _HALF)


def estimate(
    items_before: Sequence[Item],
    items_after: Sequence[Item],
    amounts: Mapping[str, int],
    period_start: int,
    period_end: int,
    at: int,
    *,
    new_period_end: int | None = None,
    minimum_minor: int = 0,
    trialing: bool = False,
) -> Estimate:
    """Estimate a change of items at the moment `at`, an instant of the period, which keeps its dates.

    A changed price or quantity credits the whole old quantity and charges the whole new one; without items
    before it is a first purchase at the full price. `amounts` are unit amounts by price id: every touched
    price must be there, an untouched one without amount is left out of `from_now_on_minor`.
    `new_period_end` is for a change of the interval: the new items' period keeps its start and ends there.
    A positive total below `minimum_minor` is not collected but moved to the balance. In a trial nothing is
    prorated.

    Raises `Conflict` (`quote_stale`) when `at` is outside of the period: it rolled over in between; and
    `NotFound` (`not_in_catalog`) for an amount that is missing.
    """
    old, new = Period(period_start, period_end), Period(period_start, new_period_end or period_end)
    if not period_start <= at < period_end:
        detail = "The billing period has just changed. Nothing was charged; ask again."
        raise Conflict(Code.QUOTE_STALE, detail, retryable=True)
    moment = at if items_before else period_start
    lines = () if trialing else tuple(_lines(items_before, items_after, amounts, old, new, moment))
    total_minor = sum(line.amount_minor for line in lines)
    due_today_minor = total_minor if total_minor >= max(minimum_minor, 1) else 0
    recurring = sum(amounts.get(item.price_id, 0) * item.quantity for item in items_after if not item.metered)
    return Estimate(lines, due_today_minor, total_minor - due_today_minor, recurring)


def estimate_change(
    current: Terms | None,
    wanted_now: Terms,
    catalog: Catalog,
    currency: str,
    period: Period,
    at: int,
    *,
    trialing: bool = False,
) -> Estimate:
    """Estimate a change of terms at today's catalog amounts; each line's `price_id` is its slot's key.

    For a first purchase (`current` is None) the full price is due. A change of the interval keeps the
    period's start and charges the rest of a period of the new length. An account that still has an earlier
    version of a price pays that one: for it, use `estimate` with the price book's amounts.

    Raises what `estimate` raises, and `NotFound` (`not_in_catalog`) for terms outside of the catalog.
    """
    new_end = period.end
    if current is not None and current.interval is not wanted_now.interval:
        new_end = period_from(period.start, wanted_now.interval).end
    slots = {slot for terms in (current, wanted_now) if terms for slot in catalog.items_for(terms, currency)}
    amounts = {slot.key: catalog.amounts[slot] for slot in slots if slot in catalog.amounts}
    return estimate(
        _items(current, catalog, currency) if current else (),
        _items(wanted_now, catalog, currency),
        amounts,
        period.start,
        period.end,
        at,
        new_period_end=new_end,
        minimum_minor=minimum_charge_minor(currency),
        trialing=trialing,
    )


def period_from(start: int, interval: Interval) -> Period:
    """Return the period of one interval from `start`, in UTC; a missing day becomes the month's last one."""
    first = datetime.fromtimestamp(start, UTC)
    months = first.month - 1 + (12 if interval is Interval.YEAR else 1)
    year, month = first.year + months // 12, months % 12 + 1
    for day in range(first.day, first.day - 4, -1):
        try:
            return Period(start, int(first.replace(year=year, month=month, day=day).timestamp()))
        except ValueError:
            continue
    raise AssertionError("every month has a 28th")


def _items(terms: Terms, catalog: Catalog, currency: str) -> tuple[Item, ...]:
    """Return the items that would bill `terms`, one per part, so that a swap is seen as one."""
    wanted = catalog.items_for(terms, currency)
    return tuple(Item(slot.part, slot.key, quantity) for slot, quantity in wanted.items())


def _lines(
    before: Sequence[Item],
    after: Sequence[Item],
    amounts: Mapping[str, int],
    old: Period,
    new: Period,
    at: int,
) -> Iterator[EstimateLine]:
    """Return the credits, then the charges, of every item that moved; as Stripe's invoices list them."""
    for item in _moved(before, after):
        amount_minor = prorate(-_full(item, amounts), old.end - at, old.end - old.start)
        yield EstimateLine(LineKind.CREDIT, item.price_id, item.quantity, amount_minor, Period(at, old.end))
    for item in _moved(after, before):
        amount_minor = prorate(_full(item, amounts), new.end - at, new.end - new.start)
        yield EstimateLine(LineKind.CHARGE, item.price_id, item.quantity, amount_minor, Period(at, new.end))


def _moved(these: Sequence[Item], those: Sequence[Item]) -> Iterator[Item]:
    """Return the items of one side that the other side does not have as they are; empty ones cost nothing."""
    same = {(item.id, item.price_id, item.quantity) for item in those}
    for item in these:
        if not item.metered and item.quantity and (item.id, item.price_id, item.quantity) not in same:
            yield item


def _full(item: Item, amounts: Mapping[str, int]) -> int:
    """Return the price of an item for its whole period."""
    if item.price_id not in amounts:
        detail = f"The amount of {item.price_id} is not known here; run `prorata catalog push`."
        raise NotFound(Code.NOT_IN_CATALOG, detail)
    return amounts[item.price_id] * item.quantity
