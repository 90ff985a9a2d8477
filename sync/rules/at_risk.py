"""What a finding is about in money: for items what an interval costs too much or too little. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any, NamedTuple

from sync.errors import BadInput
from sync.rules.line_audit import held
from sync.rules.price_book import PriceBook
from sync.rules.slots import Slot


class _Prices(NamedTuple):
    """What a part of the terms costs here: `asked` as for `held`, `there` the side of what was found."""

    book: PriceBook
    asked: Iterable[Collection[str]]
    there: Any

    def unit_minor(self, key: str) -> int | None:
        """The price of a slot that the account has, or that of the item that is there, or the newest one."""
        try:
            slot, _ = Slot.parse(f"{key}:v1")
        except BadInput:
            return None
        items = self.there if isinstance(self.there, list) else [self.there]
        found = [each["price"] for each in items if isinstance(each, dict) and each.get("slot") == key]
        prices = (held(self.asked, slot, self.book), *found, self.book.newest(slot))
        amounts = self.book.amounts()
        return next((amounts[price] for price in prices if price in amounts), None)


def at_risk_minor(
    expected: Any, found: Any, book: PriceBook, asked: Iterable[Collection[str]] = ()
) -> int | None:
    """How far the two sides of a finding are apart, in minor units; None where they are no amounts.

    An item is worth its price times its quantity. What is meant, where only its slot is said, has the price
    that the account has of it: `asked` are the prices that were asked for, or adopted, the newest first.
    """
    prices = _Prices(book, asked, found)
    found_minor, expected_minor = _worth(found, prices), _worth(expected, prices)
    if found_minor is None or expected_minor is None:
        return None
    return abs(found_minor - expected_minor) if expected is not None or found is not None else None


def _worth(side: Any, prices: _Prices) -> int | None:
    """Nothing is worth nothing; of something unknown it cannot be said."""
    match side:
        case None:
            return 0
        case list():
            worths = [_worth(each, prices) for each in side]
            return sum(each or 0 for each in worths) if None not in worths else None
        case {"total_minor": int(minor)}:
            return minor
        case {"quantity": int(quantity), "price": str(price_id)}:
            return _times(prices.book.amounts().get(price_id), quantity)
        case {"quantity": int(quantity), "slot": str(key)}:
            return _times(prices.unit_minor(key), quantity)
    return None


def _times(unit_minor: int | None, quantity: int) -> int | None:
    return None if unit_minor is None else unit_minor * quantity
