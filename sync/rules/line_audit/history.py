"""What an account had at a moment, and at which prices."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from sync.rules.line_audit.shapes import Bought
from sync.rules.price_book import PriceBook
from sync.rules.slots import Slot


def in_force(bought: Sequence[Bought], moment: int) -> Bought | None:
    """The terms that were in force at that moment."""
    return next((each for each in reversed(bought) if each.since <= moment), None)


def held(asked: Iterable[Collection[str]], slot: Slot, book: PriceBook) -> str | None:
    """The version of a slot's price that an account has: it keeps one for as long as it keeps the slot.

    `asked` are the prices that were asked for, or adopted, the newest first.
    """
    ours = (price for prices in asked for price in sorted(prices) if book.slot_of(price) == slot)
    return next(ours, None)


def asked_until(bought: Sequence[Bought], moment: int) -> list[frozenset[str]]:
    """The prices that were asked for up to a moment, the newest first; for `held`."""
    return [each.price_ids for each in reversed(bought) if each.since <= moment]
