"""Notices to people, stored with what caused them and sent afterwards.

A notice has a key of its own: whatever is repeated, the same thing is said once. `next_attempt_at` is also
the lease of whoever is sending it: nobody else takes it before. `attempts`, counted up by the claim, is the
fence: a sender that was held up until its lease was over cannot undo what another one wrote.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any

from sync.notice_kinds import NoticeKind
from sync.store.db import Executor, Pool


@dataclass(frozen=True, slots=True)
class NoticeRow:
    """One row of table notice, by column. A notice that is neither sent nor given up waits."""

    key: str
    account_id: str
    kind: str
    recipient: str
    locale: str
    data: dict[str, Any]
    attempts: int
    first_attempt_at: datetime | None
    next_attempt_at: datetime
    last_error: str | None
    sent_at: datetime | None
    given_up_at: datetime | None
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Backlog:
    """How many notices wait, how many were given up, and the age in seconds of the oldest that waits."""

    waiting: int
    given_up: int
    oldest_seconds: float


_COLUMNS = ", ".join(field.name for field in fields(NoticeRow))
_QUALIFIED = ", ".join(f"notice.{field.name}" for field in fields(NoticeRow))

INSERT_NOTICE = """
INSERT INTO notice (key, account_id, kind, recipient, locale, data)
VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT (key) DO NOTHING
"""
# Rows that another sender holds are skipped: two of them never wait for, or take, the same one.
CLAIM_DUE = f"""
WITH due AS (
    SELECT key FROM notice
     WHERE sent_at IS NULL AND given_up_at IS NULL AND next_attempt_at <= now()
     ORDER BY next_attempt_at LIMIT $1
       FOR UPDATE SKIP LOCKED
)
UPDATE notice
   SET attempts = attempts + 1, first_attempt_at = coalesce(first_attempt_at, now()),
       next_attempt_at = now() + make_interval(secs => $2)
  FROM due
 WHERE notice.key = due.key
RETURNING {_QUALIFIED}
"""
# Without a fence: whoever says so has the mail server's word for it.
MARK_SENT = """
UPDATE notice SET sent_at = clock_timestamp(), last_error = NULL, given_up_at = NULL
 WHERE key = $1 AND sent_at IS NULL
"""
MARK_FAILED = """
UPDATE notice SET next_attempt_at = clock_timestamp() + make_interval(secs => $3), last_error = $4
 WHERE key = $1 AND attempts = $2 AND sent_at IS NULL
"""
MARK_GIVEN_UP = """
UPDATE notice SET given_up_at = clock_timestamp(), last_error = $3
 WHERE key = $1 AND attempts = $2 AND sent_at IS NULL
"""
# A notice that was claimed and not tried: as if it had not been claimed.
PUT_BACK = """
UPDATE notice SET next_attempt_at = clock_timestamp(), attempts = attempts - 1
 WHERE key = $1 AND attempts = $2 AND sent_at IS NULL
"""
TRY_AGAIN = """
UPDATE notice SET next_attempt_at = now(), first_attempt_at = NULL, attempts = 0, given_up_at = NULL
 WHERE key = $1 AND sent_at IS NULL
"""
SELECT_NOTICE = f"SELECT {_COLUMNS} FROM notice WHERE key = $1"
SELECT_NEWEST = f"""
SELECT {_COLUMNS} FROM notice
 ORDER BY created_at DESC, key DESC LIMIT $1
"""
SELECT_GIVEN_UP = f"""
SELECT {_COLUMNS} FROM notice
 WHERE given_up_at IS NOT NULL
 ORDER BY created_at DESC, key DESC LIMIT $1
"""
COUNT_BACKLOG = """
SELECT (SELECT count(*) FROM notice WHERE sent_at IS NULL AND given_up_at IS NULL) AS waiting,
       (SELECT count(*) FROM notice WHERE given_up_at IS NOT NULL) AS given_up,
       (SELECT coalesce(extract(epoch FROM now() - min(created_at)), 0)::float8
          FROM notice WHERE sent_at IS NULL AND given_up_at IS NULL) AS oldest_seconds
"""


async def add(
    conn: Executor, key: str, *, account_id: str, kind: str, recipient: str, locale: str, data: dict[str, Any]
) -> bool:
    """Store a notice inside the caller's transaction; False when the same one is stored already.

    Raises ValueError for a kind that has no templates: it would wait unseen for ever.
    """
    done = await conn.execute(INSERT_NOTICE, key, account_id, str(NoticeKind(kind)), recipient, locale, data)
    return bool(done.endswith(" 1"))


async def claim(pool: Pool, limit: int, lease_seconds: float) -> list[NoticeRow]:
    """Take notices that are due: for so long they are this sender's alone."""
    rows = await pool.fetch(CLAIM_DUE, limit, lease_seconds)
    return [NoticeRow(**dict(row)) for row in rows]


async def mark_sent(conn: Executor, key: str) -> None:
    """The mail server has taken it."""
    await conn.execute(MARK_SENT, key)


async def mark_failed(conn: Executor, row: NoticeRow, pause_seconds: float, error: str) -> None:
    """This try failed; the next one is after the pause."""
    await conn.execute(MARK_FAILED, row.key, row.attempts, pause_seconds, error)


async def give_up(conn: Executor, row: NoticeRow, error: str) -> None:
    """It is not tried any more until a person says so."""
    await conn.execute(MARK_GIVEN_UP, row.key, row.attempts, error)


async def put_back(conn: Executor, row: NoticeRow) -> None:
    """It was not tried: anybody may take it at once."""
    await conn.execute(PUT_BACK, row.key, row.attempts)


async def try_again(conn: Executor, key: str) -> bool:
    """Let it be due now, with all its tries; False when it was sent or does not exist."""
    done = await conn.execute(TRY_AGAIN, key)
    return bool(done.endswith(" 1"))


async def get(conn: Executor, key: str) -> NoticeRow | None:
    row = await conn.fetchrow(SELECT_NOTICE, key)
    return NoticeRow(**dict(row)) if row else None


async def newest(conn: Executor, limit: int, *, failed: bool) -> list[NoticeRow]:
    """Notices, newest first; with `failed` only those that were given up."""
    rows = await conn.fetch(SELECT_GIVEN_UP if failed else SELECT_NEWEST, limit)
    return [NoticeRow(**dict(row)) for row in rows]


async def backlog(conn: Executor) -> Backlog:
    """What is not sent."""
    [row] = await conn.fetch(COUNT_BACKLOG)
    return Backlog(**dict(row))
