"""Head rows of the mirror, and what the rest of the billing reads from it."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

from sync.mirror_rows import InvoiceRow, Kind, SubscriptionItemRow, SubscriptionRow
from sync.store.db import Connection, Executor, Record


@dataclass(frozen=True, slots=True)
class HeadRow:
    """What is known of one object; `seen_*_unix` are Stripe's seconds, None while it was never seen.

    `source_event_id` names the stored event that is held, None after a read. `revision` counts writes;
    the last one began at `updated_at`, by the database's clock.
    """

    id: str
    kind: Kind
    seen_from_unix: int | None = None
    seen_to_unix: int | None = None
    source_event_id: str | None = None
    linked: bool = False
    revision: int = 0
    deleted: bool = False
    updated_at: datetime | None = None


# Sorted, and before any lock is taken: two batches that meet new objects then wait for one another in
# one direction only.
INSERT_HEADS = """
INSERT INTO stripe_object (id, kind)
SELECT id, kind FROM unnest($1::text[], $2::text[]) AS given (id, kind)
 ORDER BY id
    ON CONFLICT (id) DO NOTHING
"""

_HEAD = """id, kind, seen_from_unix, seen_to_unix, source_event_id, linked, revision,
       deleted_at IS NOT NULL AS deleted, updated_at"""

# Whoever holds a head may write its object and the object's children; the order of ids excludes deadlocks.
LOCK_HEADS = f"""
SELECT {_HEAD}
  FROM stripe_object WHERE id = ANY($1::text[])
 ORDER BY id FOR UPDATE
"""


async def lock_heads(conn: Connection, kinds: dict[str, Kind]) -> dict[str, HeadRow]:
    """Lock the heads of these objects until the transaction ends, making those that are missing."""
    ids = sorted(kinds)
    await conn.execute(INSERT_HEADS, ids, [kinds[object_id] for object_id in ids])
    return {record["id"]: _head_row(record) for record in await conn.fetch(LOCK_HEADS, ids)}


def _head_row(record: Record) -> HeadRow:
    return HeadRow(record["id"], Kind(record["kind"]), *list(record.values())[2:])


# The revision tells a reader whether somebody wrote while its read was under way. A tombstone keeps the
# time of the first word of the deletion.
UPDATE_HEADS = """
UPDATE stripe_object AS head
   SET seen_from_unix = given.seen_from_unix, seen_to_unix = given.seen_to_unix,
       source_event_id = given.source_event_id, linked = given.linked, revision = head.revision + 1,
       deleted_at = CASE WHEN given.deleted THEN coalesce(head.deleted_at, now()) END, updated_at = now()
  FROM unnest($1::text[], $2::bigint[], $3::bigint[], $4::text[], $5::boolean[], $6::boolean[])
       AS given (id, seen_from_unix, seen_to_unix, source_event_id, linked, deleted)
 WHERE head.id = given.id
"""


async def update_heads(conn: Connection, heads: Sequence[HeadRow]) -> None:
    """Write what was seen. The caller holds the locks."""
    rows = [(h.id, h.seen_from_unix, h.seen_to_unix, h.source_event_id, h.linked, h.deleted) for h in heads]
    if rows:
        await conn.execute(UPDATE_HEADS, *map(list, zip(*rows, strict=True)))


# The body of the event that is held now says what was true just before it.
SELECT_SOURCES = """
SELECT stored.id, stored.body
  FROM unnest($1::bigint[], $2::text[]) AS given (created, id)
  JOIN inbox AS stored ON stored.created = given.created AND stored.id = given.id
 WHERE stored.created BETWEEN $3 AND $4
"""


async def source_bodies(conn: Connection, keys: Collection[tuple[int, str]]) -> dict[str, bytes]:
    """The stored events behind these `(created, event id)`, by event id."""
    if not keys:
        return {}
    seconds = [created for created, _ in keys]
    ids = [event_id for _, event_id in keys]
    rows = await conn.fetch(SELECT_SOURCES, seconds, ids, min(seconds), max(seconds))
    return {row["id"]: row["body"] for row in rows}


HEAD = f"""
SELECT {_HEAD}
  FROM stripe_object WHERE id = $1
"""


async def head(conn: Executor, object_id: str) -> HeadRow | None:
    """What is known of this object; None when we never heard of it."""
    record = await conn.fetchrow(HEAD, object_id)
    return None if record is None else _head_row(record)


SUBSCRIPTION = f"""
SELECT {", ".join(SubscriptionRow._fields)} FROM stripe_subscription WHERE id = $1
"""


async def subscription_row(conn: Executor, subscription_id: str) -> SubscriptionRow | None:
    """The subscription as mirrored, ended ones too; None when it is not (yet) known."""
    record = await conn.fetchrow(SUBSCRIPTION, subscription_id)
    return None if record is None else SubscriptionRow(*record)


SUBSCRIPTIONS = f"""
SELECT {", ".join(SubscriptionRow._fields)} FROM stripe_subscription WHERE id = ANY ($1)
"""


async def subscription_rows(conn: Executor, subscription_ids: Collection[str]) -> dict[str, SubscriptionRow]:
    """Several subscriptions by id, in one read; those that are not (yet) known are absent."""
    rows = [SubscriptionRow(*record) for record in await conn.fetch(SUBSCRIPTIONS, list(subscription_ids))]
    return {row.id: row for row in rows}


SUBSCRIPTIONS_OF = f"""
SELECT {", ".join(SubscriptionRow._fields)} FROM stripe_subscription
 WHERE customer_id = $1 ORDER BY created_unix DESC, id DESC
"""


async def subscriptions_of(conn: Executor, customer_id: str) -> list[SubscriptionRow]:
    """Every subscription of a Stripe customer as mirrored, ended ones too, newest first."""
    return [SubscriptionRow(*record) for record in await conn.fetch(SUBSCRIPTIONS_OF, customer_id)]


ITEMS_OF = f"""
SELECT {", ".join(SubscriptionItemRow._fields)} FROM stripe_subscription_item
 WHERE subscription_id = ANY ($1) ORDER BY subscription_id, position
"""


async def items_of(conn: Executor, subscription_ids: Collection[str]) -> dict[str, list[SubscriptionItemRow]]:
    """The current items of several subscriptions as mirrored, in Stripe's order."""
    found: dict[str, list[SubscriptionItemRow]] = {}
    for record in await conn.fetch(ITEMS_OF, list(subscription_ids)):
        row = SubscriptionItemRow(*record)
        found.setdefault(row.subscription_id, []).append(row)
    return found


# A draft that was deleted is a tombstone, and no invoice for anybody.
INVOICES_OF = f"""
SELECT {", ".join(f"invoice.{name}" for name in InvoiceRow._fields)}
  FROM stripe_invoice AS invoice
  JOIN stripe_object AS head ON head.id = invoice.id AND head.deleted_at IS NULL
 WHERE invoice.customer_id = $1
   AND ($2::text IS NULL
        OR (invoice.created_unix, invoice.id) <
           (SELECT last.created_unix, last.id FROM stripe_invoice AS last WHERE last.id = $2))
 ORDER BY invoice.created_unix DESC, invoice.id DESC
 LIMIT $3
"""


async def invoices_of(
    conn: Executor, customer_id: str, *, limit: int = 100, starting_after: str | None = None
) -> list[InvoiceRow]:
    """A Stripe customer's invoices as mirrored, newest first, after the invoice `starting_after`."""
    return [
        InvoiceRow(*record) for record in await conn.fetch(INVOICES_OF, customer_id, starting_after, limit)
    ]
