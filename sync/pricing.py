"""Invoices as lines that people confirm: the same for a preview, its repetition and the charge.

An amount that is shown or charged always comes from Stripe's own preview; nothing here computes money,
it only sorts and adds up.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from sync import requests
from sync.billing import Billing
from sync.errors import Code, Conflict
from sync.gateway import StripeCallFailed, Verdict
from sync.requests import Body
from sync.rules import money
from sync.rules.price_book import PriceBook
from sync.store.quotes import QuoteRow
from sync.stripe_objects import Invoice, InvoiceLine, exclusive_minor


@dataclass(frozen=True, slots=True)
class Priced:
    """One immediate invoice, in minor units: total = due today + what moves to the customer's balance.

    Stripe's sign: a negative balance is credit, so a negative `to_balance_minor` is credit gained, a positive
    one is credit drawn, or a sum too small to be charged that the next invoice collects.
    """

    total_minor: int
    due_today_minor: int
    to_balance_minor: int
    starting_balance_minor: int
    lines: list[dict[str, Any]]

    def differs_from(self, other: Priced) -> str | None:
        """What is not the same, or None."""
        if [line_key(line) for line in self.lines] != [line_key(line) for line in other.lines]:
            return "lines"
        names = ("total_minor", "due_today_minor", "starting_balance_minor")
        return next((name for name in names if getattr(self, name) != getattr(other, name)), None)


def promised(quote: QuoteRow) -> Priced:
    """What the quote promised, in the shape of a priced invoice."""
    return Priced(
        quote.total_minor or 0,
        quote.due_today_minor or 0,
        quote.to_balance_minor or 0,
        quote.starting_balance_minor or 0,
        quote.lines,
    )


# What Stripe adds up itself; everything else in `kind` only says whose a line is.
_SUMMARIES = ("discount", "tax", "balance")


def line_key(line: dict[str, Any]) -> tuple[Any, ...]:
    """What makes two lines the same one in a preview, its repetition and the invoice.

    Line ids are temporary, a first purchase begins at the second of its creation, and whether a line is of
    this change or an older item is known only while that item waits: none of it counts.
    """
    period = line["period"] if line.get("pinned") else None
    span = (period["start"], period["end"]) if period else None
    summary = line["kind"] if line["kind"] in _SUMMARIES else None
    return (summary, line["price_id"], line["amount_minor"], line["quantity"], span)


def priced(
    invoice: Invoice, book: PriceBook, proration_unix: int | None, waiting: Collection[str] = ()
) -> Priced:
    """Sort a preview's or an invoice's lines into kinds; taxes, discounts and balance become own lines.

    `waiting` are the ids of the invoice items that waited when the state was read; without it, older items
    are told by their period alone, which misses those of the very second.
    """
    due = collected_minor(invoice)
    lines = [_line(line, book, proration_unix, waiting) for line in invoice.lines.data]
    lines.sort(key=_order)
    lines += _summary_lines(invoice, due)
    return Priced(invoice.total, due, invoice.total - due, invoice.starting_balance, lines)


def _order(line: dict[str, Any]) -> tuple[Any, ...]:
    """Credits first; the same in a preview and in the invoice, which order their lines differently."""
    period = line["period"] if line["pinned"] else {"start": 0, "end": 0}
    amount = line["amount_minor"]
    return (amount > 0, str(line["price_id"]), amount, line["quantity"] or 0, period["start"], period["end"])


def collected_minor(invoice: Invoice) -> int:
    """What is really collected: a sum below the currency's minimum goes to the balance instead."""
    due = invoice.amount_due
    return due if due >= money.minimum_charge_minor(invoice.currency) else 0


def _line(
    line: InvoiceLine, book: PriceBook, proration_unix: int | None, waiting: Collection[str]
) -> dict[str, Any]:
    slot = book.slot_of(line.price_id) if line.price_id else None
    return {
        "description": line.description or "",
        "amount_minor": line.amount,
        "quantity": line.quantity,
        "price_id": line.price_id,
        "price_lookup_key": slot.key if slot else None,
        "period": {"start": line.period.start, "end": line.period.end},
        "pinned": proration_unix is not None,
        "kind": _kind(line, proration_unix, waiting),
    }


def _kind(line: InvoiceLine, proration_unix: int | None, waiting: Collection[str]) -> str:
    """`pending` is an older item that rides along; the others belong to this change."""
    is_of_another_time = proration_unix is not None and line.period.start != proration_unix
    if is_of_another_time or line.invoice_item_id in waiting:
        return "pending"
    return "credit" if line.amount < 0 else "charge"


def _summary_lines(invoice: Invoice, due_minor: int) -> list[dict[str, Any]]:
    tax = exclusive_minor(invoice.total_taxes)
    discount = -sum(part.amount for part in invoice.total_discount_amounts or [])
    amounts = {"discount": discount, "tax": tax, "balance": due_minor - invoice.total}
    return [
        {
            "description": kind.capitalize(),
            "amount_minor": amount,
            "quantity": None,
            "price_id": None,
            "price_lookup_key": None,
            "period": None,
            "kind": kind,
        }
        for kind, amount in amounts.items()
        if amount
    ]


async def repeat_preview(
    billing: Billing,
    book: PriceBook,
    *,
    subscription_id: str | None,
    params: Body,
    proration_unix: int | None,
) -> Priced:
    """The same immediate preview once more, for confirm. A refusal by Stripe means that the state moved."""
    if subscription_id and proration_unix is not None:
        body = requests.update_preview(subscription_id, params["items"], proration_unix)
    else:
        body = requests.create_preview(params["customer"], params["items"])
    try:
        return priced(await billing.gateway.preview(body), book, proration_unix)
    except StripeCallFailed as error:
        if error.failure.verdict in (Verdict.REFUSED, Verdict.MISSING):
            raise Conflict(
                Code.QUOTE_STALE, f"Stripe no longer prices this change: {error.failure.message}"
            ) from error
        raise
