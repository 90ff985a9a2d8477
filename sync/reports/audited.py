"""Every invoice line of a span, audited: the rows that the reports are made of."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from itertools import groupby

from sync.reports import facts
from sync.reports.span import Span
from sync.rules.catalog import Catalog
from sync.rules.line_audit import AuditRow, BilledInvoice, BilledLine, Customer, audit, nowhere
from sync.rules.price_book import PriceBook
from sync.store import catalog_prices
from sync.store import reports as store
from sync.store.db import Connection, Record

# A server goes on answering others between two parts.
INVOICES_AT_ONCE = 100

# Called with how many more rows of the input are done.
Progress = Callable[[int], None]


@dataclass(frozen=True, slots=True)
class Entry:
    """One audited invoice, and whose it is."""

    customer: Customer
    invoice: BilledInvoice
    rows: Sequence[AuditRow]


@dataclass(frozen=True, slots=True)
class _Tools:
    conn: Connection
    catalog: Catalog
    book: PriceBook
    span: Span


async def entries(
    conn: Connection, catalog: Catalog, span: Span, progress: Progress
) -> AsyncIterator[list[Entry]]:
    """The audit of all invoices that were created in the span, by account, customer, time and line.

    After them, changes that were paid in the span with an invoice that never arrived here.
    """
    tools = _Tools(conn, catalog, await catalog_prices.book(conn), span)
    async for owners in _by_owner(conn, span):
        yield await _audited(tools, owners)
        progress(sum(len(rows) for rows in owners))
    yield await _nowhere(tools)


async def _by_owner(conn: Connection, span: Span) -> AsyncIterator[list[list[Record]]]:
    """Invoices in groups of one customer each, which are never torn apart; several groups at once."""
    waiting: list[Record] = []
    found = store.invoices(conn, span.start_unix, span.end_unix, at_once=INVOICES_AT_ONCE)
    async for rows in found:
        groups = [list(group) for _, group in groupby([*waiting, *rows], key=_owner)]
        waiting = groups.pop()  # there may be more of the last one
        if groups:
            yield groups
    if waiting:
        yield [waiting]


def _owner(row: Record) -> tuple[str | None, str | None]:
    return row["account_id"], row["customer_id"]


async def _audited(tools: _Tools, owners: Sequence[Sequence[Record]]) -> list[Entry]:
    conn, rows = tools.conn, [row for group in owners for row in group]
    invoice_ids = [row["id"] for row in rows]
    account_ids = [group[0]["account_id"] for group in owners if group[0]["account_id"]]
    subscription_ids = {row["subscription_id"] for row in rows if row["subscription_id"]}
    lines = _grouped(await store.lines_of(conn, invoice_ids), "invoice_id")
    earlier = await store.earlier_lines_of(conn, sorted(subscription_ids), tools.span.start_unix)
    money = {row["invoice_id"]: row for row in await store.money_of(conn, invoice_ids)}
    legs = _grouped(await store.legs_of(conn, account_ids), "account_id")
    terms = _grouped(await store.terms_of(conn, account_ids), "account_id")
    before = _grouped(earlier, "subscription_id")
    done: list[Entry] = []
    for group in owners:
        account_id = group[0]["account_id"]
        customer = Customer(None)
        if account_id:
            customer = facts.customer(group[0], legs.get(account_id, []), terms.get(account_id, []))
        invoices = [
            facts.invoice(row, [facts.line(each) for each in lines.get(row["id"], [])], money)
            for row in group
        ]
        known = [pair for each in sorted(_subscriptions(invoices)) for pair in _earlier(each, before)]
        audited = audit(invoices, customer, tools.catalog, tools.book, known)
        done += [Entry(customer, invoice, found) for invoice, found in audited]
    return done


def _subscriptions(invoices: Sequence[BilledInvoice]) -> set[str]:
    return {invoice.subscription_id for invoice in invoices if invoice.subscription_id}


def _earlier(subscription_id: str, before: dict[str, list[Record]]) -> list[tuple[str, BilledLine]]:
    return [(subscription_id, facts.line(row)) for row in before.get(subscription_id, [])]


async def _nowhere(tools: _Tools) -> list[Entry]:
    found = await store.legs_without_invoice(tools.conn, tools.span.start, tools.span.end)
    return [
        Entry(
            Customer(leg["account_id"], leg["currency"]),
            facts.invoice_elsewhere(leg),
            list(nowhere(facts.promise(leg))),
        )
        for leg in found
    ]


def _grouped(rows: Sequence[Record], name: str) -> dict[str, list[Record]]:
    found: dict[str, list[Record]] = {}
    for row in rows:
        found.setdefault(row[name], []).append(row)
    return found
