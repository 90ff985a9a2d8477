"""What the reports of finance read: in the order of their rows, a part at a time, in one snapshot.

Text is sorted by its bytes (COLLATE "C"), so that a report is the same on every server.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any

from sync.store.db import Connection, Pool, Record
from sync.store.patience import impatient

# A report may read for minutes, and whoever takes it from a pipe may be slow.
PATIENCE_SECONDS = 600

SET_PATIENCE = """
SELECT set_config('statement_timeout', $1, true), set_config('idle_in_transaction_session_timeout', $1, true)
"""


@asynccontextmanager
async def snapshot(pool: Pool) -> AsyncIterator[Connection]:
    """A connection that sees one moment of all tables, and writes nothing."""
    async with (
        pool.acquire() as conn,
        conn.transaction(isolation="repeatable_read", readonly=True),
    ):
        # Also where a door asked for it: the door gives up on the whole report, not on a statement.
        with impatient(None):
            await conn.execute(SET_PATIENCE, f"{PATIENCE_SECONDS * 1000}")
            yield conn


async def stream(conn: Connection, sql: str, *arguments: Any, at_once: int) -> AsyncIterator[list[Record]]:
    """The rows of a query by a cursor of the server, so many at once."""
    cursor = await conn.cursor(sql, *arguments, timeout=PATIENCE_SECONDS)
    while rows := await cursor.fetch(at_once, timeout=PATIENCE_SECONDS):
        yield rows


# ---- invoices and what they are held against

COUNT_INVOICES = """
SELECT count(*) FROM stripe_invoice AS invoice JOIN stripe_object AS head ON head.id = invoice.id
 WHERE invoice.created_unix >= $1 AND invoice.created_unix < $2 AND head.deleted_at IS NULL
"""
# A draft that was deleted at Stripe was never billed.
INVOICES = """
SELECT account.id AS account_id, account.currency AS account_currency, account.stripe_subscription_id,
       invoice.id, invoice.number, invoice.status, invoice.currency, invoice.billing_reason,
       invoice.customer_id, invoice.subscription_id, invoice.created_unix, invoice.total_minor,
       invoice.subtotal_minor, invoice.amount_due_minor, invoice.amount_remaining_minor, invoice.tax_minor,
       invoice.discount_minor, invoice.pre_payment_credit_minor, invoice.post_payment_credit_minor
  FROM stripe_invoice AS invoice
  JOIN stripe_object AS head ON head.id = invoice.id AND head.deleted_at IS NULL
  LEFT JOIN account ON account.stripe_customer_id = invoice.customer_id
 WHERE invoice.created_unix >= $1 AND invoice.created_unix < $2
 ORDER BY account.id COLLATE "C" NULLS LAST, invoice.customer_id COLLATE "C", invoice.created_unix,
          invoice.id COLLATE "C"
"""


async def count_invoices(conn: Connection, start_unix: int, end_unix: int) -> int:
    """How many invoices were created in the span."""
    found: int = await conn.fetchval(COUNT_INVOICES, start_unix, end_unix, timeout=PATIENCE_SECONDS)
    return found


async def invoices(
    conn: Connection, start_unix: int, end_unix: int, *, at_once: int
) -> AsyncIterator[list[Record]]:
    """Invoices created in the span, with their account: by account, customer, time and id."""
    async for rows in stream(conn, INVOICES, start_unix, end_unix, at_once=at_once):
        yield rows


LINES_OF = """
SELECT line.invoice_id, line.id, line.position, line.amount_minor, line.currency, line.description,
       line.quantity, line.period_start_unix, line.period_end_unix, line.proration, line.price_id,
       line.subscription_item_id, line.tax_minor, line.discount_minor,
       coalesce(sold.unit_amount_minor, price.unit_amount_minor) AS unit_amount_minor,
       coalesce(sold.lookup_key, price.lookup_key) AS lookup_key
  FROM stripe_invoice_line AS line
  LEFT JOIN catalog_price AS sold ON sold.stripe_price_id = line.price_id
  LEFT JOIN stripe_price AS price ON price.id = line.price_id
 WHERE line.invoice_id = ANY ($1) ORDER BY line.invoice_id COLLATE "C", line.position
