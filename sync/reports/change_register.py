"""Each part of each change: who wanted it, what it cost, and what became of it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any
from zoneinfo import ZoneInfo

from sync.reports import facts
from sync.reports.audited import Progress
from sync.reports.cells import Cell, Column, Kind, Row, amount, days, moment, money
from sync.reports.facts import Asked
from sync.reports.recurring import Pricing
from sync.reports.span import Span
from sync.reports.totals import Totals
from sync.rules.catalog import Catalog
from sync.states import Leg
from sync.store import catalog_prices
from sync.store import change_register as store
from sync.store.db import Connection, Record

NAME = "change-register"
VERSION = 1
SAYS = "Each part of each change: who asked, confirmed and paid, and every dimension before and after."
ROWS_AT_ONCE = 500
_M = Kind.MOMENT

DIMENSIONS = (
    ("product", Kind.TEXT),
    ("tier", Kind.TEXT),
    ("contact_limit", Kind.NUMBER),
    ("seats", Kind.NUMBER),
    ("add_ons", Kind.TEXT),
    ("interval", Kind.TEXT),
)

COLUMNS = (
    Column("date_utc", "The day on which the change was confirmed, in UTC."),
    Column("date_local", "The same in the zone that was asked for."),
    Column("zone", "That zone."),
    Column("account_id", "Our account."),
    Column("customer_id", "Stripe's customer."),
    Column("subscription_id", "Stripe's subscription."),
    Column("change_id", "The change. One with parts now and at the renewal has two rows."),
    Column("leg", "The part: now, or at_renewal."),
    Column("state", "Where the part stands."),
    Column("reason", "Why it stands there, as a code."),
    Column("detail", "The same as a sentence."),
    Column("request_id", "The change request that it answers."),
    Column("requested_at", "When support was asked.", _M),
    Column("requested_by", "Who asked support."),
    Column("request_reason", "Why, in their own words."),
    Column("decided_at", "When support decided.", _M),
    Column("decided_by", "Who decided."),
    Column("quote_id", "The quote."),
    Column("quoted_at", "When it was quoted.", _M),
    Column("quoted_by", "For whom it was quoted."),
    Column("confirmed_at", "When it was confirmed: this decides which span it is in.", _M),
    Column("confirmed_by", "Who confirmed it."),
    Column("proration_at", "The moment from which Stripe prorates.", _M),
    Column("effective_on", "The renewal that it is promised for.", _M),
    Column("applied_at", "When it was in force.", _M),
    Column("settled_at", "When its invoice was compared with the quote.", _M),
    Column("ended_at", "When nothing more was to be done.", _M),
    *(
        Column(f"{name}_{when}", f"The {name.replace('_', ' ')} {when} this part.", kind)
        for name, kind in DIMENSIONS
        for when in ("before", "after")
    ),
    Column("currency", "Of all amounts of the row; never add up over currencies."),
    *money("quoted_today", "What the quote said is charged at once."),
    *money("charged_today", "What was charged for it."),
    *money("to_balance", "What the quote moves to the customer's balance instead; negative: credit."),
    *money("renewal_billed", "Of a part at renewal: what that renewal billed for our items."),
    *money("quote_minus_charge", "The quote, or the promised terms, minus what was billed."),
    *money("recurring_before", "What an interval cost before this part: its terms at the account's prices."),
    Column("recurring_before_interval", "That interval."),
    *money(
        "recurring_after",
        "The same after it. Add up only rows with an applied_at: the others never came about.",
    ),
    Column("recurring_after_interval", "That interval."),
    *money("recurring_quoted", "An interval after the whole change, by the quote: with tax and discounts."),
    Column("invoice_id", "Stripe's invoice of the part."),
    Column("invoice_number", "Its number."),
    Column("stripe_request_ids", "Stripe's ids of our calls for this part.", Kind.LIST),
)  # fmt: skip


async def count(conn: Connection, span: Span) -> int:
    """How many rows there are."""
    return await store.count_legs(conn, span.start, span.end)


async def rows(
    conn: Connection, catalog: Catalog, span: Span, totals: Totals, progress: Progress
) -> AsyncIterator[list[Row]]:
    """The rows, some at a time."""
    pricing = Pricing(catalog, await catalog_prices.book(conn))
    async for found in store.legs(conn, span.start, span.end, at_once=ROWS_AT_ONCE):
        asked = await facts.histories(conn, found)
        yield [_row(each, pricing, asked.get(each["account_id"], []), span.zone) for each in found]
        progress(len(found))


def _row(record: Record, pricing: Pricing, history: Sequence[Asked], zone: ZoneInfo) -> Row:
    is_now, currency = record["leg"] == Leg.NOW, record["currency"]
    before = _before(record, is_now=is_now)
    recurring = pricing.of_part(record, before, history)
    difference = record["difference_minor"]
    return (
        *days(record["confirmed_at"], zone),
        record["account_id"],
        record["stripe_customer_id"],
        record["subscription_id"],
        record["change_id"],
        record["leg"],
        record["state"],
        record["reason"],
        record["detail"],
        record["request_id"],
        moment(record["requested_at"]),
        record["requested_by"],
        record["request_reason"],
        moment(record["decided_at"]),
        record["decided_by"],
        record["quote_id"],
        moment(record["quoted_at"]),
        record["quoted_by"],
        moment(record["confirmed_at"]),
        record["actor_id"],
        moment(record["proration_unix"]),
        moment(record["effective_on"]),
        moment(record["applied_at"]),
        moment(record["settled_at"]),
        moment(record["ended_at"]),
        *_dimensions(before, record["terms"]),
        currency,
        *amount(record["quoted_minor"] if is_now else None, currency),
        *amount(record["charged_minor"] if is_now else None, currency),
        *amount(record["to_balance_minor"] if is_now else None, currency),
        *amount(None if is_now else record["charged_minor"], currency),
        *amount(None if difference is None else -difference, currency),
        *amount(recurring.before_minor, currency),
        before.get("interval"),
        *amount(recurring.after_minor, currency),
        record["terms"]["interval"],
        *amount(record["from_now_on_minor"], currency),
        record["stripe_invoice_id"],
        record["invoice_number"],
        record["request_ids"] or [],
    )


def _before(record: Record, *, is_now: bool) -> Mapping[str, Any]:
    """The terms before this part: those of the part before it, if there is one."""
    before: Mapping[str, Any] | None = record["current_terms"]
    if not is_now and record["now_terms"]:
        before = record["now_terms"]
    return before or {}


def _dimensions(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[Cell]:
    return [_dimension(terms.get(name)) for name, _ in DIMENSIONS for terms in (before, after)]


def _dimension(value: Any) -> Cell:
    if isinstance(value, Mapping):
        return " ".join(f"{name}={quantity}" for name, quantity in sorted(value.items())) or None
    found: Cell = value
    return found
