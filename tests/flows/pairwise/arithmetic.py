"""The lines and totals that a change must have: Stripe's documentation once more, not our code."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from fractions import Fraction

from sync.rules.catalog import Catalog
from sync.rules.terms import Terms
from tests.flows.golden import Debit, nearest
from tests.flows.pairwise.factors import Case

Lines = Counter[tuple[str, int]]

PERCENT_OFF, TAX_PERCENT = 20, 19
AMOUNT_OFF_MINOR = 150


@dataclass
class Ledger:
    """What one subscription was billed for the present period: a live debit for each part."""

    catalog: Catalog
    currency: str
    is_classic: bool
    start: int
    end: int
    debits: dict[str, Debit] = field(default_factory=dict)

    @classmethod
    def begun(cls, catalog: Catalog, case: Case, terms: Terms, start: int, end: int) -> Ledger:
        """The first invoice of a period, in full."""
        made = cls(catalog, case["currency"], case["mode"] == "classic", start, end)
        for part, (price, quantity, unit) in made.parts(terms).items():
            made.debits[part] = Debit(price, quantity, unit * quantity, start, end)
        return made

    def parts(self, terms: Terms) -> dict[str, tuple[str, int, int]]:
        """Part of the subscription to price key, quantity and unit amount."""
        slots = self.catalog.items_for(terms, self.currency)
        return {
            slot.part: (slot.key, count, self.catalog.amount_minor(slot)) for slot, count in slots.items()
        }

    def change(self, wanted: Terms, at: int, end: int) -> Lines:
        """The prorated lines of a change at that second; its periods keep their start and end at `end`."""
        lines: Lines = Counter()
        after = self.parts(wanted)
        for part in self.debits.keys() | after.keys():
            old, new = self.debits.get(part), after.get(part)
            if old is not None and new is not None and (old.price, old.quantity) == new[:2]:
                continue
            if old is not None:
                lines[old.price, self._credit(old, at)] += 1
                del self.debits[part]
            if new is not None:
                price, quantity, unit = new
                amount = nearest(unit * quantity * Fraction(end - at, end - self.start))
                lines[price, amount] += 1
                self.debits[part] = Debit(price, quantity, amount, at, end)
        self.end = end
        return Counter({line: count for line, count in lines.items() if line[1]})

    def _credit(self, old: Debit, at: int) -> int:
        """Flexible: a share of what was debited; classic: of the present price for the whole period."""
        if self.is_classic:
            units = {slot.key: minor for slot, minor in self.catalog.amounts.items()}
            share = Fraction(self.end - at, self.end - self.start)
            return nearest(-units[old.price] * old.quantity * share)
        return nearest(-old.amount_minor * Fraction(old.end - at, old.end - old.start))


def recurring(catalog: Catalog, terms: Terms, case: Case) -> tuple[int, int]:
    """What a whole period costs with the case's discount and tax, and by how much rounding may move it."""
    amounts = [
        catalog.amount_minor(slot) * count
        for slot, count in catalog.items_for(terms, case["currency"]).items()
    ]
    total = Fraction(sum(amounts))
    if case["discount"] == "percent":
        total -= total * PERCENT_OFF / 100
    elif case["discount"] == "amount":
        total -= AMOUNT_OFF_MINOR
    if case["tax"] == "exclusive":
        total += total * TAX_PERCENT / 100
    is_exact = case["discount"] != "percent" and case["tax"] != "exclusive"
    return nearest(total), 0 if is_exact else len(amounts)


def total_of(lines: Mapping[tuple[str, int], int]) -> int:
    """The sum of the lines."""
    return sum(amount * count for (_, amount), count in lines.items())


def months_later(start: int, months: int) -> int:
    """The same day and time so many months later; a missing day becomes the month's last one."""
    first = datetime.fromtimestamp(start, UTC)
    count = first.month - 1 + months
    year, month = first.year + count // 12, count % 12 + 1
    last = datetime(year + month // 12, month % 12 + 1, 1, tzinfo=UTC).timestamp() - 1
    day = min(first.day, datetime.fromtimestamp(last, UTC).day)
    return int(first.replace(year=year, month=month, day=day).timestamp())
