"""What an interval of an account's terms costs, at the account's prices: without tax and discounts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from sync.reports import facts
from sync.reports.facts import Asked
from sync.rules.catalog import Catalog
from sync.rules.line_audit import Parts, held
from sync.rules.price_book import PriceBook
from sync.rules.terms import Terms
from sync.states import Leg
from sync.store.db import Record


class Recurring(NamedTuple):
    """Before and after one part of a change, in minor units; None where it cannot be said."""

    before_minor: int | None
    after_minor: int | None


class Pricing:
    """Prices the terms of changes."""

    def __init__(self, catalog: Catalog, book: PriceBook) -> None:
        self._catalog, self._book = catalog, book
        self._parts: dict[str, Parts] = {}

    def of_part(self, leg: Record, before: Mapping[str, Any] | None, history: Sequence[Asked]) -> Recurring:
        """What one part of a change makes of what repeats; `before` are the terms before it."""
        others = [each for each in history if each.change_id != leg["change_id"]]
        earlier = facts.asked_at(others, leg["confirmed_at"])
        with_now = [frozenset(facts.asked_for(Leg.NOW, leg["stripe_params"])), *earlier]
        if leg["leg"] == Leg.NOW:
            asked_before, asked_after = earlier, with_now
        else:
            at_renewal = facts.asked_for(Leg.AT_RENEWAL, None, leg["renewal_params"])
            asked_before, asked_after = with_now, [frozenset(at_renewal), *with_now]
        first = self._minor(before, asked_before, leg["currency"])
        second = self._minor(leg["terms"], asked_after, leg["currency"])
        if leg["cancel"] is None:
            return Recurring(first, second)
        # An end with the period changes no item, and ends all of it.
        return Recurring(first, 0) if leg["cancel"] else Recurring(0, second)

    def _minor(
        self, terms: Mapping[str, Any] | None, asked: Sequence[frozenset[str]], currency: str
    ) -> int | None:
        parts = self._parts.setdefault(currency, Parts(self._catalog, currency))
        slots = parts.slots(Terms.from_json(terms)) if terms else None
        if slots is None:
            return None
        amounts, total = self._book.amounts(), 0
        for slot, quantity in slots.items():
            price_id = held(asked, slot, self._book) or self._book.newest(slot)
            if quantity and price_id is None:
                return None
            total += amounts[price_id] * quantity if price_id else 0
        return total
