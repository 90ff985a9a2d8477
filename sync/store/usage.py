"""What each account's use stands at, and the promised decreases that it has outgrown."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sync.store.db import Connection, Executor


@dataclass(frozen=True, slots=True)
class LevelRow:
    """The threshold that one dimension was last found at, and how many crossings were told so far."""

    measured_limit: int
    percent: int
    crossings: int


@dataclass(frozen=True, slots=True)
class PromiseRow:
    """A scheduled decrease of an account that uses more than it leaves; terms as the contract writes them."""

    account_id: str
    account_name: str
    recipient: str
    locale: str
    contacts_in_use: int | None
    seats_in_use: int | None
    terms: dict[str, Any]
    effective_on: datetime
    test_clock_id: str | None


SELECT_LEVELS = "SELECT dimension, measured_limit, percent, crossings FROM usage_level WHERE account_id = $1"
UPSERT_LEVEL = """
INSERT INTO usage_level (account_id, dimension, measured_limit, percent, crossings)
VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (account_id, dimension)
DO UPDATE SET measured_limit = $3, percent = $4, crossings = $5
"""

# A customer on a test clock has a time of its own, so its promises are looked at whatever their date.
SELECT_OUTGROWN = """
SELECT account.id AS account_id, account.name AS account_name, account.primary_admin_email AS recipient,
       account.locale, account.contacts_in_use, account.seats_in_use, leg.terms, leg.effective_on,
       subscription.test_clock_id
  FROM change_leg AS leg
  JOIN account ON account.id = leg.account_id
  LEFT JOIN stripe_subscription AS subscription ON subscription.id = account.stripe_subscription_id
 WHERE leg.leg = 'at_renewal' AND leg.state = 'scheduled'
   AND ($1::text IS NULL OR leg.account_id = $1)
   AND (leg.effective_on <= $2 OR subscription.test_clock_id IS NOT NULL)
   AND (account.contacts_in_use > (leg.terms ->> 'contact_limit')::integer
        OR account.seats_in_use > (leg.terms ->> 'seats')::integer)
   AND leg.account_id > $3
 ORDER BY leg.account_id LIMIT $4
"""


async def levels(conn: Executor, account_id: str) -> dict[str, LevelRow]:
    """What the account's use was last found at, by dimension."""
    rows = [dict(row) for row in await conn.fetch(SELECT_LEVELS, account_id)]
    return {row.pop("dimension"): LevelRow(**row) for row in rows}


async def set_level(conn: Connection, account_id: str, dimension: str, level: LevelRow) -> None:
    """Write down what one dimension was found at. The caller holds the account's lock."""
    await conn.execute(
        UPSERT_LEVEL, account_id, dimension, level.measured_limit, level.percent, level.crossings
    )


async def outgrown(
    conn: Executor, account_id: str | None, until: datetime, *, after: str = "", limit: int = 100
) -> list[PromiseRow]:
    """A page of the scheduled decreases until then that use has outgrown, in the order of the accounts."""
    rows = await conn.fetch(SELECT_OUTGROWN, account_id, until, after, limit)
    return [PromiseRow(**dict(row)) for row in rows]
