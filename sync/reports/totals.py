"""Control totals: what the rows of a report add up to, against what the invoices themselves say."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from sync.reports.audited import Entry
from sync.rules.line_audit import AuditRow, BilledInvoice, BilledLine, RowKind
from sync.store.db import Record

# So many invoices that do not add up are named; all are counted.
NAMED_MOST = 20


@dataclass(slots=True)
class CurrencyTotals:
    """What the lines of one currency add up to, in minor units."""

    lines: int = 0
    amount_minor: int = 0
    discount_minor: int = 0
    tax_minor: int = 0
    expected_minor: int = 0
    diff_minor: int = 0

    def add(self, row: AuditRow, line: BilledLine) -> None:
        """Count one line."""
        self.lines += 1
        self.amount_minor += row.invoiced_minor
        self.discount_minor += line.discount_minor
        self.tax_minor += line.tax_minor
        self.expected_minor += row.expected_minor or 0
        self.diff_minor += row.diff_minor


@dataclass(slots=True)
class Totals:
    """Fed with everything that a report lists. Nothing is ever added up over currencies."""

    by_currency: dict[str, CurrencyTotals] = field(default_factory=dict)
    odd_invoices: list[str] = field(default_factory=list)

    def add(self, entries: Iterable[Entry]) -> None:
        """Count the lines of these invoices, and look whether each adds up."""
        for entry in entries:
            if not adds_up(entry.invoice):
                self.odd_invoices.append(entry.invoice.id)
            sums = self.by_currency.setdefault(entry.invoice.currency, CurrencyTotals())
            for row in entry.rows:
                if row.kind is RowKind.LINE and row.line is not None:
                    sums.add(row, row.line)

    def verdict(self, invoices: Sequence[Record]) -> dict[str, Any]:
        """Hold the rows against the sums of the invoices themselves, which were read apart."""
        told = {row["currency"]: row for row in invoices}
        currencies = [
            _of_currency(name, self.by_currency.get(name, CurrencyTotals()), told.get(name))
            for name in sorted(told.keys() | self.by_currency.keys())
        ]
        return {
            "ok": all(each["ok"] for each in currencies) and not self.odd_invoices,
            "currencies": currencies,
            "invoices_that_do_not_add_up": len(self.odd_invoices),
            "for_instance": self.odd_invoices[:NAMED_MOST],
        }


def adds_up(invoice: BilledInvoice) -> bool:
    """Whether an invoice is the sum of its lines: amounts, discounts, taxes and the total."""
    lines, added, tax = invoice.lines, invoice.added_tax_minor, invoice.tax_minor
    return (
        sum(line.amount_minor for line in lines) == invoice.subtotal_minor
        and sum(line.discount_minor for line in lines) == invoice.discount_minor
        and sum(line.tax_minor for line in lines) == tax
        # Of the tax, some comes on top and some is contained in the amounts.
        and min(0, tax) <= added <= max(0, tax)
    )


def _of_currency(name: str, lines: CurrencyTotals, told: Record | None) -> dict[str, Any]:
    sums = ("subtotal_minor", "discount_minor", "tax_minor", "total_minor", "invoices", "lines")
    invoices = {key: told[key] if told else 0 for key in sums}
    pairs = (
        (lines.lines, invoices["lines"]),
        (lines.amount_minor, invoices["subtotal_minor"]),
        (lines.discount_minor, invoices["discount_minor"]),
        (lines.tax_minor, invoices["tax_minor"]),
        (lines.expected_minor + lines.diff_minor, lines.amount_minor),
    )
    ok = all(left == right for left, right in pairs)
    return {"currency": name, "ok": ok, "lines": asdict(lines), "invoices": invoices}
