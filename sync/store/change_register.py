"""What the register of changes and the list of exceptions read."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime

from sync.store.db import Connection, Record
from sync.store.reports import PATIENCE_SECONDS, stream

COUNT_LEGS = """
SELECT count(*) FROM change JOIN change_leg AS leg ON leg.change_id = change.id
 WHERE change.created_at >= $1 AND change.created_at < $2
"""
LEGS = """
SELECT change.id AS change_id, change.account_id, change.actor_id, change.created_at AS confirmed_at,
       leg.leg, leg.state, leg.reason, leg.detail, leg.terms, leg.quoted_minor, leg.charged_minor,
       leg.difference_minor, leg.stripe_invoice_id, leg.effective_on, leg.applied_at, leg.settled_at,
       leg.ended_at,
       quote.id AS quote_id, quote.created_at AS quoted_at, quote.actor_id AS quoted_by, quote.currency,
       quote.current_terms, quote.now_terms, quote.proration_unix, quote.to_balance_minor,
       quote.from_now_on_minor, quote.cancel, quote.stripe_params, placed.params AS renewal_params,
       request.id AS request_id, request.created_at AS requested_at, request.actor_id AS requested_by,
       request.reason AS request_reason, request.decided_by, request.decided_at,
       account.stripe_customer_id,
       coalesce(quote.stripe_subscription_id, applied.subscription_id) AS subscription_id,
       invoice.number AS invoice_number, sent.request_ids
  FROM change
  JOIN change_leg AS leg ON leg.change_id = change.id
  JOIN quote ON quote.id = change.quote_id
  JOIN account ON account.id = change.account_id
  LEFT JOIN change_request AS request ON request.id = quote.request_id
  LEFT JOIN stripe_invoice AS invoice ON invoice.id = leg.stripe_invoice_id
  LEFT JOIN LATERAL (
       SELECT step.detail ->> 'subscription' AS subscription_id FROM change_step AS step
        WHERE step.change_id = change.id AND step.step = 'apply' ORDER BY step.id DESC LIMIT 1) AS applied
    ON quote.stripe_subscription_id IS NULL
  LEFT JOIN LATERAL (
       SELECT call.params FROM stripe_call AS call
        WHERE call.subject_id = change.id AND call.params ? 'phases'
        ORDER BY call.created_at DESC, call.key COLLATE "C" DESC LIMIT 1) AS placed
    ON leg.leg = 'at_renewal'
  LEFT JOIN LATERAL (
       SELECT array_agg(call.stripe_request_id ORDER BY call.created_at, call.key COLLATE "C") AS request_ids
         FROM stripe_call AS call
        WHERE call.subject_id = change.id AND call.stripe_request_id IS NOT NULL
          AND call.key LIKE 'change:%:' || leg.leg || ':%') AS sent ON true
 WHERE change.created_at >= $1 AND change.created_at < $2
 ORDER BY change.created_at, change.id COLLATE "C", leg.leg DESC
"""


async def count_legs(conn: Connection, start: datetime, end: datetime) -> int:
    """How many parts of changes were confirmed in the span."""
    found: int = await conn.fetchval(COUNT_LEGS, start, end, timeout=PATIENCE_SECONDS)
    return found


async def legs(
    conn: Connection, start: datetime, end: datetime, *, at_once: int
) -> AsyncIterator[list[Record]]:
    """The parts of the changes that were confirmed in the span, in that order, the immediate part first."""
    async for rows in stream(conn, LEGS, start, end, at_once=at_once):
        yield rows


# Open at some moment of the span.
COUNT_FINDINGS = """
SELECT count(*) FROM finding WHERE first_seen_at < $2 AND (closed_at IS NULL OR closed_at >= $1)
"""
FINDINGS = """
SELECT finding.id, finding.kind, finding.severity, finding.account_id, finding.object_id, finding.about,
       finding.expected, finding.found, finding.state, finding.first_seen_at, finding.last_seen_at,
       finding.times_seen, finding.decided_by, finding.reason, finding.decided_at, finding.closed_at,
       account.currency, account.stripe_customer_id
  FROM finding LEFT JOIN account ON account.id = finding.account_id
 WHERE finding.first_seen_at < $2 AND (finding.closed_at IS NULL OR finding.closed_at >= $1)
 ORDER BY finding.first_seen_at, finding.id COLLATE "C"
"""


async def count_findings(conn: Connection, start: datetime, end: datetime) -> int:
    """How many findings were open in the span."""
    found: int = await conn.fetchval(COUNT_FINDINGS, start, end, timeout=PATIENCE_SECONDS)
    return found


async def findings(
    conn: Connection, start: datetime, end: datetime, *, at_once: int
) -> AsyncIterator[list[Record]]:
    """What reconciliation found and was open at some moment of the span, the oldest first."""
    async for rows in stream(conn, FINDINGS, start, end, at_once=at_once):
        yield rows
