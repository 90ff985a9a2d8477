"""Money of an invoice that was not kept: given back, taken back, credited or never collected."""

from __future__ import annotations

from collections.abc import Iterator

from sync.rules.line_audit.reasons import Reason
from sync.rules.line_audit.shapes import AuditRow, BilledInvoice, Promise, RowKind

_SAYS = {
    RowKind.REFUND: "",
    RowKind.DISPUTE: "whether the dispute was won is not known here: see the payment at Stripe",
    RowKind.CREDIT_NOTE: "credited by credit notes, apart from what was refunded",
    RowKind.NOT_COLLECTED: "the invoice was given up",
}
_REASONS = {
    RowKind.REFUND: Reason.REFUND,
    RowKind.DISPUTE: Reason.DISPUTE,
    RowKind.CREDIT_NOTE: Reason.CREDIT_NOTE,
    RowKind.NOT_COLLECTED: Reason.NOT_COLLECTED,
}


def not_kept(invoice: BilledInvoice, promise: Promise | None, *, is_owed: bool) -> Iterator[AuditRow]:
    """A row for each way in which money was not kept; `is_owed`: nobody here gave the invoice up."""
    ways = {
        RowKind.REFUND: invoice.refunded_minor,
        RowKind.DISPUTE: invoice.disputed_minor,
        RowKind.CREDIT_NOTE: _credited(invoice),
        RowKind.NOT_COLLECTED: _uncollected(invoice) if is_owed else 0,
    }
    for kind, minor in ways.items():
        if minor:
            yield AuditRow(kind, -minor, 0, _REASONS[kind], promise=promise, note=_SAYS[kind])


def _credited(invoice: BilledInvoice) -> int:
    """A note after the payment may be a refund as well, which has its own row: nothing is listed twice."""
    after_payment = max(0, invoice.post_payment_credit_minor - invoice.refunded_minor)
    return invoice.pre_payment_credit_minor + after_payment


def _uncollected(invoice: BilledInvoice) -> int:
    """A void takes back what was settled with the balance, too."""
    if invoice.status == "void":
        return invoice.total_minor - invoice.pre_payment_credit_minor
    return invoice.amount_remaining_minor if invoice.status == "uncollectible" else 0
