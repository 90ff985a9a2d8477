"""The invoice of a renewal against the terms in force for its period."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from sync.rules.line_audit.difference import why_differs
from sync.rules.line_audit.foreign import foreign_row, is_of_catalog
from sync.rules.line_audit.history import asked_until, held, in_force
from sync.rules.line_audit.parts import Parts
from sync.rules.line_audit.reasons import Reason
from sync.rules.line_audit.shapes import AuditRow, BilledInvoice, BilledLine, Bought, Customer, RowKind
from sync.rules.price_book import PriceBook
from sync.rules.slots import Slot


class _Period(NamedTuple):
    """The period that a renewal bills: the terms in force when it begins, and those right before."""

    before: Bought
    bought: Bought
    slots: Mapping[Slot, int]
    customer: Customer
    parts: Parts
    book: PriceBook

    def price(self, slot: Slot) -> str | None:
        """The version of the slot's price that we asked for, or that was adopted."""
        return held(asked_until(self.customer.bought, self.bought.since), slot, self.book)

    def quantity_before(self, part: str, quantity: int) -> int | None:
        """What the terms right before had of a part, of which these have `quantity`."""
        if self.before is self.bought:
            return quantity
        return self.parts.quantity(part, self.before.terms)


def compare(invoice: BilledInvoice, customer: Customer, parts: Parts, book: PriceBook) -> Iterator[AuditRow]:
    """Every line of a renewal's invoice, and every part of the terms that it does not bill.

    Prorations and what is outside of the catalog are nobody's terms.
    """
    recurring = [line for line in invoice.lines if is_of_catalog(line, book) and not line.proration]
    others = [line for line in invoice.lines if line not in recurring]
    starts = sorted({line.start for line in recurring}) or [invoice.created]
    for start in starts:
        lines = [line for line in recurring if line.start == start]
        bought = in_force(customer.bought, start)
        slots = parts.slots(bought.terms) if bought else None
        if bought is None or slots is None:
            yield from (foreign_row(line, invoice, customer, book) for line in lines)
        else:
            before = in_force(customer.bought, start - 1) or bought
            period = _Period(before, bought, slots, customer, parts, book)
            yield from _of_period(lines, period)
    yield from (foreign_row(line, invoice, customer, book) for line in others)


def _of_period(lines: list[BilledLine], period: _Period) -> Iterator[AuditRow]:
    left, book = list(lines), period.book
    for slot, quantity in period.slots.items():
        price_id = period.price(slot)
        line = _closest(left, slot, quantity, price_id, book)
        if line is not None:
            left.remove(line)
            yield _matched(line, slot, quantity, price_id, period)
        elif quantity:
            yield _missing(slot, quantity, price_id, period)
    parts = {slot.part for slot in period.slots}
    for line in left:
        part = _part(line, book)
        reason = Reason.DUPLICATE_ITEM if part in parts else Reason.DASHBOARD_EDIT
        yield AuditRow(
            RowKind.LINE,
            line.amount_minor,
            0,
            reason if line.amount_minor else None,
            line,
            promise=period.bought.promise,
            old_quantity=period.quantity_before(part, 0) if part and part not in parts else None,
            new_quantity=0,
            note="not in the terms",
        )


def _closest(
    lines: list[BilledLine], slot: Slot, quantity: int, price_id: str | None, book: PriceBook
) -> BilledLine | None:
    """Of the lines that bill this part, the one that is most like it."""
    same = [line for line in lines if _part(line, book) == slot.part]
    return min(
        same,
        key=lambda line: (
            line.price_id != price_id,
            book.slot_of(line.price_id or "") != slot,
            line.quantity != quantity,
            line.position,
        ),
        default=None,
    )


def _part(line: BilledLine, book: PriceBook) -> str | None:
    slot = book.slot_of(line.price_id or "")
    return slot.part if slot else None


def _matched(line: BilledLine, slot: Slot, quantity: int, price_id: str | None, period: _Period) -> AuditRow:
    book = period.book
    same_slot = book.slot_of(line.price_id or "") == slot
    right = price_id or (line.price_id if same_slot else book.newest(slot))
    expected = book.amounts()[right] * quantity if right else None
    reason = None
    if line.amount_minor != (expected or 0):
        reason = why_differs(line, right, quantity, expected or 0)
    return AuditRow(
        RowKind.LINE,
        line.amount_minor,
        expected,
        reason,
        line,
        promise=period.bought.promise,
        old_quantity=period.quantity_before(slot.part, quantity),
        new_quantity=quantity,
    )


def _missing(slot: Slot, quantity: int, price_id: str | None, period: _Period) -> AuditRow:
    book = period.book
    right = price_id or book.newest(slot)
    return AuditRow(
        RowKind.MISSING,
        0,
        book.amounts()[right] * quantity if right else None,
        Reason.WRONG_QUANTITY,
        promise=period.bought.promise,
        part=slot.part,
        price_id=right,
        old_quantity=period.quantity_before(slot.part, quantity),
        new_quantity=quantity,
        note="in the terms, and not on the invoice",
    )