"""
# The newest line of each price, for a whole period and for a part of one. Of a year that is under way the
# first line may be that of the month before: its start is the year's, too.
EARLIER_LINES_OF = """
SELECT * FROM (
SELECT DISTINCT ON (invoice.subscription_id, line.price_id, line.proration)
       invoice.subscription_id, line.id, line.position, line.amount_minor, line.currency, line.description,
       line.quantity, line.period_start_unix, line.period_end_unix, line.proration, line.price_id,
       line.subscription_item_id, line.tax_minor, line.discount_minor, invoice.created_unix
  FROM stripe_invoice AS invoice JOIN stripe_invoice_line AS line ON line.invoice_id = invoice.id
 WHERE invoice.subscription_id = ANY ($1) AND invoice.created_unix < $2
   AND invoice.created_unix >= $2 - 400 * 86400 AND invoice.status <> 'void'
   AND line.amount_minor >= 0 AND line.price_id IS NOT NULL
 ORDER BY invoice.subscription_id, line.price_id, line.proration, invoice.created_unix DESC,
          invoice.id COLLATE "C", line.position DESC) AS newest
 ORDER BY created_unix, id COLLATE "C"
"""
MONEY_OF = """
SELECT invoice_id, sum(amount_refunded_minor)::bigint AS refunded_minor,
       sum(CASE WHEN disputed THEN amount_captured_minor - amount_refunded_minor ELSE 0 END)::bigint
           AS disputed_minor
  FROM (SELECT DISTINCT paid_by.invoice_id, charge.id, charge.amount_refunded_minor, charge.disputed,
               charge.amount_captured_minor
          FROM stripe_invoice_paid_by AS paid_by
          JOIN stripe_charge AS charge
            ON charge.payment_intent_id = paid_by.payment_intent_id OR charge.id = paid_by.charge_id
         WHERE paid_by.invoice_id = ANY ($1)) AS taken
 WHERE amount_refunded_minor > 0 OR disputed
 GROUP BY invoice_id
"""


async def lines_of(conn: Connection, invoice_ids: Collection[str]) -> list[Record]:
    """The lines of these invoices, in Stripe's order, with their prices."""
    return await conn.fetch(LINES_OF, list(invoice_ids), timeout=PATIENCE_SECONDS)


async def earlier_lines_of(
    conn: Connection, subscription_ids: Collection[str], before_unix: int
) -> list[Record]:
    """What these subscriptions were billed last before that moment, by price, the oldest first."""
    return await conn.fetch(EARLIER_LINES_OF, list(subscription_ids), before_unix, timeout=PATIENCE_SECONDS)


async def money_of(conn: Connection, invoice_ids: Collection[str]) -> list[Record]:
    """What was refunded or is disputed of the payments of these invoices; the others are absent."""
    return await conn.fetch(MONEY_OF, list(invoice_ids), timeout=PATIENCE_SECONDS)


