"""What the sweep asks our own tables: whose an object is, what was not seen, and what nothing explains."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sync.mirror_rows import Kind
from sync.rules.terms import Terms
from sync.store.db import Connection, Executor, Record, encode_json

# Several pages of work for one call to Stripe each.
PAGE: Final = 100

NOW = "SELECT clock_timestamp()"

IDS_OF_CUSTOMERS = """
SELECT stripe_customer_id, id FROM account WHERE stripe_customer_id = ANY ($1)
"""
REPAIRING = "SELECT account_id FROM repair WHERE account_id = ANY ($1) AND ended_at IS NULL"

COUNT_LIVING = """
SELECT count(*) FROM stripe_subscription WHERE status NOT IN ('canceled', 'incomplete_expired')
"""

# The newest of those that were in force until a moment ago.
JUST_ENDED = """
SELECT DISTINCT ON (account_id)
       account_id, product, tier, contact_limit, seats, add_ons, interval
  FROM account_terms
 WHERE account_id = ANY ($1) AND ended_at > now() - make_interval(secs => $2)
 ORDER BY account_id, ended_at DESC
"""

# What lives in the mirror, and was neither seen nor written since the sweep began. `updated_at` is when the
# write began, so a write that is under way counts as before it.
_UNSEEN = """
  JOIN stripe_object AS head ON head.id = living.id AND head.deleted_at IS NULL
 WHERE head.updated_at < $1 AND living.id > $2"""
UNSEEN_SUBSCRIPTIONS = f"""
SELECT living.id FROM stripe_subscription AS living {_UNSEEN}
   AND living.status NOT IN ('canceled', 'incomplete_expired') ORDER BY living.id LIMIT $3
"""
UNSEEN_SCHEDULES = f"""
SELECT living.id FROM stripe_subscription_schedule AS living {_UNSEEN}
   AND living.status IN ('active', 'not_started') ORDER BY living.id LIMIT $3
"""
UNSEEN_INVOICES = f"""
SELECT living.id FROM stripe_invoice AS living {_UNSEEN}
   AND living.status IN ('draft', 'open') ORDER BY living.id LIMIT $3
"""

# Accounts whose own subscription the mirror never had, or knows as gone.
LOST_SUBSCRIPTIONS = """
SELECT account.id
  FROM account LEFT JOIN stripe_object AS head ON head.id = account.stripe_subscription_id
 WHERE account.stripe_subscription_id IS NOT NULL AND account.id > $1
   AND (head.seen_to_unix IS NULL OR head.deleted_at IS NOT NULL)
 ORDER BY account.id LIMIT $2
"""
LOST_CUSTOMERS = """
SELECT account.id
  FROM stripe_object AS head JOIN account ON account.stripe_customer_id = head.id
 WHERE head.deleted_at IS NOT NULL AND head.kind = 'customer' AND account.id > $1
 ORDER BY account.id LIMIT $2
"""

# Since the account is ours. While a purchase is on its way, its invoice is not known yet.
_UNEXPLAINED = """
SELECT invoice.id, account.id AS account_id, invoice.subscription_id, invoice.billing_reason,
       invoice.total_minor, invoice.currency
  FROM stripe_invoice AS invoice
  JOIN stripe_object AS head ON head.id = invoice.id AND head.deleted_at IS NULL
  JOIN account ON account.stripe_customer_id = invoice.customer_id
 WHERE invoice.billing_reason NOT IN ('subscription_cycle', 'subscription_create', 'subscription_threshold')
   AND invoice.status IN ('open', 'paid', 'uncollectible')
   AND NOT EXISTS (SELECT FROM change_leg WHERE change_leg.stripe_invoice_id = invoice.id)
   AND NOT EXISTS (SELECT FROM change_leg AS buying
                    WHERE buying.account_id = account.id AND buying.leg = 'now' AND buying.ended_at IS NULL)
   AND to_timestamp(invoice.created_unix) >= coalesce(
           (SELECT min(adoption.decided_at) FROM adoption
             WHERE adoption.account_id = account.id AND adoption.outcome = 'adopted'),
           account.created_at)
"""
UNEXPLAINED = f"{_UNEXPLAINED} AND invoice.id > $1 ORDER BY invoice.id LIMIT $2"
UNEXPLAINED_OF_ACCOUNT = f"{_UNEXPLAINED} AND account.id = $1 ORDER BY invoice.id LIMIT 1000"

# The first sighting counts: from then on an event had its time.
INSERT_SIGHTINGS = """
INSERT INTO mirror_sighting (object_id, account_id, expected, found, due_at)
SELECT object_id, account_id, expected::jsonb, found::jsonb, now() + make_interval(secs => $5)
  FROM unnest($1::text[], $2::text[], $3::text[], $4::text[])
       AS seen (object_id, account_id, expected, found)
 WHERE NOT EXISTS (SELECT FROM inbox WHERE inbox.object_id = seen.object_id AND inbox.state = 'waiting')
 ORDER BY object_id
    ON CONFLICT (object_id) DO NOTHING
