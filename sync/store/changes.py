"""Changes and their legs. A move is a conditional UPDATE: state and fence must be what the caller read."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any

from sync.steps import Step
from sync.store.db import Connection, Executor

LEASE_SECONDS = 15
# How soon a nudge that was not heard is repeated; also what a fresh change's own job has to beat.
NUDGE_SECONDS = 5


@dataclass(frozen=True, slots=True)
class ChangeRow:
    """A confirmed quote."""

    id: str
    quote_id: str
    account_id: str
    actor_id: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class LegRow:
    """One leg of a change, by column of table change_leg. Amounts in minor units."""

    change_id: str
    leg: str
    account_id: str
    state: str
    reason: str | None
    detail: str | None
    terms: dict[str, Any]
    quoted_minor: int | None
    charged_minor: int | None
    difference_minor: int | None
    stripe_invoice_id: str | None
    hosted_invoice_url: str | None
    payable_until: datetime | None
    effective_on: datetime | None
    apply_deadline_at: datetime
    unknown_since: datetime | None
    clean_read_at: datetime | None
    ending: str | None
    attempts: int
    fence: int
    nudges: int
    event_seen_at: datetime | None
    applied_at: datetime | None
    settled_at: datetime | None
    ended_at: datetime | None


_LEG_NAMES = [field.name for field in fields(LegRow)]
LEG_COLUMNS = ", ".join(_LEG_NAMES)
_CHANGE = "id, quote_id, account_id, actor_id, created_at"

INSERT_CHANGE = "INSERT INTO change (id, quote_id, account_id, actor_id) VALUES ($1, $2, $3, $4)"
INSERT_LEG = f"""
INSERT INTO change_leg
       (change_id, leg, account_id, state, terms, quoted_minor, apply_deadline_at, effective_on,
        next_attempt_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, clock_timestamp() + make_interval(secs => {NUDGE_SECONDS}))
"""
SELECT_CHANGE = f"SELECT {_CHANGE} FROM change WHERE id = $1"
SELECT_BY_QUOTE = "SELECT id FROM change WHERE quote_id = $1"
SELECT_PAGE = f"""
SELECT {_CHANGE} FROM change
 WHERE ($2::text IS NULL OR account_id = $2)
   AND ($3::text IS NULL OR (created_at, id) < (SELECT created_at, id FROM change WHERE id = $3))
 ORDER BY created_at DESC, id DESC LIMIT $1
"""
SELECT_LEG = f"SELECT {LEG_COLUMNS} FROM change_leg WHERE change_id = $1 AND leg = $2"
SELECT_LEGS = f"SELECT {LEG_COLUMNS} FROM change_leg WHERE change_id = ANY ($1) ORDER BY change_id, leg"
SELECT_OPEN_LEGS = f"""
SELECT {LEG_COLUMNS} FROM change_leg WHERE account_id = ANY ($1) AND ended_at IS NULL ORDER BY account_id, leg
"""

# The lease is what lets one process work on a leg; the fence makes a late one's writes fail.
LEASE_LEG = f"""
UPDATE change_leg
   SET fence = fence + 1, attempts = attempts + 1,
       leased_until = clock_timestamp() + make_interval(secs => {LEASE_SECONDS})
 WHERE change_id = $1 AND leg = $2 AND ended_at IS NULL AND leased_until < clock_timestamp()
RETURNING {LEG_COLUMNS}
"""
RENEW_LEASE = f"""
UPDATE change_leg SET leased_until = clock_timestamp() + make_interval(secs => {LEASE_SECONDS})
 WHERE change_id = $1 AND leg = $2 AND fence = $3 AND ended_at IS NULL
"""
FREE_LEASE = """
UPDATE change_leg
   SET leased_until = '-infinity', next_attempt_at = clock_timestamp() + make_interval(secs => $4)
 WHERE change_id = $1 AND leg = $2 AND fence = $3
RETURNING nudges
"""

# Every column that a move may carry along is written: what the caller does not name stays as it was read.
# Only `ending` may be set by somebody without the lease, so it stays as it is unless the move says otherwise.
MOVE_LEG = f"""
UPDATE change_leg
   SET state = $5, reason = $6, detail = $7, charged_minor = $8, difference_minor = $9,
       stripe_invoice_id = $10, hosted_invoice_url = $11, payable_until = $12,
       unknown_since = $13, clean_read_at = $14,
       ending = CASE WHEN $15 THEN $16 ELSE ending END,
       applied_at = CASE WHEN $5 = 'applied' THEN coalesce(applied_at, clock_timestamp())
                         ELSE applied_at END,
       settled_at = CASE WHEN $5 = 'settled' THEN clock_timestamp() ELSE settled_at END,
       ended_at = CASE WHEN $17 THEN clock_timestamp() END
 WHERE change_id = $1 AND leg = $2 AND fence = $3 AND state = $4
RETURNING {LEG_COLUMNS}
"""
MOVED = (
    "reason",
    "detail",
    "charged_minor",
    "difference_minor",
    "stripe_invoice_id",
    "hosted_invoice_url",
    "payable_until",
    "unknown_since",
    "clean_read_at",
)

# Withdrawing needs no lease: it only marks the wish to end.
ASK_TO_END = f"""
UPDATE change_leg SET ending = $3, nudges = nudges + 1, next_attempt_at = clock_timestamp()
 WHERE change_id = $1 AND leg = $2 AND ending IS NULL
   AND CASE leg WHEN 'now' THEN state = 'awaiting_payment'
                ELSE state IN ('confirmed', 'applying', 'scheduled') END
