"""Where a long-running reader stands."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sync.store.db import Executor

SELECT_POSITION = """
SELECT position FROM progress WHERE name = $1
"""


async def position(conn: Executor, name: str) -> dict[str, Any] | None:
    """The stored position of this reader; None before its first success."""
    found: dict[str, Any] | None = await conn.fetchval(SELECT_POSITION, name)
    return found


SELECT_SAVED_AT = "SELECT updated_at FROM progress WHERE name = $1"


async def saved_at(conn: Executor, name: str) -> datetime | None:
    """When this reader last came further; None before its first success."""
    found: datetime | None = await conn.fetchval(SELECT_SAVED_AT, name)
    return found


UPSERT_POSITION = """
INSERT INTO progress (name, position) VALUES ($1, $2)
    ON CONFLICT (name) DO UPDATE SET position = EXCLUDED.position, updated_at = now()
"""


async def save(conn: Executor, name: str, new_position: dict[str, Any]) -> None:
    """Remember how far this reader came."""
    await conn.execute(UPSERT_POSITION, name, new_position)


MOVE_POSITION = """
UPDATE progress SET position = $3, updated_at = now() WHERE name = $1 AND position = $2
"""
BEGIN_POSITION = """
INSERT INTO progress (name, position) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING
"""


async def move(
    conn: Executor, name: str, before: dict[str, Any] | None, new_position: dict[str, Any]
) -> bool:
    """Go on from the position that was read (None: there was none); False when somebody else did."""
    if before is None:
        return (await conn.execute(BEGIN_POSITION, name, new_position)).endswith(" 1")
    return (await conn.execute(MOVE_POSITION, name, before, new_position)).endswith(" 1")