"""
# An event that came after the sighting was on its way then; a little before it, it was being applied.
TAKE_DUE_SIGHTINGS = """
WITH due AS (
    SELECT object_id FROM mirror_sighting WHERE due_at <= now()
     ORDER BY object_id LIMIT $1 FOR UPDATE SKIP LOCKED
)
DELETE FROM mirror_sighting AS sighting USING due WHERE sighting.object_id = due.object_id
RETURNING sighting.object_id, sighting.account_id, sighting.expected, sighting.found,
          EXISTS (SELECT FROM inbox WHERE inbox.object_id = sighting.object_id
                     AND inbox.received_at > sighting.seen_at - make_interval(secs => $2)) AS explained
"""


@dataclass(frozen=True, slots=True)
class Sighting:
    """Where Stripe showed something else than the mirror held; both by column."""

    object_id: str
    account_id: str | None
    expected: dict[str, Any]
    found: dict[str, Any]


@dataclass(frozen=True, slots=True)
class OddInvoice:
    """An invoice of a known customer that nothing explains. Amounts in minor units."""

    id: str
    account_id: str
    subscription_id: str | None
    billing_reason: str | None
    total_minor: int
    currency: str


async def now(conn: Executor) -> datetime:
    """The database's clock."""
    moment: datetime = await conn.fetchval(NOW)
    return moment


async def ids_of_customers(conn: Executor, customer_ids: Collection[str]) -> dict[str, str]:
    """The account of each of these Stripe customers; customers that are not ours are absent."""
    return {row[0]: row[1] for row in await conn.fetch(IDS_OF_CUSTOMERS, sorted(customer_ids))}


async def repairing(conn: Executor, account_ids: Collection[str]) -> set[str]:
    """Which of these accounts a repair may write to at this moment."""
    return {row["account_id"] for row in await conn.fetch(REPAIRING, sorted(account_ids))}


async def living_subscriptions(conn: Executor) -> int:
    """How many subscriptions live, as far as the mirror knows."""
    return int(await conn.fetchval(COUNT_LIVING))


async def just_ended(conn: Executor, account_ids: Collection[str], seconds: float) -> dict[str, Terms]:
    """The terms that these accounts had until so many seconds ago; accounts without are absent."""
    found = [dict(row) for row in await conn.fetch(JUST_ENDED, sorted(account_ids), seconds)]
    return {row.pop("account_id"): Terms.from_json(row) for row in found}


_UNSEEN_OF: Final = {
    Kind.SUBSCRIPTION: UNSEEN_SUBSCRIPTIONS,
    Kind.SCHEDULE: UNSEEN_SCHEDULES,
    Kind.INVOICE: UNSEEN_INVOICES,
}


async def unseen(conn: Executor, kind: Kind, since: datetime, after: str) -> list[str]:
    """A page of objects that live in the mirror and that nobody has seen since."""
    return [row["id"] for row in await conn.fetch(_UNSEEN_OF[kind], since, after, PAGE)]


async def lost_subscriptions(conn: Executor, after: str) -> list[str]:
    """A page of accounts whose own subscription the mirror does not have."""
    return [row["id"] for row in await conn.fetch(LOST_SUBSCRIPTIONS, after, PAGE)]


async def lost_customers(conn: Executor, after: str) -> list[str]:
    """A page of accounts whose customer was deleted, as far as the mirror knows."""
    return [row["id"] for row in await conn.fetch(LOST_CUSTOMERS, after, PAGE)]


async def unexplained(conn: Executor, after: str) -> list[OddInvoice]:
    """A page of mirrored invoices that nothing explains."""
    return [_odd(row) for row in await conn.fetch(UNEXPLAINED, after, PAGE)]


async def unexplained_of(conn: Executor, account_id: str) -> list[OddInvoice]:
    """One account's mirrored invoices that nothing explains."""
    return [_odd(row) for row in await conn.fetch(UNEXPLAINED_OF_ACCOUNT, account_id)]


def _odd(row: Record) -> OddInvoice:
    return OddInvoice(**dict(row))


async def note_sightings(conn: Connection, sightings: Sequence[Sighting], grace_seconds: float) -> None:
    """Keep what was seen until an event had its time; where one waits already, that explains it."""
    rows = [
        (each.object_id, each.account_id, encode_json(each.expected), encode_json(each.found))
        for each in sorted(sightings, key=lambda each: each.object_id)
    ]
    if rows:
        await conn.execute(INSERT_SIGHTINGS, *map(list, zip(*rows, strict=True)), grace_seconds)


async def take_due_sightings(
    conn: Connection, limit: int, margin_seconds: float
) -> list[tuple[Sighting, bool]]:
    """Remove sightings that are due; with each, whether an event explains it."""
    rows = await conn.fetch(TAKE_DUE_SIGHTINGS, limit, margin_seconds)
    return [
        (Sighting(row["object_id"], row["account_id"], row["expected"], row["found"]), row["explained"])
        for row in rows
    ]
