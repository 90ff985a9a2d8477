"""What a backfill leaves behind: objects that Stripe's lists no longer show, and where catch-up goes on."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sync.mirror_rows import Kind
from sync.store.db import Connection, Executor

# A complete walk shows everything that lives; what it did not touch is read by itself, and is a tombstone
# or one of those that lists leave out.
WISH_UNSEEN = """
INSERT INTO refresh (object_id, kind, reason)
SELECT id, kind, 'not_listed' FROM stripe_object
 WHERE kind = $1 AND deleted_at IS NULL AND seen_to_unix < $2
 ORDER BY id
    ON CONFLICT (object_id) DO UPDATE SET generation = refresh.generation + 1
"""


async def wish_unseen(conn: Connection, kind: Kind, since_unix: int) -> int:
    """Ask for every living object of a kind that nothing has shown since then; returns how many."""
    return int((await conn.execute(WISH_UNSEEN, str(kind), since_unix)).split()[-1])


# An older position stays: nobody has listed the events since then.
BEGIN_FROM = """
INSERT INTO progress (name, position) VALUES ($1, $2)
    ON CONFLICT (name) DO UPDATE SET position = EXCLUDED.position, updated_at = now()
     WHERE (progress.position ->> 'created')::bigint < $3
"""


async def begin_from(conn: Executor, name: str, position: dict[str, Any], forgotten_unix: int) -> None:
    """Let a reader that has no position, or one that Stripe has forgotten, begin here."""
    await conn.execute(BEGIN_FROM, name, position, forgotten_unix)


SELECT_NOW = """
SELECT clock_timestamp()
"""


async def now(conn: Executor) -> datetime:
    """The database's clock, by which heads say when they were written."""
    moment: datetime = await conn.fetchval(SELECT_NOW)
    return moment
