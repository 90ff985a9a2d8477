"""Lines that nobody here asked for: what they are, without an expectation."""

from __future__ import annotations

from sync.rules.line_audit.reasons import Reason
from sync.rules.line_audit.shapes import AuditRow, BilledInvoice, BilledLine, Customer, RowKind
from sync.rules.price_book import PriceBook


def is_of_catalog(line: BilledLine, book: PriceBook) -> bool:
    """Whether the line bills an item with one of the catalog's prices."""
    return line.item_id is not None and line.price_id is not None and book.slot_of(line.price_id) is not None


def foreign_row(line: BilledLine, invoice: BilledInvoice, customer: Customer, book: PriceBook) -> AuditRow:
    """The row of a line without expectation: all of it is a difference."""
    reason, note = _why(line, invoice, customer, book)
    return AuditRow(
        RowKind.LINE, line.amount_minor, None, reason if line.amount_minor else None, line, note=note
    )


def _why(line: BilledLine, invoice: BilledInvoice, customer: Customer, book: PriceBook) -> tuple[Reason, str]:
    by_hand = Reason.DASHBOARD_EDIT if line.item_id else Reason.MANUAL_ITEM
    if customer.account_id is None:
        return by_hand, "the customer is no account of Prorata"
    if line.currency != customer.currency:
        return Reason.FX, f"the account is billed in {customer.currency}"
    if line.proration:
        return Reason.DASHBOARD_EDIT, "a proration of no change of ours"
    if not is_of_catalog(line, book):
        return Reason.MANUAL_ITEM, "outside of the catalog"
    if invoice.subscription_id not in customer.subscription_ids:
        return Reason.DASHBOARD_EDIT, "a subscription that Prorata does not drive"
    if not customer.bought or line.start < customer.bought[0].since:
        return Reason.TIMING, "before the first terms that are known here"
    if invoice.billing_reason == "subscription_cycle":
        return Reason.UNKNOWN, "the catalog does not know the terms of that time any more"
    return Reason.DASHBOARD_EDIT, "an invoice of no change of ours"
