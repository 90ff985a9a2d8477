"""Stripe's proration arithmetic once more, for tests only: from the documentation, not from our code.

Flexible billing credits what was really debited: every item has one live debit, made at its last change.
A line is rounded by itself to the nearest minor unit, a tie toward minus infinity.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction

# part of the subscription -> (price key, quantity)
Items = Mapping[str, tuple[str, int]]


@dataclass(frozen=True, slots=True)
class Debit:
    """What an item was billed, and from when to when that was for."""

    price: str
    quantity: int
    amount_minor: int
    start: int
    end: int


def nearest(amount: Fraction) -> int:
    """To the nearest whole, a tie toward minus infinity."""
    return math.ceil(amount - Fraction(1, 2))


class Golden:
    """The debits of one subscription, and the lines that the next change must have."""

    def __init__(self, items: Items, unit_minor: Mapping[str, int], start: int, end: int) -> None:
        self._unit_minor, self._start, self._end = unit_minor, start, end
        self._debits = {
            part: Debit(price, quantity, unit_minor[price] * quantity, start, end)
            for part, (price, quantity) in items.items()
        }

    def change(self, wanted: Items, at: int) -> Counter[tuple[str, int]]:
        """The (price key, amount) lines of a change at that second; zero lines are left out."""
        lines: Counter[tuple[str, int]] = Counter()
        for part, (price, quantity) in wanted.items():
            old = self._debits.get(part)
            if old is not None and (old.price, old.quantity) == (price, quantity):
                continue
            if old is not None:
                share = Fraction(old.end - at, old.end - old.start)
                lines[old.price, nearest(-old.amount_minor * share)] += 1
            share = Fraction(self._end - at, self._end - self._start)
            amount = nearest(self._unit_minor[price] * quantity * share)
            lines[price, amount] += 1
            self._debits[part] = Debit(price, quantity, amount, at, self._end)
        return Counter({line: count for line, count in lines.items() if line[1]})
