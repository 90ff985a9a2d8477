"""What the tables say about one id: whom it belongs to, and everything that happened around it.

Nothing here is needed to bill anybody; it is for a person who holds an id and wants the whole story.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sync.store.db import Executor

# ---- whom an id belongs to


@dataclass(frozen=True, slots=True)
class Owner:
    """The account and, where the id is about one change only, that change."""

    account_id: str
    change_id: str | None = None


OWNER_OF_ACCOUNT = "SELECT id AS account_id, NULL::text AS change_id FROM account WHERE id = $1"
OWNER_OF_CHANGE = "SELECT account_id, id AS change_id FROM change WHERE id = $1"
OWNER_OF_QUOTE = """
SELECT quote.account_id, change.id AS change_id
  FROM quote LEFT JOIN change ON change.quote_id = quote.id WHERE quote.id = $1
"""
OWNER_OF_CUSTOMER = """
SELECT id AS account_id, NULL::text AS change_id FROM account WHERE stripe_customer_id = $1
"""
# An old subscription of the account is known to the mirror alone.
OWNER_OF_SUBSCRIPTION = """
SELECT id AS account_id, NULL::text AS change_id FROM account WHERE stripe_subscription_id = $1
 UNION ALL
SELECT account.id, NULL
  FROM stripe_subscription AS mirrored JOIN account ON account.stripe_customer_id = mirrored.customer_id
 WHERE mirrored.id = $1
"""
OWNER_OF_SCHEDULE = """
SELECT id AS account_id, NULL::text AS change_id FROM account WHERE stripe_schedule_id = $1
 UNION ALL
SELECT account.id, NULL
  FROM stripe_subscription_schedule AS plan JOIN account ON account.stripe_customer_id = plan.customer_id
 WHERE plan.id = $1
"""
# The invoice of a change first; a renewal's invoice belongs to the account as a whole.
OWNER_OF_INVOICE = """
SELECT account_id, change_id FROM change_leg WHERE stripe_invoice_id = $1
 UNION ALL
SELECT account.id, NULL
  FROM stripe_invoice AS invoice JOIN account ON account.stripe_customer_id = invoice.customer_id
 WHERE invoice.id = $1
"""
# Money belongs to the change whose invoice it pays; that of a renewal to the account as a whole.
OWNER_OF_INTENT = """
SELECT leg.account_id, leg.change_id
  FROM stripe_invoice_paid_by AS paid_by JOIN change_leg AS leg ON leg.stripe_invoice_id = paid_by.invoice_id
 WHERE paid_by.payment_intent_id = $1
 UNION ALL
SELECT account.id, NULL
  FROM stripe_payment_intent AS intent JOIN account ON account.stripe_customer_id = intent.customer_id
 WHERE intent.id = $1
"""
OWNER_OF_CHARGE = """
SELECT leg.account_id, leg.change_id
  FROM stripe_charge AS charge
  JOIN stripe_invoice_paid_by AS paid_by ON paid_by.payment_intent_id = charge.payment_intent_id
  JOIN change_leg AS leg ON leg.stripe_invoice_id = paid_by.invoice_id
 WHERE charge.id = $1
 UNION ALL
SELECT account.id, NULL
  FROM stripe_charge AS charge JOIN account ON account.stripe_customer_id = charge.customer_id
 WHERE charge.id = $1
"""
# A call serves a change or an account; the catalog's calls belong to nobody.
OWNER_OF_REQUEST = """
SELECT coalesce(change.account_id, account.id) AS account_id, change.id AS change_id
  FROM stripe_call AS call
  LEFT JOIN change ON change.id = call.subject_id
  LEFT JOIN account ON account.id = call.subject_id
 WHERE call.stripe_request_id = $1 AND coalesce(change.account_id, account.id) IS NOT NULL
"""
OWNER_OF_EVENT = """
SELECT account.id AS account_id, leg.change_id
  FROM inbox AS event
  LEFT JOIN change_leg AS leg ON leg.stripe_invoice_id = event.object_id
  JOIN account ON account.id = leg.account_id OR account.stripe_customer_id = event.customer_id
 WHERE event.id = $1
