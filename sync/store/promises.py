"""Promises for the renewal, and what else of the account is under way beside them."""

from __future__ import annotations

from sync.store.changes import LEG_COLUMNS, LegRow
from sync.store.db import Connection, Executor

# A repair writes items like a purchase does, so that neither may begin beside the other.
HAS_OPEN_NOW_LEG = """
SELECT EXISTS (SELECT FROM change_leg WHERE account_id = $1 AND leg = 'now' AND ended_at IS NULL)
    OR EXISTS (SELECT FROM repair WHERE account_id = $1 AND ended_at IS NULL)
"""
SELECT_PROMISE = f"""
SELECT {LEG_COLUMNS} FROM change_leg
 WHERE account_id = $1 AND leg = 'at_renewal' AND ended_at IS NULL AND state <> 'applied'
"""

# The promise that follows takes it over with everything at Stripe; whoever holds the lease loses it.
REPLACE_PROMISE = """
UPDATE change_leg
   SET state = 'replaced', ended_at = clock_timestamp(), fence = fence + 1, leased_until = '-infinity'
 WHERE account_id = $1 AND leg = 'at_renewal' AND ended_at IS NULL AND state <> 'applied'
RETURNING change_id
"""

# What is applied is at Stripe and reads like everything else; before, it may land at any moment.
IS_BUYING = """
SELECT EXISTS (
    SELECT FROM change_leg
     WHERE account_id = $1 AND leg = 'now' AND ended_at IS NULL AND state <> 'applied')
    OR EXISTS (SELECT FROM repair WHERE account_id = $1 AND ended_at IS NULL)
"""
FORGET_SCHEDULE = """
UPDATE account SET stripe_schedule_id = NULL WHERE id = $1 AND stripe_schedule_id = $2
"""


async def is_buying(conn: Executor, account_id: str) -> bool:
    """Whether a purchase of the account, or a repair, may change its subscription at this moment."""
    return bool(await conn.fetchval(IS_BUYING, account_id))


async def forget_schedule(conn: Executor, account_id: str, stripe_schedule_id: str) -> None:
    """A schedule of ours is gone; one that took its place meanwhile stays noted."""
    await conn.execute(FORGET_SCHEDULE, account_id, stripe_schedule_id)


async def has_open_now_leg(conn: Executor, account_id: str) -> bool:
    """Whether something is being applied, compared with its quote, or repaired."""
    return bool(await conn.fetchval(HAS_OPEN_NOW_LEG, account_id))


async def promise_of(conn: Executor, account_id: str) -> LegRow | None:
    """The account's promise for the renewal that is not in force yet."""
    row = await conn.fetchrow(SELECT_PROMISE, account_id)
    return LegRow(**dict(row)) if row else None


async def replace_promise(conn: Connection, account_id: str) -> str | None:
    """End the account's promise for the renewal in favour of the next one; returns its change."""
    found: str | None = await conn.fetchval(REPLACE_PROMISE, account_id)
    return found
