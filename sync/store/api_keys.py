"""API keys: what is stored is a hash, never the key itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import asyncpg

from sync.store.db import Executor


@dataclass(frozen=True, slots=True)
class ApiKeyRow:
    """One API key without its secret; `revoked_at` is set once and never cleared."""

    id: str
    name: str
    roles: tuple[str, ...]
    created_at: datetime
    last_used_at: datetime | None
    revoked_at: datetime | None


CREATE = """
INSERT INTO api_key (id, name, key_hash, roles)
VALUES ($1, $2, $3, $4)
RETURNING id, name, roles, created_at, last_used_at, revoked_at
"""


async def create(
    conn: Executor, *, key_id: str, name: str, key_hash: bytes, roles: Sequence[str]
) -> ApiKeyRow:
    """Store a new key by its SHA-256 and return its row."""
    row = await conn.fetchrow(CREATE, key_id, name, key_hash, sorted(set(roles)))
    if row is None:
        raise LookupError("INSERT ... RETURNING gave no row")
    return _row(row)


# `touched` keeps the last use to the minute: a write for every request would cost more than the answer.
FIND = """
WITH found AS (
    SELECT id, name, roles, created_at, last_used_at, revoked_at
    FROM api_key
    WHERE key_hash = $1 AND revoked_at IS NULL
), touched AS (
    UPDATE api_key SET last_used_at = now()
    FROM found
    WHERE api_key.id = found.id
      AND (found.last_used_at IS NULL OR found.last_used_at < now() - interval '1 minute')
)
SELECT id, name, roles, created_at, last_used_at, revoked_at FROM found
"""


async def find(conn: Executor, key_hash: bytes) -> ApiKeyRow | None:
    """Return the key with this hash unless it is unknown or revoked."""
    row = await conn.fetchrow(FIND, key_hash)
    return _row(row) if row else None


LIST = """
SELECT id, name, roles, created_at, last_used_at, revoked_at FROM api_key ORDER BY created_at, id
"""


async def list_keys(conn: Executor) -> list[ApiKeyRow]:
    """Return every key, revoked ones too, oldest first."""
    return [_row(row) for row in await conn.fetch(LIST)]


REVOKE = """
UPDATE api_key SET revoked_at = now() WHERE id = $1 AND revoked_at IS NULL RETURNING id
"""


async def revoke(conn: Executor, key_id: str) -> bool:
    """Revoke a key; from now on it is refused. Return whether it was in force until now."""
    return await conn.fetchval(REVOKE, key_id) is not None


def _row(row: asyncpg.Record) -> ApiKeyRow:
    return ApiKeyRow(
        row["id"],
        row["name"],
        tuple(row["roles"]),
        row["created_at"],
        row["last_used_at"],
        row["revoked_at"],
    )