"""

OWNERS = {
    "account": OWNER_OF_ACCOUNT,
    "change": OWNER_OF_CHANGE,
    "quote": OWNER_OF_QUOTE,
    "customer": OWNER_OF_CUSTOMER,
    "subscription": OWNER_OF_SUBSCRIPTION,
    "schedule": OWNER_OF_SCHEDULE,
    "invoice": OWNER_OF_INVOICE,
    "payment_intent": OWNER_OF_INTENT,
    "charge": OWNER_OF_CHARGE,
    "request": OWNER_OF_REQUEST,
    "event": OWNER_OF_EVENT,
}


async def owner(conn: Executor, kind: str, given_id: str) -> Owner | None:
    """Whom an id of this kind (a key of OWNERS) belongs to; None when we never heard of it."""
    row = await conn.fetchrow(f"{OWNERS[kind]} LIMIT 1", given_id)
    return Owner(row["account_id"], row["change_id"]) if row else None


# ---- what happened


@dataclass(frozen=True, slots=True)
class Happening:
    """One thing at one moment. `what` is quote, call, step, hold or event; `detail` depends on it."""

    at: datetime
    what: str
    id: str
    state: str
    detail: dict[str, Any]


CHANGES_OF = """
SELECT id FROM change WHERE account_id = $1 ORDER BY created_at DESC, id DESC LIMIT $2
"""


async def changes_of(conn: Executor, account_id: str, limit: int) -> list[str]:
    """The ids of an account's latest changes."""
    return [row["id"] for row in await conn.fetch(CHANGES_OF, account_id, limit)]


QUOTES = """
SELECT quote.created_at AS at, 'quote' AS what, quote.id,
       CASE WHEN jsonb_array_length(quote.refusals) > 0 THEN 'refused'
            WHEN change.id IS NOT NULL THEN 'confirmed'
            WHEN quote.expires_at < now() THEN 'expired' ELSE 'open' END AS state,
       jsonb_build_object(
           'change_id', change.id, 'actor', quote.actor_id, 'currency', quote.currency,
           'due_today_minor', quote.due_today_minor, 'terms', coalesce(quote.now_terms, quote.renewal_terms),
           'refusals', quote.refusals, 'fingerprint', quote.fingerprint) AS detail
  FROM quote LEFT JOIN change ON change.quote_id = quote.id
 WHERE quote.account_id = $1 AND ($2::text[] IS NULL OR change.id = ANY ($2))
 ORDER BY quote.created_at DESC LIMIT $3
"""
# Calls stand where they were first sent; one that never left stands where it was stored.
CALLS = """
SELECT coalesce(first_sent_at, created_at) AS at, 'call' AS what, key AS id,
       CASE WHEN answered_at IS NOT NULL THEN 'answered'
            WHEN sends > 0 THEN 'sent' ELSE 'stored' END AS state,
       jsonb_build_object(
           'subject_id', subject_id, 'method', method, 'path', path, 'sends', sends,
           'http_status', http_status, 'stripe_request_id', stripe_request_id, 'error_code', error_code,
           'last_sent_at', last_sent_at, 'answered_at', answered_at) AS detail
  FROM stripe_call WHERE subject_id = ANY ($1) ORDER BY created_at DESC LIMIT $2
"""
STEPS = """
SELECT at, 'step' AS what, change_id AS id, state,
       jsonb_build_object('leg', leg, 'step', step, 'detail', detail) AS detail
  FROM change_step WHERE change_id = ANY ($1) ORDER BY change_step.id DESC LIMIT $2
"""
# Of an account: whatever its customer owns. Stripe's second and ours differ, so ours orders the story.
EVENTS_OF_ACCOUNT = """
SELECT received_at AS at, 'event' AS what, event.id, state,
       jsonb_build_object(
           'type', type, 'object_id', object_id, 'created_unix', created, 'source', source,
           'attempts', attempts, 'last_error', last_error) AS detail
  FROM inbox AS event JOIN account ON account.stripe_customer_id = event.customer_id
 WHERE account.id = $1
 ORDER BY created DESC, event.id DESC LIMIT $2
"""
# Of one change: its invoice's and that invoice's money's, and what the account's customer, subscription and
# schedules said while it was open.
EVENTS_OF_CHANGES = """
WITH money AS (
    SELECT leg.change_id, paid_by.payment_intent_id
      FROM change_leg AS leg
      JOIN stripe_invoice_paid_by AS paid_by ON paid_by.invoice_id = leg.stripe_invoice_id
     WHERE leg.change_id = ANY ($1)
), paying AS (
    SELECT payment_intent_id AS object_id FROM money
     UNION ALL
    SELECT charge.id FROM money JOIN stripe_charge AS charge USING (payment_intent_id)
)
SELECT DISTINCT ON (event.created, event.id) received_at AS at, 'event' AS what, event.id, event.state,
       jsonb_build_object(
           'type', type, 'object_id', object_id, 'created_unix', created, 'source', source,
           'attempts', event.attempts, 'last_error', last_error) AS detail
  FROM change_leg AS leg
  JOIN account ON account.id = leg.account_id
  JOIN inbox AS event ON event.customer_id = account.stripe_customer_id
   AND (event.object_id = leg.stripe_invoice_id
        OR event.object_id IN (SELECT object_id FROM paying)
        OR ((event.object_id IN (account.stripe_subscription_id, account.stripe_customer_id)
             OR event.type LIKE 'subscription!_schedule.%' ESCAPE '!')
            AND event.received_at BETWEEN leg.created_at
                                      AND coalesce(leg.ended_at, now()) + interval '10 minutes'))
 WHERE leg.change_id = ANY ($1)
 ORDER BY event.created DESC, event.id DESC LIMIT $2
"""
# Of the account, and of all accounts together, from the first of these changes to the end of the last.
SWITCHES = """
WITH span AS (
    SELECT min(created_at) AS began, max(coalesce(ended_at, now())) AS ended
      FROM change_leg WHERE change_id = ANY ($2)
)
SELECT at, 'hold' AS what, coalesce(nullif(chain, ''), 'all accounts') AS id,
       CASE act WHEN 'writes.stopped' THEN 'stop' WHEN 'writes.allowed' THEN 'go'
                WHEN 'account.parked' THEN 'park' ELSE 'unpark' END AS state,
       jsonb_build_object('actor', actor, 'reason', detail ->> 'reason') AS detail
  FROM audit_log, span
 WHERE chain IN ($1, '')
   AND act IN ('writes.stopped', 'writes.allowed', 'account.parked', 'account.unparked')
   AND ($3 OR at BETWEEN span.began AND span.ended)
 ORDER BY at DESC LIMIT $4
"""


