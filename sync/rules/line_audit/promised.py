"""The invoice of a change against the lines that its quote promised."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

from sync.rules.line_audit.difference import why_differs
from sync.rules.line_audit.reasons import Reason
from sync.rules.line_audit.shapes import AuditRow, BilledInvoice, BilledLine, Promise, PromisedLine, RowKind
from sync.rules.money import minimum_charge_minor
from sync.rules.price_book import PriceBook

Pair = tuple[BilledLine, PromisedLine]
_SUMS = {
    "discount": (RowKind.DISCOUNT, Reason.DISCOUNT),
    "tax": (RowKind.TAX, Reason.TAX),
    "balance": (RowKind.BALANCE, Reason.CREDIT_BALANCE),
}


def fits(invoice: BilledInvoice, promise: Promise) -> bool:
    """Whether the invoice has exactly the promised lines."""
    spans = {line.span for line in promise.lines}
    pinned = None not in spans
    billed = Counter(_exact(line, pinned=pinned) for line in invoice.lines)
    return bool(promise.lines) and billed == Counter(_exact(line, pinned=pinned) for line in promise.lines)


def compare(invoice: BilledInvoice, promise: Promise, book: PriceBook) -> Iterator[AuditRow]:
    """Every line of the invoice, every promised one that is not there, and the sums that differ."""
    pairs, extra, missing = _matched(invoice, promise, book)
    parts = {_part(line, book) for line, _ in pairs}
    for line, promised in pairs:
        expected, reason = promised.amount_minor, None
        if line.amount_minor != expected:
            reason = why_differs(line, promised.price_id, promised.quantity, expected)
        yield AuditRow(RowKind.LINE, line.amount_minor, expected, reason, line, promised, promise)
    for line in extra:
        reason = _why_extra(line, parts, book) if line.amount_minor else None
        yield AuditRow(
            RowKind.LINE, line.amount_minor, 0, reason, line, None, promise, note="not in the quote"
        )
    for promised in missing:
        yield _missing(promised, promise, Reason.UNKNOWN, "in the quote, and not on the invoice")
    yield from _sums(invoice, promise)


def nowhere(promise: Promise) -> Iterator[AuditRow]:
    """The promised lines of a change that was paid with an invoice that never arrived here."""
    note = "the invoice is not known here; `prorata catch-up` fetches what was missed"
    for promised in promise.lines:
        yield _missing(promised, promise, Reason.MISSING_EVENT, note)


def _missing(promised: PromisedLine, promise: Promise, reason: Reason, note: str) -> AuditRow:
    """A promised line that is nowhere; one of nothing makes no difference."""
    return AuditRow(
        RowKind.MISSING,
        0,
        promised.amount_minor,
        reason if promised.amount_minor else None,
        promised=promised,
        promise=promise,
        price_id=promised.price_id,
        note=note,
    )


def _matched(
    invoice: BilledInvoice, promise: Promise, book: PriceBook
) -> tuple[list[Pair], list[BilledLine], list[PromisedLine]]:
    """Pairs of billed and promised lines, the closest first; then what is left on either side."""
    lines, promised, pairs = list(invoice.lines), list(promise.lines), list[Pair]()
    for key in _keys(book):
        if not lines or not promised:
            break
        waiting: dict[Any, list[PromisedLine]] = {}
        for each in promised:
            waiting.setdefault(key(each), []).append(each)
        left = []
        for line in lines:
            candidates = waiting.get(key(line))
            if candidates:
                pairs.append((line, candidates.pop(0)))
            else:
                left.append(line)
        lines, promised = left, [each for rest in waiting.values() for each in rest]
    return sorted(pairs, key=lambda pair: pair[0].position), lines, promised


def _keys(book: PriceBook) -> list[Callable[[BilledLine | PromisedLine], Any]]:
    """From the very same line to one that bills the same part in the same direction."""
    return [
        lambda line: _exact(line, pinned=True),
        lambda line: _exact(line, pinned=False),
        lambda line: (line.price_id, line.quantity, line.amount_minor < 0),
        lambda line: (line.price_id, line.amount_minor < 0),
        lambda line: (_part(line, book), line.amount_minor < 0),
    ]


def _exact(line: BilledLine | PromisedLine, *, pinned: bool) -> tuple[Any, ...]:
    span = (line.start, line.end) if isinstance(line, BilledLine) else line.span
    return (line.price_id, line.quantity, line.amount_minor, span if pinned else None)


def _part(line: BilledLine | PromisedLine, book: PriceBook) -> str:
    """The part of the terms; a price of somebody else's is a part of its own."""
    slot = book.slot_of(line.price_id) if line.price_id else None
    return slot.part if slot else f"?{line.price_id}"


def _why_extra(line: BilledLine, parts: set[str], book: PriceBook) -> Reason:
    if line.price_id is None or book.slot_of(line.price_id) is None:
        return Reason.MANUAL_ITEM
    return Reason.DUPLICATE_ITEM if _part(line, book) in parts else Reason.DASHBOARD_EDIT


def _sums(invoice: BilledInvoice, promise: Promise) -> Iterator[AuditRow]:
    """Discount, tax and balance, where they are not as quoted."""
    # A credit note on an unpaid invoice lowers what is due, and has a row of its own.
    due = invoice.amount_due_minor + invoice.pre_payment_credit_minor
    collected = due if due >= minimum_charge_minor(invoice.currency) else 0
    found = {
        "discount": -invoice.discount_minor,
        "tax": invoice.added_tax_minor,
        "balance": collected - invoice.total_minor,
    }
    for name, minor in found.items():
        expected = promise.added.get(name, 0)
        if minor != expected:
            kind, reason = _SUMS[name]
            yield AuditRow(
                kind, minor, expected, reason, promise=promise, note=f"the quote's {name} is another"
            )