# What a promise for the renewal asked for stands in the call that made its phases.
_LEG = """
SELECT leg.change_id, leg.leg, leg.account_id, leg.stripe_invoice_id, leg.effective_on, leg.ended_at,
       leg.terms, change.quote_id, change.actor_id, quote.proration_unix, quote.lines,
       quote.current_terms, quote.now_terms, quote.stripe_subscription_id, quote.stripe_params,
       quote.currency, leg.applied_at, account.stripe_customer_id,
       invoice.created_unix AS invoice_created_unix, invoice.subscription_id AS invoice_subscription_id,
       call.params AS renewal_params
  FROM change_leg AS leg
  JOIN change ON change.id = leg.change_id
  JOIN quote ON quote.id = change.quote_id
  JOIN account ON account.id = leg.account_id
  LEFT JOIN stripe_invoice AS invoice ON invoice.id = leg.stripe_invoice_id
  LEFT JOIN LATERAL (
       SELECT stripe_call.params FROM stripe_call
        WHERE stripe_call.subject_id = leg.change_id AND stripe_call.params ? 'phases'
        ORDER BY stripe_call.created_at DESC, stripe_call.key COLLATE "C" DESC LIMIT 1) AS call
    ON leg.leg = 'at_renewal'
"""
LEGS_OF = f"""{_LEG}
 WHERE change.account_id = ANY ($1)
   AND (leg.stripe_invoice_id IS NOT NULL OR leg.applied_at IS NOT NULL OR leg.ended_at IS NULL)
 ORDER BY change.account_id COLLATE "C", leg.created_at, leg.change_id COLLATE "C", leg.leg
"""
TERMS_OF = """
SELECT terms.account_id, terms.effective_at, terms.product, terms.tier, terms.contact_limit, terms.seats,
       terms.add_ons, terms.interval, terms.change_id, terms.leg,
       adoption.subscription_id AS adopted_subscription_id, adoption.items AS adopted_items,
       finding.found AS found_items
  FROM account_terms AS terms
  LEFT JOIN adoption ON adoption.id = terms.change_id
  LEFT JOIN repair ON repair.id = terms.change_id
  LEFT JOIN finding ON finding.id = repair.finding_id
 WHERE terms.account_id = ANY ($1)
 ORDER BY terms.account_id COLLATE "C", terms.effective_at, terms.change_id COLLATE "C", terms.leg
"""
# Paid, and the invoice that says so is not here.
LEGS_WITHOUT_INVOICE = f"""{_LEG}
 WHERE leg.leg = 'now' AND leg.applied_at >= $1 AND leg.applied_at < $2
   AND leg.stripe_invoice_id IS NOT NULL AND invoice.id IS NULL
 ORDER BY leg.account_id COLLATE "C", leg.applied_at, leg.change_id COLLATE "C"
"""


async def legs_of(conn: Connection, account_ids: Collection[str]) -> list[Record]:
    """Everything that changes of these accounts promised, with what was asked of Stripe."""
    return await conn.fetch(LEGS_OF, list(account_ids), timeout=PATIENCE_SECONDS)


async def terms_of(conn: Connection, account_ids: Collection[str]) -> list[Record]:
    """All terms that these accounts ever had, the oldest first, with what an adoption or a repair found."""
    return await conn.fetch(TERMS_OF, list(account_ids), timeout=PATIENCE_SECONDS)


async def legs_without_invoice(conn: Connection, start: datetime, end: datetime) -> list[Record]:
    """Changes applied in the span whose invoice was never mirrored."""
    return await conn.fetch(LEGS_WITHOUT_INVOICE, start, end, timeout=PATIENCE_SECONDS)


# ---- control totals

INVOICE_TOTALS = """
SELECT invoice.currency, count(*) AS invoices, sum(invoice.subtotal_minor)::bigint AS subtotal_minor,
       sum(invoice.discount_minor)::bigint AS discount_minor, sum(invoice.tax_minor)::bigint AS tax_minor,
       sum(invoice.total_minor)::bigint AS total_minor,
       sum((SELECT count(*) FROM stripe_invoice_line AS line WHERE line.invoice_id = invoice.id))::bigint
           AS lines
  FROM stripe_invoice AS invoice
  JOIN stripe_object AS head ON head.id = invoice.id AND head.deleted_at IS NULL
 WHERE invoice.created_unix >= $1 AND invoice.created_unix < $2
 GROUP BY invoice.currency ORDER BY invoice.currency COLLATE "C"
"""


async def invoice_totals(conn: Connection, start_unix: int, end_unix: int) -> Sequence[Record]:
    """What the invoices of the span add up to, by currency."""
    return await conn.fetch(INVOICE_TOTALS, start_unix, end_unix, timeout=PATIENCE_SECONDS)
