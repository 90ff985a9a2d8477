"""Where a long-running reader stands."""

from __future__ import annotations

from typing import Any

from sync.store.db import Executor

SELECT_POSITION = """
SELECT position FROM progress WHERE name = $1
"""


async def position(conn: Executor, name: str) -> dict[str, Any] | None:
    """The stored position of this reader; None before its first success."""
    found: dict[str, Any] | None = await conn.fetchval(SELECT_POSITION, name)
    return found


UPSERT_POSITION = """
INSERT INTO progress (name, position) VALUES ($1, $2)
    ON CONFLICT (name) DO UPDATE SET position = EXCLUDED.position, updated_at = now()
"""


async def save(conn: Executor, name: str, new_position: dict[str, Any]) -> None:
    """Remember how far this reader came."""
    await conn.execute(UPSERT_POSITION, name, new_position)
