"""Notices to people, stored with what caused them and sent afterwards.

A notice has a key of its own: whatever is repeated, the same thing is said once.
"""

from __future__ import annotations

from typing import Any

from sync.store.db import Executor

INSERT_NOTICE = """
INSERT INTO notice (key, account_id, kind, recipient, locale, data)
VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT (key) DO NOTHING
"""


async def add(
    conn: Executor, key: str, *, account_id: str, kind: str, recipient: str, locale: str, data: dict[str, Any]
) -> bool:
    """Store a notice inside the caller's transaction; False when the same one is stored already."""
    done = await conn.execute(INSERT_NOTICE, key, account_id, kind, recipient, locale, data)
    return bool(done.endswith(" 1"))
