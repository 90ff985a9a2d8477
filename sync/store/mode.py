"""Whether a database holds test data or real money: said once, by the first key that is used with it."""

from __future__ import annotations

from sync.store.db import Executor

# The first one stays: the no-op update is only there to get the stored row back.
CLAIM_MODE = """
INSERT INTO progress (name, position) VALUES ('stripe_mode', $1)
    ON CONFLICT (name) DO UPDATE SET updated_at = progress.updated_at
RETURNING position
"""
SELECT_MODE = "SELECT position FROM progress WHERE name = 'stripe_mode'"


async def claim(conn: Executor, *, livemode: bool) -> bool:
    """Mark the database as of this mode if it has none; returns the mode it has from now on."""
    position = await conn.fetchval(CLAIM_MODE, {"livemode": livemode})
    return bool(position["livemode"])


async def livemode(conn: Executor) -> bool | None:
    """The mode of the database; None while no process was started on it."""
    position = await conn.fetchval(SELECT_MODE)
    return None if position is None else bool(position["livemode"])