async def happenings(
    conn: Executor, account_id: str, change_ids: Collection[str], *, whole_account: bool, limit: int
) -> list[Happening]:
    """The latest `limit` of each sort, in the order of time.

    With `whole_account` also quotes that were never confirmed, the account's own calls, and all its events.
    """
    changes = list(change_ids)
    subjects = [*changes, account_id] if whole_account else changes
    rows = [
        *await conn.fetch(QUOTES, account_id, None if whole_account else changes, limit),
        *await conn.fetch(CALLS, subjects, limit),
        *await conn.fetch(STEPS, changes, limit),
        *await conn.fetch(SWITCHES, account_id, changes, whole_account, limit),
    ]
    if whole_account:
        rows += await conn.fetch(EVENTS_OF_ACCOUNT, account_id, limit)
    else:
        rows += await conn.fetch(EVENTS_OF_CHANGES, changes, limit)
    happened = [Happening(**dict(row)) for row in rows]
    # Events are stored in batches: within one, Stripe's own second decides.
    return sorted(happened, key=lambda each: (each.at, each.detail.get("created_unix", 0)))


# ---- the head of a story

ACCOUNT_HEAD = """
SELECT id, name, currency, stripe_customer_id, stripe_subscription_id, parked_reason
  FROM account WHERE id = $1
"""
CHANGE_HEADS = """
SELECT leg.change_id, leg.leg, leg.state, leg.reason, leg.detail, change.quote_id, change.actor_id,
       leg.quoted_minor, leg.charged_minor, leg.difference_minor, leg.stripe_invoice_id, leg.unknown_since,
       leg.attempts, leg.next_attempt_at, change.created_at, leg.ended_at
  FROM change_leg AS leg JOIN change ON change.id = leg.change_id
 WHERE leg.change_id = ANY ($1) ORDER BY change.created_at, leg.change_id, leg.leg
"""


async def account_head(conn: Executor, account_id: str) -> dict[str, Any]:
    """The few columns that every story begins with."""
    row = await conn.fetchrow(ACCOUNT_HEAD, account_id)
    return dict(row) if row else {}


async def change_heads(conn: Executor, change_ids: Collection[str]) -> list[dict[str, Any]]:
    """Where each leg of these changes stands, the oldest first."""
    return [dict(row) for row in await conn.fetch(CHANGE_HEADS, list(change_ids))]
