"""Who is to look at which change again: woken by events, or because its time has come."""

from __future__ import annotations

from collections.abc import Collection

from sync.store.changes import NUDGE_SECONDS
from sync.store.db import Connection

# Inside the mirror's transaction: legs are locked in the order of their ids, as everywhere.
# The job may be lost with its worker, so the leg is due soon even where its next look was days away.
MARK_SEEN = f"""
WITH waiting AS (
    SELECT leg.change_id, leg.leg
      FROM change_leg AS leg JOIN account ON account.id = leg.account_id
     WHERE account.stripe_customer_id = ANY ($1) AND leg.ended_at IS NULL
     ORDER BY leg.change_id, leg.leg
       FOR UPDATE OF leg
)
UPDATE change_leg AS leg
   SET event_seen_at = clock_timestamp(), nudges = nudges + 1,
       next_attempt_at = least(
           next_attempt_at, clock_timestamp() + make_interval(secs => {NUDGE_SECONDS}))
  FROM waiting
 WHERE leg.change_id = waiting.change_id AND leg.leg = waiting.leg
RETURNING leg.change_id
"""

# The nudge moves the next one on, so that a full queue is not filled with the same change every second.
NUDGE_DUE = f"""
WITH due AS (
    SELECT change_id, leg FROM change_leg
     WHERE ended_at IS NULL AND next_attempt_at <= clock_timestamp()
       AND leased_until < clock_timestamp()
     ORDER BY change_id, leg LIMIT $1
       FOR UPDATE SKIP LOCKED
)
UPDATE change_leg AS leg
   SET next_attempt_at = clock_timestamp() + make_interval(secs => {NUDGE_SECONDS})
  FROM due WHERE leg.change_id = due.change_id AND leg.leg = due.leg
RETURNING leg.change_id
"""


async def mark_seen(conn: Connection, customer_ids: Collection[str]) -> list[str]:
    """Note that events about these customers were applied; returns the ids of their open changes."""
    rows = await conn.fetch(MARK_SEEN, sorted(customer_ids))
    return sorted({row["change_id"] for row in rows})


async def nudge_due(conn: Connection, limit: int) -> list[str]:
    """Changes whose next attempt is due and that nobody holds, each once in NUDGE_SECONDS."""
    return sorted({row["change_id"] for row in await conn.fetch(NUDGE_DUE, limit)})
