"""Each invoice line, expected against invoiced, with a reason for every difference."""

from __future__ import annotations

from collections.abc import AsyncIterator
from zoneinfo import ZoneInfo

from sync.reports.audited import Entry, Progress, entries
from sync.reports.cells import Column, Kind, Row, amount, days, moment, money
from sync.reports.span import Span
from sync.reports.totals import Totals
from sync.rules.catalog import Catalog
from sync.rules.line_audit import AuditRow, BilledInvoice, BilledLine
from sync.store import reports as store
from sync.store.db import Connection

NAME = "proration-audit"
VERSION = 1
SAYS = "Each invoice line: expected against invoiced, with a reason code for every difference."
_N, _M, _F = Kind.NUMBER, Kind.MOMENT, Kind.FLAG

COLUMNS = (
    Column("row", "line; or what is none: missing, discount, tax, balance, and what was not kept."),
    Column("date_utc", "The day on which the invoice was created, in UTC."),
    Column("date_local", "The same in the zone that was asked for."),
    Column("zone", "That zone."),
    Column("period", "The month of date_local."),
    Column("account_id", "Empty: the customer is no account of ours."),
    Column("customer_id", "Stripe's customer."),
    Column("subscription_id", "Stripe's subscription."),
    Column("change_id", "The change that the line belongs to, or that the terms in force came from."),
    Column("leg", "The part of that change: now, or at_renewal."),
    Column("quote_id", "The quote that promised it."),
    Column("actor", "Who confirmed the change."),
    Column("invoice_id", "Stripe's invoice."),
    Column("invoice_number", "Its number; a draft has none."),
    Column("invoice_status", "draft, open, paid, void or uncollectible; empty: never heard of here."),
    Column("billing_reason", "Why Stripe made the invoice."),
    Column("invoice_created_at", "When the invoice was created: this decides which span it is in.", _M),
    Column("line_id", "Stripe's line."),
    Column("item", "The part of the terms: base, contacts, seats or addon:name."),
    Column("subscription_item_id", "Stripe's subscription item."),
    Column("price_id", "Stripe's price."),
    Column("lookup_key", "The price's lookup key."),
    Column("description", "The line's own words."),
    Column("quantity", "The quantity on the line.", _N),
    Column("old_quantity", "By the terms before the change; for a renewal, of the period before.", _N),
    Column("new_quantity", "By the terms after it; for a renewal, by those in force.", _N),
    Column("proration", "Whether the line is for a part of a period.", _F),
    Column("line_start_at", "The beginning of the time that the line is for.", _M),
    Column("line_end_at", "The end of that time.", _M),
    Column("unit_amount_minor", "The price of one piece for a whole period.", _N),
    Column("base_minor", "What is prorated: price times quantity, or for a credit what was billed.", _N),
    Column("seconds_remaining", "The rest of the period in seconds.", _N),
    Column("seconds_total", "The whole period, or for a credit the time that was billed.", _N),
    Column("recomputed_minor", "base_minor x seconds_remaining / seconds_total, before discounts.", _N),
    Column("currency", "Of all amounts of the row; never add up over currencies."),
    *money("expected", "What the quote promised, or the terms in force cost; empty: nobody here knows."),
    *money("invoiced", "The line's amount: before discounts, without tax that comes on top."),
    *money("diff", "invoiced - expected; all of it where nothing was expected."),
    *money("discount", "What discounts take from the line; on a renewal they are not judged."),
    *money("tax", "The line's tax; on a renewal it is not judged."),
    Column("reason", "Why they differ; empty where they do not."),
    Column("note", "What else helps to understand the row."),
)  # fmt: skip


async def count(conn: Connection, span: Span) -> int:
    """How many invoices there are to read."""
    return await store.count_invoices(conn, span.start_unix, span.end_unix)


async def rows(
    conn: Connection, catalog: Catalog, span: Span, totals: Totals, progress: Progress
) -> AsyncIterator[list[Row]]:
    """The rows, some at a time."""
    async for found in entries(conn, catalog, span, progress):
        totals.add(found)
        yield [_row(entry, row, span.zone) for entry in found for row in entry.rows]


def _row(entry: Entry, row: AuditRow, zone: ZoneInfo) -> Row:
    line, (utc, local, named) = row.line, days(entry.invoice.created, zone)
    currency = line.currency if line else entry.invoice.currency
    return (
        row.kind,
        utc,
        local,
        named,
        local[:7],
        *_whose(entry, row),
        *_which(entry.invoice),
        *(_on_the_invoice(row, line) if line else _beside_the_invoice(row)),
        *_computed(row),
        currency,
        *amount(row.expected_minor, currency),
        *amount(row.invoiced_minor, currency),
        *amount(row.diff_minor, currency),
        *amount(line.discount_minor if line else None, currency),
        *amount(line.tax_minor if line else None, currency),
        row.reason,
        row.note or None,
    )


def _whose(entry: Entry, row: AuditRow) -> Row:
    """Account, customer, subscription, and the change with its part, quote and actor."""
    promise = row.promise
    of_change = (
        (promise.change_id, promise.leg, promise.quote_id, promise.actor_id) if promise else (None,) * 4
    )
    return (entry.customer.account_id, entry.invoice.customer_id, entry.invoice.subscription_id, *of_change)


def _which(invoice: BilledInvoice) -> Row:
    created = moment(invoice.created)
    return (invoice.id, invoice.number, invoice.status, invoice.billing_reason, created)


def _on_the_invoice(row: AuditRow, line: BilledLine) -> Row:
    return (
        line.id,
        row.part,
        line.item_id,
        line.price_id,
        line.lookup_key,
        line.description,
        line.quantity,
        row.old_quantity,
        row.new_quantity,
        line.proration,
        moment(line.start),
        moment(line.end),
    )


def _beside_the_invoice(row: AuditRow) -> Row:
    """The same of something that the invoice has no line for."""
    promised = row.promised
    start, end = (promised.span if promised else None) or (None, None)
    return (
        None,
        row.part,
        None,
        row.price_id,
        None,
        promised.description if promised else None,
        promised.quantity if promised else None,
        row.old_quantity,
        row.new_quantity,
        None,
        moment(start),
        moment(end),
    )


def _computed(row: AuditRow) -> Row:
    line, check = row.line, row.check
    unit_minor = line.unit_minor if line else None
    if check is None:
        return (unit_minor, None, None, None, None)
    return (unit_minor, check.base_minor, check.seconds_left, check.seconds_total, check.minor)
