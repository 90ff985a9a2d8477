"""What finance has to look at: findings of the reconciliation, and invoice lines that are not as expected."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime
from typing import Any

from sync.reports import facts
from sync.reports.audited import Entry, Progress, entries
from sync.reports.cells import Column, Kind, Row, amount, days, moment, money
from sync.reports.facts import Asked
from sync.reports.span import Span
from sync.reports.totals import Totals
from sync.rules.at_risk import at_risk_minor
from sync.rules.catalog import Catalog
from sync.rules.line_audit import SEVERITY, AuditRow
from sync.rules.owners import owner_of_finding, owner_of_line
from sync.rules.price_book import PriceBook
from sync.store import catalog_prices
from sync.store import change_register as finding_store
from sync.store import reports as store
from sync.store.db import Connection, Record

NAME = "exceptions"
VERSION = 1
SAYS = "Findings of the reconciliation, and invoice lines that are not as expected, with their age."
ROWS_AT_ONCE = 500
_N, _M = Kind.NUMBER, Kind.MOMENT

COLUMNS = (
    Column("source", "finding: of the reconciliation; invoice_line: of the proration audit."),
    Column("id", "The finding, or Stripe's line."),
    Column("type", "The kind of finding, or the reason code of the line."),
    Column("severity", "notice, warning or critical."),
    Column("account_id", "Our account."),
    Column("customer_id", "Stripe's customer."),
    Column("object_id", "Stripe's object: subscription, schedule, invoice or customer."),
    Column("about", "The part of it."),
    Column("change_id", "The change that is concerned."),
    Column("owner", "Who looks at it: the person who decided, or else support, oncall or finance."),
    Column("first_seen_at", "When it was first seen; of a line, when its invoice was created.", _M),
    Column("date_utc", "That day, in UTC."),
    Column("date_local", "The same in the zone that was asked for."),
    Column("zone", "That zone."),
    Column("last_seen_at", "When it was last seen.", _M),
    Column("times_seen", "How often.", _N),
    Column("age_seconds", "From first seen to its end, or to the end of the span.", _N),
    Column("currency", "Of all amounts of the row; never add up over currencies."),
    *money("amount_at_risk", "What the difference amounts to; of an item, in each of its intervals."),
    *money("expected", "What was meant, of an invoice line."),
    *money("actual", "What was invoiced."),
    Column("expected_state", "What was meant, of a finding: a text, or JSON."),
    Column("actual_state", "What there is."),
    Column("state", "open, accepted, repairing, repaired or gone; a line is listed."),
    Column("note", "A person's reason, or what else helps."),
    Column("resolution", "How it ended, or was decided."),
    Column("resolved_by", "Who decided."),
    Column("resolved_at", "When.", _M),
)  # fmt: skip


async def count(conn: Connection, span: Span) -> int:
    """How many findings and invoices there are to read."""
    found = await finding_store.count_findings(conn, span.start, span.end)
    return found + await store.count_invoices(conn, span.start_unix, span.end_unix)


async def rows(
    conn: Connection, catalog: Catalog, span: Span, totals: Totals, progress: Progress
) -> AsyncIterator[list[Row]]:
    """The rows, some at a time: the findings first."""
    book = await catalog_prices.book(conn)
    async for records in finding_store.findings(conn, span.start, span.end, at_once=ROWS_AT_ONCE):
        histories = await facts.histories(conn, records)
        yield [_finding(record, span, book, histories) for record in records]
        progress(len(records))
    async for found in entries(conn, catalog, span, progress):
        totals.add(found)
        yield [_line(entry, row, span) for entry in found for row in entry.rows if row.reason]


def _finding(record: Record, span: Span, book: PriceBook, histories: Mapping[str, list[Asked]]) -> Row:
    closed, first_seen = record["closed_at"], record["first_seen_at"]
    until = min(closed, span.end) if closed else span.end
    asked = facts.asked_at(histories.get(record["account_id"], ()), record["last_seen_at"])
    at_risk = at_risk_minor(record["expected"], record["found"], book, asked)
    currency = _currency(record)
    return (
        "finding",
        record["id"],
        record["kind"],
        record["severity"],
        record["account_id"],
        record["stripe_customer_id"],
        record["object_id"],
        record["about"] or None,
        None,
        record["decided_by"] or owner_of_finding(record["kind"]),
        moment(first_seen),
        *days(first_seen, span.zone),
        moment(record["last_seen_at"]),
        record["times_seen"],
        _age(first_seen, until),
        currency,
        *amount(at_risk, currency),
        *(None,) * 4,
        _plain(record["expected"]),
        _plain(record["found"]),
        record["state"],
        record["reason"],
        None if record["state"] in ("open", "repairing") else record["state"],
        record["decided_by"],
        moment(record["decided_at"] or closed),
    )


def _line(entry: Entry, row: AuditRow, span: Span) -> Row:
    invoice, line = entry.invoice, row.line
    currency = line.currency if line else invoice.currency
    reason = row.reason or ""
    return (
        "invoice_line",
        line.id if line else None,
        reason,
        SEVERITY[row.reason] if row.reason else None,
        entry.customer.account_id,
        invoice.customer_id,
        invoice.id,
        row.part or row.kind,
        row.promise.change_id if row.promise else None,
        owner_of_line(reason),
        moment(invoice.created),
        *days(invoice.created, span.zone),
        None,
        None,
        _age(datetime.fromtimestamp(invoice.created, UTC), span.end),
        currency,
        *amount(abs(row.diff_minor), currency),
        *amount(row.expected_minor, currency),
        *amount(row.invoiced_minor, currency),
        None,
        None,
        "listed",
        row.note or None,
        None,
        None,
        None,
    )


def _age(first_seen: datetime, until: datetime) -> int:
    return max(0, int((until - first_seen).total_seconds()))


def _currency(record: Record) -> str | None:
    """An invoice of nobody's account names its own."""
    found = record["found"]
    own: str | None = found.get("currency") if isinstance(found, dict) else None
    return own or record["currency"]


def _plain(value: Any) -> str | None:
    """JSON with its keys in order, or a text as it is."""
    if value is None or isinstance(value, str):
        return value
    return json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
