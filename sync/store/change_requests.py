"""Stored change requests: what was asked for, and what was decided."""

from __future__ import annotations

from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any

from sync.store.db import Connection, Executor


@dataclass(frozen=True, slots=True)
class RequestRow:
    """One row of table change_request, by column.

    `wish` names terms (the named fields only), or is None where the cancellation is asked for (`cancel`
    true) or to be taken back (false). `losses` is what the account would lose, as it was shown.
    """

    id: str
    account_id: str
    state: str
    wish: dict[str, Any] | None
    cancel: bool | None
    effective: str
    reason: str
    contact_email: str | None
    losses: list[dict[str, Any]]
    actor_id: str
    decided_by: str | None
    decided_at: datetime | None
    decided_effective: str | None
    note: str | None
    quote_id: str | None
    change_id: str | None
    expires_at: datetime
    created_at: datetime


_NAMES = [field.name for field in fields(RequestRow)]
_COLUMNS = ", ".join(_NAMES)
_PLACES = ", ".join(f"${place}" for place in range(1, len(_NAMES) + 1))

INSERT_REQUEST = f"INSERT INTO change_request ({_COLUMNS}) VALUES ({_PLACES})"
SELECT_REQUEST = f"SELECT {_COLUMNS} FROM change_request WHERE id = $1"
SELECT_PAGE = f"""
SELECT {_COLUMNS} FROM change_request
 WHERE ($2::text IS NULL OR account_id = $2)
   AND ($3::text IS NULL OR state = $3)
   AND ($4::text IS NULL OR (created_at, id) < (SELECT created_at, id FROM change_request WHERE id = $4))
 ORDER BY created_at DESC, id DESC LIMIT $1
"""
# A move succeeds from the expected state only: two deciders cannot both win. What support carries out is
# confirmed in the transaction that decides it, so both moments are the transaction's.
MOVE_REQUEST = f"""
UPDATE change_request
   SET state = $3, decided_by = coalesce($4, decided_by), decided_effective = coalesce($5, decided_effective),
       note = coalesce($6, note), quote_id = coalesce($7, quote_id), change_id = coalesce($8, change_id),
       expires_at = coalesce($9, expires_at),
       decided_at = CASE WHEN $4 IS NULL THEN decided_at ELSE now() END
 WHERE id = $1 AND state = ANY ($2)
RETURNING {_COLUMNS}
"""
SELECT_EXPIRED = """
SELECT id FROM change_request
 WHERE state IN ('submitted', 'awaiting_admin_confirm') AND expires_at <= clock_timestamp()
 ORDER BY id LIMIT $1
"""


async def insert(conn: Executor, row: RequestRow) -> None:
    await conn.execute(INSERT_REQUEST, *(getattr(row, name) for name in _NAMES))


async def get(conn: Executor, request_id: str) -> RequestRow | None:
    row = await conn.fetchrow(SELECT_REQUEST, request_id)
    return RequestRow(**dict(row)) if row else None


async def page(
    conn: Executor, limit: int, account_id: str | None, state: str | None, after: str | None
) -> list[RequestRow]:
    """Requests, newest first."""
    rows = await conn.fetch(SELECT_PAGE, limit, account_id, state, after)
    return [RequestRow(**dict(row)) for row in rows]


async def move(
    conn: Connection,
    request_id: str,
    before: tuple[str, ...],
    after: str,
    *,
    decided_by: str | None = None,
    effective: str | None = None,
    note: str | None = None,
    quote_id: str | None = None,
    change_id: str | None = None,
    expires_at: datetime | None = None,
) -> RequestRow | None:
    """Move a request on; None when it is in none of the states `before` any more."""
    row = await conn.fetchrow(
        MOVE_REQUEST, request_id, list(before), after, decided_by, effective, note, quote_id, change_id,
        expires_at,
    )  # fmt: skip
    return RequestRow(**dict(row)) if row else None


async def expired(conn: Executor, limit: int) -> list[str]:
    """Open requests whose time is over."""
    return [row["id"] for row in await conn.fetch(SELECT_EXPIRED, limit)]
