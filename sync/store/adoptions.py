"""Existing subscriptions that were looked at to be taken over, and the prices that they brought along."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sync.store.db import Connection, Executor

_COLUMNS = """
subscription_id, id, customer_id, outcome, account_id, reasons, remarks, items, terms, first_tried_at,
decided_at
"""


@dataclass(frozen=True, slots=True)
class AdoptionRow:
    """The last outcome of one subscription: `adopted`, `refused`, or `gone` (refused, and ended since)."""

    subscription_id: str
    id: str
    customer_id: str
    outcome: str
    account_id: str | None
    reasons: list[dict[str, Any]]
    remarks: list[dict[str, Any]]
    items: list[dict[str, Any]]
    terms: dict[str, Any] | None
    first_tried_at: datetime
    decided_at: datetime


@dataclass(frozen=True, slots=True)
class Outcome:
    """What was decided of one subscription; without an account it was refused."""

    subscription_id: str
    id: str
    customer_id: str
    account_id: str | None
    reasons: list[dict[str, str]]
    remarks: list[dict[str, str]]
    items: list[dict[str, object]]
    terms: dict[str, object] | None


# What was adopted stays adopted: a later look at the same subscription changes nothing of its history.
UPSERT_OUTCOME = """
INSERT INTO adoption (subscription_id, id, customer_id, outcome, account_id, reasons, remarks, items, terms)
VALUES ($1, $2, $3, CASE WHEN $4::text IS NULL THEN 'refused' ELSE 'adopted' END, $4, $5, $6, $7, $8)
ON CONFLICT (subscription_id) DO UPDATE
   SET customer_id = excluded.customer_id, outcome = excluded.outcome, account_id = excluded.account_id,
       reasons = excluded.reasons, remarks = excluded.remarks, items = excluded.items,
       terms = excluded.terms, decided_at = now()
 WHERE adoption.outcome <> 'adopted'
RETURNING id
"""


async def record(conn: Executor, outcome: Outcome) -> str:
    """Keep the outcome; returns the adoption's id, which stays the same over every look."""
    stored: str | None = await conn.fetchval(
        UPSERT_OUTCOME,
        outcome.subscription_id,
        outcome.id,
        outcome.customer_id,
        outcome.account_id,
        outcome.reasons,
        outcome.remarks,
        outcome.items,
        outcome.terms,
    )
    return stored or outcome.id


SELECT_OUTCOMES = f"""
SELECT {_COLUMNS} FROM adoption
 WHERE ($1::text IS NULL OR outcome = $1) AND ($2::text IS NULL OR subscription_id > $2)
 ORDER BY subscription_id LIMIT $3
"""


async def page(
    conn: Executor, *, outcome: str | None = None, after: str | None = None, limit: int = 1000
) -> list[AdoptionRow]:
    """Outcomes in the order of their subscriptions."""
    return [AdoptionRow(**dict(row)) for row in await conn.fetch(SELECT_OUTCOMES, outcome, after, limit)]


# What a complete walk did not meet has ended, or is another account's by now.
CLOSE_GONE = """
UPDATE adoption SET outcome = 'gone', decided_at = now()
 WHERE outcome = 'refused' AND subscription_id <> ALL ($1)
"""


async def close_gone(conn: Executor, living: Collection[str]) -> int:
    """Refused subscriptions that live no longer become `gone`; returns how many."""
    done = await conn.execute(CLOSE_GONE, sorted(living))
    return int(done.split()[-1])


@dataclass(frozen=True, slots=True)
class Owned:
    """The account of a customer, its subscription, and the adoption that the subscription came by."""

    account_id: str
    subscription_id: str | None
    adoption_id: str | None


SELECT_OWNERS = """
SELECT account.stripe_customer_id, account.id, account.stripe_subscription_id, adoption.id AS adoption_id
  FROM account
  LEFT JOIN adoption ON adoption.subscription_id = account.stripe_subscription_id
                    AND adoption.outcome = 'adopted'
 WHERE account.stripe_customer_id = ANY ($1)
"""


async def owners(conn: Executor, customer_ids: Collection[str]) -> dict[str, Owned]:
    """Whose customers these are, by customer, where there is an account."""
    rows = await conn.fetch(SELECT_OWNERS, sorted(set(customer_ids)))
    return {row[0]: Owned(row[1], row[2], row[3]) for row in rows}


# An account whose earlier subscription has ended may get another one.
LINK_SUBSCRIPTION = """
UPDATE account SET stripe_subscription_id = $2, stripe_schedule_id = NULL
 WHERE id = $1 AND stripe_subscription_id IS NOT DISTINCT FROM $3
"""


async def link(conn: Connection, account_id: str, subscription_id: str, before: str | None) -> bool:
    """Give the account its subscription; False when it has another one than `before` by now.

    Raises asyncpg's UniqueViolationError when another account has it.
    """
    done = await conn.execute(LINK_SUBSCRIPTION, account_id, subscription_id, before)
    return bool(done.endswith(" 1"))


ADOPT_PRICE = """
SELECT adopt_price($1, $2, $3, $4, $5, $6, $7)
"""


@dataclass(frozen=True, slots=True)
class ForeignPrice:
    """A price that is kept as a version of a slot, and never sold; `lookup_key` where it owns one of ours."""

    slot: str
    lookup_key: str | None
    version: int | None
    stripe_price_id: str
    stripe_product_id: str
    unit_amount_minor: int
    currency: str


async def keep_price(conn: Connection, price: ForeignPrice) -> bool:
    """Know this price from now on as one of its slot; False when it is known already."""
    kept: bool = await conn.fetchval(
        ADOPT_PRICE,
        price.slot,
        price.lookup_key,
        price.version,
        price.stripe_price_id,
        price.stripe_product_id,
        price.unit_amount_minor,
        price.currency,
    )
    return kept


# Events of later seconds than the reads that an adoption starts from.
SELECT_MOVED = """
SELECT head.id
  FROM unnest($1::text[], $2::bigint[]) AS read (id, unix)
  JOIN stripe_object AS head ON head.id = read.id
 WHERE head.seen_from_unix > read.unix
"""


async def moved(conn: Executor, read_unix: Mapping[str, int]) -> set[str]:
    """The objects of which the mirror holds something newer than what was read at these seconds."""
    rows = await conn.fetch(SELECT_MOVED, list(read_unix), list(read_unix.values()))
    return {row[0] for row in rows}
