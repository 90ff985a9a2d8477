"""Outgoing writes: key and body are committed before the first byte leaves."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sync.gateway import StoredCall
from sync.store.db import Connection, Executor, Record

INSERT_CALL = """
INSERT INTO stripe_call (key, subject_id, step, method, path, params)
VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT (key) DO NOTHING
"""

# The catalog push stores hundreds of calls at once.
INSERT_CALLS = """
INSERT INTO stripe_call (key, subject_id, step, method, path, params)
SELECT key, $1, step, method, path, params
  FROM unnest($2::text[], $3::text[], $4::text[], $5::text[], $6::jsonb[])
       AS call (key, step, method, path, params)
ON CONFLICT (key) DO NOTHING
"""

SELECT_CALL = """
SELECT key, step, method, path, params, first_sent_at, last_sent_at, sends, answered_at, http_status
  FROM stripe_call WHERE key = $1
"""

MARK_SENT = """
UPDATE stripe_call
   SET first_sent_at = coalesce(first_sent_at, clock_timestamp()), last_sent_at = clock_timestamp(),
       sends = sends + 1
 WHERE key = $1
"""

# Stripe said that it did not begin to execute it. If nobody sent it before, it is as if it never left.
MARK_NOT_EXECUTED = """
UPDATE stripe_call SET first_sent_at = NULL, last_sent_at = NULL, sends = 0
 WHERE key = $1 AND sends = 1 AND answered_at IS NULL
"""

SELECT_NEWEST = """
SELECT key, step, method, path, params, first_sent_at, last_sent_at, sends, answered_at, http_status,
       count(*) OVER () AS attempts
  FROM stripe_call WHERE subject_id = $1 AND step = $2 ORDER BY created_at DESC LIMIT 1
"""

MARK_ANSWERED = """
UPDATE stripe_call
   SET answered_at = clock_timestamp(), http_status = $2, stripe_request_id = $3, error_code = $4
 WHERE key = $1
"""


@dataclass(frozen=True, slots=True)
class CallRow:
    """A stored call and what became of it. `first_sent_at` is wall time."""

    call: StoredCall
    first_sent_at: datetime | None
    last_sent_at: datetime | None
    sends: int
    answered_at: datetime | None
    http_status: int | None


async def insert(conn: Executor, call: StoredCall, subject_id: str) -> None:
    """Store a call; the same key again changes nothing."""
    await conn.execute(INSERT_CALL, call.key, subject_id, call.step, call.method, call.path, call.params)


async def insert_many(conn: Connection, calls: list[StoredCall], subject_id: str) -> None:
    """Store many calls of one subject, sorted by key so that two writers cannot deadlock."""
    rows = sorted(calls, key=lambda call: call.key)
    columns: list[list[Any]] = [
        [getattr(call, name) for call in rows] for name in ("key", "step", "method", "path", "params")
    ]
    await conn.execute(INSERT_CALLS, subject_id, *columns)


async def get(conn: Executor, key: str) -> CallRow | None:
    row = await conn.fetchrow(SELECT_CALL, key)
    return _call_row(row) if row else None


async def newest(conn: Executor, subject_id: str, step: str) -> tuple[CallRow | None, int]:
    """The latest call of a step and how many there were: a step that was refused goes on under a new key."""
    row = await conn.fetchrow(SELECT_NEWEST, subject_id, step)
    return (_call_row(row), row["attempts"]) if row else (None, 0)


def _call_row(row: Record) -> CallRow:
    call = StoredCall(row["key"], row["step"], row["method"], row["path"], row["params"])
    return CallRow(
        call, row["first_sent_at"], row["last_sent_at"], row["sends"], row["answered_at"], row["http_status"]
    )


async def mark_not_executed(conn: Executor, key: str) -> None:
    """Take back `mark_sent` of a call that Stripe surely did not execute, unless it was sent before, too."""
    await conn.execute(MARK_NOT_EXECUTED, key)


async def mark_sent(conn: Executor, key: str) -> None:
    """Commit this before sending: from here on the outcome counts as unknown."""
    await conn.execute(MARK_SENT, key)


async def mark_answered(
    conn: Executor, key: str, http_status: int, request_id: str | None, error_code: str | None = None
) -> None:
    await conn.execute(MARK_ANSWERED, key, http_status, request_id, error_code)