RETURNING {LEG_COLUMNS}
"""

INSERT_STEP = """
INSERT INTO change_step (change_id, leg, step, state, detail) VALUES ($1, $2, $3, $4, $5)
"""
SELECT_STEPS = """
SELECT newest.*
  FROM unnest($1::text[]) AS wanted (change_id)
 CROSS JOIN LATERAL (
       SELECT id, change_id, leg, at, step, state, detail FROM change_step AS step
        WHERE step.change_id = wanted.change_id ORDER BY id DESC LIMIT $2) AS newest
 ORDER BY newest.id
"""

OLDEST_OPEN = """
SELECT extract(epoch FROM clock_timestamp() - min(created_at))::float8 FROM change_leg
 WHERE ended_at IS NULL AND state <> 'scheduled'
"""


async def oldest_open_seconds(conn: Executor) -> float | None:
    """The age of the oldest change that is still on its way."""
    age: float | None = await conn.fetchval(OLDEST_OPEN)
    return age


async def insert(conn: Connection, change: ChangeRow) -> None:
    await conn.execute(INSERT_CHANGE, change.id, change.quote_id, change.account_id, change.actor_id)


async def insert_leg(
    conn: Connection,
    change: ChangeRow,
    *,
    leg: str,
    state: str,
    terms: dict[str, Any],
    quoted_minor: int | None,
    apply_deadline_at: datetime,
    effective_on: datetime | None = None,
) -> None:
    """Open a leg. Raises asyncpg's UniqueViolationError while the account has another one open."""
    await conn.execute(
        INSERT_LEG, change.id, leg, change.account_id, state, terms, quoted_minor, apply_deadline_at,
        effective_on,
    )  # fmt: skip


async def get(conn: Executor, change_id: str) -> ChangeRow | None:
    row = await conn.fetchrow(SELECT_CHANGE, change_id)
    return ChangeRow(**dict(row)) if row else None


async def id_of_quote(conn: Executor, quote_id: str) -> str | None:
    """The change that used this quote."""
    found: str | None = await conn.fetchval(SELECT_BY_QUOTE, quote_id)
    return found


async def page(conn: Executor, limit: int, account_id: str | None, after: str | None) -> list[ChangeRow]:
    """Changes, newest first."""
    return [ChangeRow(**dict(row)) for row in await conn.fetch(SELECT_PAGE, limit, account_id, after)]


async def leg(conn: Executor, change_id: str, name: str) -> LegRow | None:
    row = await conn.fetchrow(SELECT_LEG, change_id, name)
    return LegRow(**dict(row)) if row else None


async def legs(conn: Executor, change_ids: Collection[str]) -> list[LegRow]:
    return [LegRow(**dict(row)) for row in await conn.fetch(SELECT_LEGS, list(change_ids))]


async def open_legs(conn: Executor, account_ids: Collection[str]) -> list[LegRow]:
    return [LegRow(**dict(row)) for row in await conn.fetch(SELECT_OPEN_LEGS, list(account_ids))]


async def lease(conn: Executor, change_id: str, name: str) -> LegRow | None:
    """Take the leg for LEASE_SECONDS; None while somebody else has it, or when it has ended."""
    row = await conn.fetchrow(LEASE_LEG, change_id, name)
    return LegRow(**dict(row)) if row else None


async def renew(conn: Executor, held: LegRow) -> bool:
    """False once the lease was lost."""
    done = await conn.execute(RENEW_LEASE, held.change_id, held.leg, held.fence)
    return done.endswith(" 1")


async def free(conn: Executor, held: LegRow, retry_after_seconds: float) -> int | None:
    """Give the lease back; returns how often the leg was nudged so far, None when the lease was lost."""
    nudges: int | None = await conn.fetchval(
        FREE_LEASE, held.change_id, held.leg, held.fence, retry_after_seconds
    )
    return nudges


async def move(conn: Connection, held: LegRow, state: str, *, ended: bool, **columns: Any) -> LegRow | None:
    """Move a leg that we hold; None when the fence or the state is no longer ours. `columns` as in MOVED."""
    values = [columns.pop(name, getattr(held, name)) for name in MOVED]
    ending = ("ending" in columns, columns.pop("ending", None))
    if columns:
        raise TypeError(f"a move does not carry {', '.join(columns)}")
    key = (held.change_id, held.leg, held.fence, held.state)
    row = await conn.fetchrow(MOVE_LEG, *key, state, *values, *ending, ended)
    return LegRow(**dict(row)) if row else None


async def ask_to_end(conn: Connection, change_id: str, name: str, ending: str) -> LegRow | None:
    """Mark a leg that waits for payment as to be ended; None when it does not wait."""
    row = await conn.fetchrow(ASK_TO_END, change_id, name, ending)
    return LegRow(**dict(row)) if row else None


async def add_step(
    conn: Executor, change_id: str, name: str, step: Step, state: str, detail: dict[str, Any]
) -> None:
    """Append to the change's story."""
    await conn.execute(INSERT_STEP, change_id, name, step, state, detail)


async def steps(conn: Executor, change_ids: Collection[str], limit: int) -> list[dict[str, Any]]:
    """The newest `limit` steps of each change, in their order."""
    return [dict(row) for row in await conn.fetch(SELECT_STEPS, list(change_ids), limit)]
