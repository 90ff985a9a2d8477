"""Stored quotes: the promise, and everything that confirm needs to check it."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field, fields
from datetime import datetime
from typing import Any

from sync.store.db import Executor


@dataclass(frozen=True, slots=True)
class QuoteRow:
    """One row of table quote, by column.

    `wish` is what was asked for, the named fields only; `stripe_params` the very body that apply will send.
    `scheduled_change_id` names the change whose promise for the renewal stood then.
    """

    id: str
    account_id: str
    actor_id: str
    wish: dict[str, Any]
    cancel: bool | None
    approved: str | None
    request_id: str | None
    current_terms: dict[str, Any] | None
    now_terms: dict[str, Any] | None
    renewal_terms: dict[str, Any] | None
    scheduled_change_id: str | None
    self_serve: bool
    refusals: list[dict[str, str]]
    stripe_subscription_id: str | None
    stripe_params: dict[str, Any] | None
    proration_unix: int | None
    currency: str
    due_today_minor: int | None
    to_balance_minor: int | None
    total_minor: int | None
    starting_balance_minor: int | None
    lines: list[dict[str, Any]]
    from_now_on_minor: int | None
    from_now_on_interval: str | None
    next_invoice: dict[str, Any] | None
    estimate_difference_minor: int | None
    fingerprint: str
    expires_at: datetime
    created_at: datetime
    warnings: list[dict[str, str]] = field(default_factory=list)


_NAMES = [field.name for field in fields(QuoteRow)]
_COLUMNS = ", ".join(_NAMES)
_PLACES = ", ".join(f"${place}" for place in range(1, len(_NAMES) + 1))

INSERT_QUOTE = f"INSERT INTO quote ({_COLUMNS}) VALUES ({_PLACES})"
SELECT_QUOTE = f"SELECT {_COLUMNS} FROM quote WHERE id = $1"
SELECT_QUOTES = f"SELECT {_COLUMNS} FROM quote WHERE id = ANY ($1)"


async def insert(conn: Executor, quote: QuoteRow) -> None:
    await conn.execute(INSERT_QUOTE, *(getattr(quote, name) for name in _NAMES))


async def get(conn: Executor, quote_id: str) -> QuoteRow | None:
    row = await conn.fetchrow(SELECT_QUOTE, quote_id)
    return QuoteRow(**dict(row)) if row else None


async def get_many(conn: Executor, quote_ids: Collection[str]) -> dict[str, QuoteRow]:
    """Several quotes by id, in one read."""
    rows = await conn.fetch(SELECT_QUOTES, list(quote_ids))
    return {row["id"]: QuoteRow(**dict(row)) for row in rows}
