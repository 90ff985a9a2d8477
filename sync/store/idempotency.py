"""Answers that were given under a caller's Idempotency-Key, and the claims of those still being worked on.

A row without `status` is a claim. Its `claimed_at` is the fence: only the process that holds this very claim
may finish or release it, so that one that was believed dead cannot write over its successor's answer.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sync.store.db import Executor


@dataclass(frozen=True, slots=True)
class AnswerRow:
    """What is stored under a key; `status` None means that the first request is still being worked on."""

    request_hash: bytes
    status: int | None
    body: bytes
    content_type: str


# A claim whose process was killed is taken over once its lease has run out, but only by the same request.
CLAIM = """
INSERT INTO idempotency_answer AS held (principal, key, request_hash, claimed_at)
VALUES ($1, $2, $3, clock_timestamp())
ON CONFLICT (principal, key) DO UPDATE SET claimed_at = clock_timestamp()
WHERE held.status IS NULL
  AND held.request_hash = excluded.request_hash
  AND held.claimed_at < clock_timestamp() - make_interval(secs => $4)
RETURNING claimed_at
"""


async def claim(
    conn: Executor, principal: str, key: str, request_hash: bytes, lease_seconds: float
) -> datetime | None:
    """Claim a key and return the claim's fence, or None when it is answered or somebody else works on it."""
    fence: datetime | None = await conn.fetchval(CLAIM, principal, key, request_hash, lease_seconds)
    return fence


LOOK = """
SELECT request_hash, status, body, content_type FROM idempotency_answer WHERE principal = $1 AND key = $2
"""


async def look(conn: Executor, principal: str, key: str) -> AnswerRow | None:
    """Return what is stored under a key, or None when there is nothing (any more)."""
    row = await conn.fetchrow(LOOK, principal, key)
    if row is None:
        return None
    return AnswerRow(row["request_hash"], row["status"], row["body"] or b"", row["content_type"] or "")


FINISH = """
UPDATE idempotency_answer
SET status = $4, body = $5, content_type = $6, answered_at = clock_timestamp()
WHERE principal = $1 AND key = $2 AND claimed_at = $3 AND status IS NULL
"""


async def finish(
    conn: Executor, principal: str, key: str, fence: datetime, *, status: int, body: bytes, content_type: str
) -> None:
    """Store the answer under a claimed key; nothing happens when the claim was lost meanwhile."""
    await conn.execute(FINISH, principal, key, fence, status, body, content_type)


RELEASE = """
DELETE FROM idempotency_answer WHERE principal = $1 AND key = $2 AND claimed_at = $3 AND status IS NULL
"""


async def release(conn: Executor, principal: str, key: str, fence: datetime) -> None:
    """Give a claimed key back without an answer, so that the same request may be sent again at once."""
    await conn.execute(RELEASE, principal, key, fence)
