"""Single tries: an event that failed in its batch is tried alone, and buried after the last try.

Its attempts are counted in a transaction of their own before each try.
"""

from __future__ import annotations

from collections.abc import Sequence

from handlers.inbox import Key, as_text, limited
from sync.store.db import Executor

# Not while another applier tries it, and not before it is due: several find the same event at once.
COUNT_ATTEMPT = """
WITH free AS (
    SELECT created, id FROM inbox
     WHERE created = $1 AND id = $2 AND state = 'waiting' AND (retry_at IS NULL OR retry_at <= now())
       FOR UPDATE SKIP LOCKED
)
UPDATE inbox AS stored
   SET attempts = stored.attempts + 1, last_error = coalesce($3, stored.last_error),
       retry_at = now() + make_interval(secs => $4 * power(2, stored.attempts))
  FROM free WHERE stored.created = $1 AND stored.id = free.id
RETURNING stored.attempts
"""


async def count_attempt(conn: Executor, key: Key, error: str | None, retry_seconds: float) -> int | None:
    """Count a single try before it is made, and commit that; None when it is not to be made now.

    Should the try kill the process, the next one comes after `retry_seconds`, doubled with each attempt.
    """
    note = None if error is None else as_text(error)
    attempts: int | None = await conn.fetchval(COUNT_ATTEMPT, key.created, key.id, note, retry_seconds)
    return attempts


# Due at once: nobody knows which of them it was that the batch got stuck at.
SET_APART = """
UPDATE inbox AS stored SET attempts = 1, last_error = $3, retry_at = now()
  FROM unnest($1::bigint[], $2::text[]) AS given (created, id)
 WHERE stored.created = given.created AND stored.id = given.id AND stored.created BETWEEN $4 AND $5
   AND stored.state = 'waiting' AND stored.attempts = 0
"""


async def set_apart(conn: Executor, keys: Sequence[Key], error: str) -> None:
    """Take the events of a batch that got stuck out of all batches: each is tried alone from now on."""
    ordered = sorted(keys)
    seconds, ids = [key.created for key in ordered], [key.id for key in ordered]
    await conn.execute(SET_APART, seconds, ids, as_text(error), seconds[0], seconds[-1])


# Down to one: with none it would be in the next batch again.
SPARE_ATTEMPT = """
UPDATE inbox SET attempts = greatest(attempts - 1, 1), last_error = $3
 WHERE created = $1 AND id = $2 AND state = 'waiting'
"""


async def spare_attempt(conn: Executor, key: Key, error: str) -> None:
    """Take back a counted try that failed for no fault of the event's; when it is due next stays."""
    await conn.execute(SPARE_ATTEMPT, key.created, key.id, as_text(error))


# What was tried least goes first: it is the likeliest to be healthy.
DUE_RETRIES = """
SELECT created, id, attempts FROM inbox
 WHERE state = 'waiting' AND attempts > 0 AND retry_at <= now()
 ORDER BY attempts, created, id
"""


async def due_retries(conn: Executor, limit: int) -> dict[Key, int]:
    """Events whose next single try is due, and how many tries they had."""
    rows = await conn.fetch(limited(DUE_RETRIES, limit))
    return {Key(created, id_): tries for created, id_, tries in rows}


BURY = """
UPDATE inbox SET state = 'buried', finished_at = now(), retry_at = NULL, last_error = $3
 WHERE created = $1 AND id = $2 AND state = 'waiting'
"""


async def bury(conn: Executor, key: Key, why: str) -> bool:
    """Set an event aside for a person; False when it does not wait any more."""
    return await conn.execute(BURY, *key, as_text(why)) == "UPDATE 1"
