"""The proration of a line computed once more, from what was billed before it.

A charge is its price times its quantity, for the rest of the period. A credit gives back what was really
billed for the span that it ends (Stripe docs "Compare classic and flexible billing mode"), or, where that is
not known here, its price times its quantity.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from sync.rules.line_audit.shapes import BilledLine, Check
from sync.rules.price_book import PriceBook
from sync.rules.proration import period_from, prorate


class _Debit(NamedTuple):
    amount_minor: int
    start: int
    end: int


class Ledger:
    """What was billed of each price of one subscription; lines are learned in the order of time."""

    def __init__(self, book: PriceBook) -> None:
        self._book = book
        self._debits: dict[str, _Debit] = {}
        self._starts: dict[int, int] = {}

    def learn(self, lines: Iterable[BilledLine]) -> None:
        """Remember what an invoice billed. One that was voided billed nothing."""
        for line in lines:
            if line.price_id is None or line.amount_minor < 0:
                continue
            self._debits[line.price_id] = _Debit(line.amount_minor, line.start, line.end)
            if not line.proration:
                self._starts[line.end] = line.start

    def check(self, line: BilledLine) -> Check | None:
        """Our own amount for the line; None where its price, quantity or period are not known."""
        if line.unit_minor is None or line.quantity is None:
            return None
        whole = line.unit_minor * line.quantity
        if not line.proration:
            return Check(whole, None, None, whole)
        debit = self._debits.get(line.price_id or "") if line.amount_minor < 0 else None
        if debit and debit.end == line.end and debit.start <= line.start < line.end:
            return _share(-debit.amount_minor, line, debit.start)
        start = self._start_of(line)
        if start is None or not start <= line.start < line.end:
            return None
        return _share(-whole if line.amount_minor < 0 else whole, line, start)

    def _start_of(self, line: BilledLine) -> int | None:
        """When the whole period began that the line bills the rest of; another interval keeps the start."""
        if line.end in self._starts:
            return self._starts[line.end]
        slot = self._book.slot_of(line.price_id or "")
        if slot is None:
            return None
        starts = sorted(self._starts.values(), reverse=True)
        return next((start for start in starts if period_from(start, slot.interval).end == line.end), None)


def _share(base_minor: int, line: BilledLine, start: int) -> Check:
    left, total = line.end - line.start, line.end - start
    return Check(base_minor, left, total, prorate(base_minor, left, total))
