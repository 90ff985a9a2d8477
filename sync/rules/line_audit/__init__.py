"""Every line of an invoice, expected against invoiced, with a reason for each difference.

The invoice of a change is held against its quote, a renewal's against the terms in force for its period;
what nobody here asked for has no expectation, and is listed with a reason. Nothing is ever left out.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from sync.rules.catalog import Catalog
from sync.rules.line_audit import promised, renewals
from sync.rules.line_audit.arithmetic import Ledger
from sync.rules.line_audit.foreign import foreign_row
from sync.rules.line_audit.history import held
from sync.rules.line_audit.not_kept import not_kept
from sync.rules.line_audit.parts import Parts
from sync.rules.line_audit.promised import nowhere
from sync.rules.line_audit.reasons import SEVERITY, Reason
from sync.rules.line_audit.shapes import (
    AuditRow,
    BilledInvoice,
    BilledLine,
    Bought,
    Check,
    Customer,
    Promise,
    PromisedLine,
    RowKind,
)
from sync.rules.price_book import PriceBook

__all__ = [
    "SEVERITY",
    "AuditRow",
    "BilledInvoice",
    "BilledLine",
    "Bought",
    "Check",
    "Customer",
    "Ledger",
    "Parts",
    "Promise",
    "PromisedLine",
    "Reason",
    "RowKind",
    "audit",
    "held",
    "nowhere",
]

Audited = tuple[BilledInvoice, list[AuditRow]]


def audit(
    invoices: Sequence[BilledInvoice],
    customer: Customer,
    catalog: Catalog,
    book: PriceBook,
    earlier: Iterable[tuple[str, BilledLine]] = (),
) -> list[Audited]:
    """Audit one customer's invoices, which are in the order of their creation.

    `earlier` are the newest lines of each price before them, with their subscriptions: what credits give
    back may have been billed before.
    """
    ledgers: dict[str | None, Ledger] = {}
    parts = Parts(catalog, customer.currency)
    for subscription_id, line in earlier:
        ledgers.setdefault(subscription_id, Ledger(book)).learn([line])
    done = []
    for invoice in invoices:
        ledger = ledgers.setdefault(invoice.subscription_id, Ledger(book))
        rows = [_finished(row, parts, book, ledger) for row in _rows(invoice, customer, parts, book)]
        done.append((invoice, rows))
        if invoice.status != "void":
            ledger.learn(invoice.lines)
    return _with_timing(done)


def _rows(invoice: BilledInvoice, customer: Customer, parts: Parts, book: PriceBook) -> Iterator[AuditRow]:
    promise = _promise_of(invoice, customer)
    is_ours = invoice.subscription_id in customer.subscription_ids and invoice.currency == customer.currency
    is_renewal = is_ours and invoice.billing_reason == "subscription_cycle"
    if promise is not None:
        yield from promised.compare(invoice, promise, book)
    elif is_renewal:
        yield from renewals.compare(invoice, customer, parts, book)
    else:
        yield from (foreign_row(line, invoice, customer, book) for line in invoice.lines)
    # The invoice of an increase that was declined is voided by us.
    is_owed = promise.applied if promise else is_renewal
    yield from not_kept(invoice, promise, is_owed=is_owed)


def _promise_of(invoice: BilledInvoice, customer: Customer) -> Promise | None:
    """The change whose invoice it is; of a change that is being sent, the invoice is not noted yet."""
    known = (customer.promises or {}).get(invoice.id)
    return known or next((each for each in customer.unlinked if promised.fits(invoice, each)), None)


def _finished(row: AuditRow, parts: Parts, book: PriceBook, ledger: Ledger) -> AuditRow:
    """The row with its part, the quantities before and after, and our own arithmetic."""
    price_id = row.line.price_id if row.line else row.price_id
    slot = book.slot_of(price_id) if price_id else None
    part = row.part or (slot.part if slot else None)
    named: dict[str, Any] = {"part": part, "price_id": price_id}
    if row.line is not None:
        named["check"] = ledger.check(row.line)
    if part and row.promise and row.new_quantity is None:
        named["old_quantity"] = parts.quantity(part, row.promise.before)
        named["new_quantity"] = parts.quantity(part, row.promise.after)
    return row._replace(**named)


def _with_timing(done: list[Audited]) -> list[Audited]:
    """A promised line that is missing on its invoice and is found on another one is a matter of timing."""
    missing: dict[tuple[Any, ...], Promise] = {}
    for _, rows in done:
        for row in rows:
            if row.kind is RowKind.MISSING and row.promised and row.promised.span and row.promise:
                missing[_identity(row)] = row.promise
    if not missing:
        return done
    found = {_identity(row) for _, rows in done for row in rows if _is_stray(row)} & set(missing)
    return [(invoice, [_timed(row, missing, found) for row in rows]) for invoice, rows in done]


def _timed(row: AuditRow, missing: dict[tuple[Any, ...], Promise], found: set[tuple[Any, ...]]) -> AuditRow:
    is_missing = row.kind is RowKind.MISSING and row.promised is not None
    if not (is_missing or _is_stray(row)) or _identity(row) not in found:
        return row
    note = "promised on one invoice, and billed on another"
    return row._replace(reason=Reason.TIMING, promise=missing[_identity(row)], note=note)


def _is_stray(row: AuditRow) -> bool:
    """A proration that nobody promised on its invoice."""
    return row.line is not None and row.line.proration and row.promised is None


def _identity(row: AuditRow) -> tuple[Any, ...]:
    if row.line is not None:
        line = row.line
        return (line.price_id, line.quantity, line.amount_minor, (line.start, line.end))
    if row.promised is not None:
        each = row.promised
        return (each.price_id, each.quantity, each.amount_minor, each.span)
    return ()
