"""Objects to be read again: the table is the queue.

A wish counts the generation up; a reader claims a lease and, in the transaction that writes what it read,
removes the row only where the generation is still the one that it claimed. So a wish that arrives while
the read is under way is never lost, and a crash only costs the time of the lease.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from sync.mirror_rows import Kind
from sync.store.db import Connection, Executor


@dataclass(frozen=True, slots=True)
class Wish:
    """An object to be read again, and the first reason for it."""

    object_id: str
    kind: Kind
    reason: str


@dataclass(frozen=True, slots=True)
class Claim:
    """A leased wish. `revision` is that of the head before the read; -1: the object was never heard of."""

    object_id: str
    kind: Kind
    generation: int
    attempts: int
    revision: int


UPSERT_WISHES = """
INSERT INTO refresh (object_id, kind, reason)
SELECT object_id, kind, reason
  FROM unnest($1::text[], $2::text[], $3::text[]) AS wish (object_id, kind, reason)
 ORDER BY object_id
    ON CONFLICT (object_id) DO UPDATE SET generation = refresh.generation + 1
"""


async def wish(conn: Connection, wishes: Sequence[Wish]) -> None:
    """Ask for these objects (each at most once) to be read again, when the transaction commits."""
    if wishes:
        rows = [(w.object_id, w.kind, w.reason) for w in wishes]
        await conn.execute(UPSERT_WISHES, *map(list, zip(*rows, strict=True)))


WISHED = """
SELECT object_id FROM refresh WHERE object_id = ANY ($1::text[])
"""


async def wished(conn: Connection, object_ids: Collection[str]) -> set[str]:
    """Which of these objects wait to be read again: what is held of them may be wrong."""
    return {row["object_id"] for row in await conn.fetch(WISHED, list(object_ids))}


# The oldest wishes first; those that another reader holds are passed over without waiting.
CLAIM_WISHES = """
WITH due AS MATERIALIZED (
    SELECT object_id FROM refresh WHERE leased_until < now()
     ORDER BY wished_at, object_id LIMIT $1 FOR UPDATE SKIP LOCKED
), leased AS (
    UPDATE refresh SET leased_until = now() + make_interval(secs => $2), attempts = attempts + 1
      FROM due WHERE refresh.object_id = due.object_id
    RETURNING refresh.object_id, refresh.kind, refresh.generation, refresh.attempts
)
SELECT leased.object_id, leased.kind, leased.generation, leased.attempts, coalesce(head.revision, -1)
  FROM leased LEFT JOIN stripe_object AS head ON head.id = leased.object_id
 ORDER BY leased.object_id
"""


async def claim(conn: Executor, limit: int, lease_seconds: float) -> list[Claim]:
    """Lease up to `limit` wishes. Run it outside any transaction: the lease must be seen by others."""
    rows = await conn.fetch(CLAIM_WISHES, limit, lease_seconds)
    return [Claim(row[0], Kind(row[1]), row[2], row[3], row[4]) for row in rows]


DELETE_WISH = """
DELETE FROM refresh WHERE object_id = $1 AND generation = $2
"""

# A newer wish came in meanwhile: it is due at once.
FREE_WISH = """
UPDATE refresh SET leased_until = '-infinity', attempts = 0, last_error = NULL WHERE object_id = $1
"""


async def done(conn: Connection, claimed: Claim) -> None:
    """End a claim in the transaction that wrote the read; a wish made meanwhile stays."""
    if await conn.execute(DELETE_WISH, claimed.object_id, claimed.generation) == "DELETE 0":
        await conn.execute(FREE_WISH, claimed.object_id)


POSTPONE_WISH = """
UPDATE refresh SET leased_until = now() + make_interval(secs => $2), last_error = $3 WHERE object_id = $1
"""


async def postpone(conn: Executor, object_id: str, seconds: float, error: str) -> None:
    """Try again after `seconds`, because the read failed or proved nothing."""
    await conn.execute(POSTPONE_WISH, object_id, seconds, error[:500])


WAITING_WISHES = """
SELECT count(*), extract(epoch FROM now() - min(wished_at))::float8 FROM refresh
"""


async def backlog(conn: Executor) -> tuple[int, float | None]:
    """How many objects wait to be read, and the age of the oldest wish in seconds."""
    row = await conn.fetchrow(WAITING_WISHES)
    return (row[0], row[1]) if row else (0, None)
