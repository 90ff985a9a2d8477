"""What is too old to be kept: found, counted, and deleted in small pieces.

Partitions are named by our own function in the database, never by a caller; a statement that drops one takes
no parameters.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from datetime import datetime

from sync.store.db import Connection, Executor

PARTITION = re.compile(r"inbox_(\d{4})_(\d{2})")
# Whoever needs the inbox waits behind us for so long at most; if it is busy, tomorrow is early enough.
LOCK_TIMEOUT = "SET LOCAL lock_timeout = '500ms'"
# Nothing that is done under the lock takes long; what does is given up.
TIME_LIMIT = "SET LOCAL statement_timeout = '2s'"

# ---- events

SELECT_PARTITIONS = """
SELECT child.relname FROM pg_inherits JOIN pg_class AS child ON child.oid = inhrelid
 WHERE inhparent = 'inbox'::regclass AND child.relname <> 'inbox_default' ORDER BY child.relname
"""
# What nobody applied yet, or what waits for a person. Two counts, because each state has a partial index of
# its own, and with IN neither of them would be used.
COUNT_OPEN = """
SELECT (SELECT count(*) FROM inbox WHERE created >= $1 AND created < $2 AND state = 'waiting')
     + (SELECT count(*) FROM inbox WHERE created >= $1 AND created < $2 AND state = 'buried')
"""
COUNT_EVENTS = "SELECT count(*) FROM inbox WHERE created >= $1 AND created < $2"
ESTIMATE_EVENTS = "SELECT greatest(reltuples, 0)::bigint FROM pg_class WHERE oid = to_regclass($1)"
LOCK_INBOX = "LOCK TABLE inbox IN ACCESS EXCLUSIVE MODE"


async def partitions(conn: Executor) -> list[str]:
    """The names of the inbox's monthly partitions, the oldest first."""
    names = [str(row["relname"]) for row in await conn.fetch(SELECT_PARTITIONS)]
    return [name for name in names if PARTITION.fullmatch(name)]


async def count_open(conn: Executor, from_unix: int, to_unix: int) -> int:
    """How many events of this span still wait, or are buried."""
    found: int = await conn.fetchval(COUNT_OPEN, from_unix, to_unix)
    return found


async def count_events(conn: Executor, from_unix: int, to_unix: int) -> int:
    """How many events of this span are stored."""
    found: int = await conn.fetchval(COUNT_EVENTS, from_unix, to_unix)
    return found


async def estimate_events(conn: Executor, name: str) -> int:
    """How many events PostgreSQL believes a month to have."""
    found: int | None = await conn.fetchval(ESTIMATE_EVENTS, name)
    return found or 0


async def lock_inbox(conn: Connection) -> None:
    """Keep everybody out of the inbox until the transaction ends.

    Raises asyncpg's LockNotAvailableError when somebody is in it for longer than we may make others wait.
    """
    await conn.execute(LOCK_TIMEOUT)
    await conn.execute(TIME_LIMIT)
    await conn.execute(LOCK_INBOX)


async def drop_partition(conn: Connection, name: str) -> None:
    """Remove a month with everything in it. The caller has locked the inbox."""
    if not PARTITION.fullmatch(name):
        raise ValueError(f"{name!r} is no partition of the inbox")
    await conn.execute(f"DROP TABLE {name}")


# ---- rows

# Events of odd times: outside of every month. They go when they came in long ago, whatever they say.
COUNT_ODD = """
SELECT count(*) FROM inbox_default WHERE received_at < $1 AND state IN ('finished', 'ignored')
"""
DELETE_ODD = """
WITH old AS (
    SELECT created, id FROM inbox_default WHERE received_at < $1 AND state IN ('finished', 'ignored')
     ORDER BY created, id LIMIT $2 FOR UPDATE SKIP LOCKED
)
DELETE FROM inbox_default AS stored USING old WHERE stored.created = old.created AND stored.id = old.id
"""
COUNT_ANSWERS = "SELECT count(*) FROM idempotency_answer WHERE claimed_at < $1"
# Sorted and locked in key order, like every write of several rows.
DELETE_ANSWERS = """
WITH old AS (
    SELECT principal, key FROM idempotency_answer WHERE claimed_at < $1
     ORDER BY principal, key LIMIT $2 FOR UPDATE SKIP LOCKED
)
DELETE FROM idempotency_answer AS answer USING old
 WHERE answer.principal = old.principal AND answer.key = old.key
"""
# What was confirmed, or offered by support, is evidence and stays.
_UNUSED = """
created_at < $1 AND expires_at < $1
   AND NOT EXISTS (SELECT FROM change WHERE change.quote_id = quote.id)
   AND NOT EXISTS (SELECT FROM change_request AS request WHERE request.quote_id = quote.id)
"""
COUNT_QUOTES = f"SELECT count(*) FROM quote WHERE {_UNUSED}"
DELETE_QUOTES = f"""
WITH old AS (SELECT id FROM quote WHERE {_UNUSED} ORDER BY id LIMIT $2 FOR UPDATE SKIP LOCKED)
DELETE FROM quote USING old WHERE quote.id = old.id
"""
COUNT_JOB_LOG = """
SELECT (SELECT count(*) FROM queue.pgqueuer_log WHERE created < $1)
     + (SELECT count(*) FROM queue.pgqueuer_statistics WHERE created < $1)
"""
DELETE_JOB_LOG = """
WITH old AS (SELECT id FROM queue.pgqueuer_log WHERE created < $1 ORDER BY id LIMIT $2 FOR UPDATE SKIP LOCKED)
DELETE FROM queue.pgqueuer_log AS log USING old WHERE log.id = old.id
"""
DELETE_STATISTICS = """
WITH old AS (
    SELECT id FROM queue.pgqueuer_statistics WHERE created < $1
     ORDER BY id LIMIT $2 FOR UPDATE SKIP LOCKED
)
DELETE FROM queue.pgqueuer_statistics AS log USING old WHERE log.id = old.id
"""

Count = Callable[[Executor, datetime], Awaitable[int]]
Delete = Callable[[Executor, datetime, int], Awaitable[int]]
"""Deletes up to so many rows from before a moment, in one statement, and returns how many."""


def _count(sql: str) -> Count:
    async def count(conn: Executor, before: datetime) -> int:
        return int(await conn.fetchval(sql, before))

    return count


def _delete(*statements: str) -> Delete:
    async def delete(conn: Executor, before: datetime, limit: int) -> int:
        deleted = [await conn.execute(sql, before, limit) for sql in statements]
        return sum(int(status.rpartition(" ")[2]) for status in deleted)

    return delete


ODD_EVENTS = _count(COUNT_ODD), _delete(DELETE_ODD)
ANSWERS = _count(COUNT_ANSWERS), _delete(DELETE_ANSWERS)
QUOTES = _count(COUNT_QUOTES), _delete(DELETE_QUOTES)
JOB_LOG = _count(COUNT_JOB_LOG), _delete(DELETE_JOB_LOG, DELETE_STATISTICS)
