"""Repairs of findings: one at a time for each account, under a lease, and never beside an open change."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, fields
from datetime import datetime

from sync.store.changes import LEASE_SECONDS
from sync.store.db import Connection, Executor, encode_json
from sync.store.findings import FindingRow


@dataclass(frozen=True, slots=True)
class RepairRow:
    """One repair, by column of table repair; without an `outcome` it is under way."""

    id: str
    finding_id: str
    account_id: str | None
    side: str
    actor: str
    reason: str
    call_key: str | None
    outcome: str | None
    detail: str | None
    expires_at: datetime
    attempts: int
    next_attempt_at: datetime
    fence: int
    created_at: datetime
    ended_at: datetime | None


_COLUMNS = ", ".join(field.name for field in fields(RepairRow))
_GIVEN = "id, finding_id, account_id, side, actor, reason, call_key, outcome, detail, expires_at, ended_at"

INSERT_REPAIR = f"""
INSERT INTO repair ({_GIVEN}) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
"""
SELECT_REPAIR = f"SELECT {_COLUMNS} FROM repair WHERE id = $1"
SELECT_OF_FINDINGS = f"""
SELECT newest.*
  FROM unnest($1::text[]) AS wanted (finding_id)
 CROSS JOIN LATERAL (
       SELECT {_COLUMNS} FROM repair
        WHERE repair.finding_id = wanted.finding_id ORDER BY created_at DESC LIMIT $2) AS newest
 ORDER BY newest.finding_id, newest.created_at DESC
"""
COUNT_OF_FINDING = "SELECT count(*) FROM repair WHERE finding_id = $1"

# The same bargain as with a change's leg: the lease keeps others away, the fence makes a late one's writes
# fail.
LEASE_REPAIR = f"""
UPDATE repair
   SET fence = fence + 1, attempts = attempts + 1,
       leased_until = clock_timestamp() + make_interval(secs => {LEASE_SECONDS})
 WHERE id = $1 AND ended_at IS NULL AND leased_until < clock_timestamp()
RETURNING {_COLUMNS}
"""
RENEW_REPAIR = f"""
UPDATE repair SET leased_until = clock_timestamp() + make_interval(secs => {LEASE_SECONDS})
 WHERE id = $1 AND fence = $2 AND ended_at IS NULL
"""
# Asked with nothing but the wire behind it: lease, time and stop switch in one statement. That the account
# is parked does not matter: a repair is what staff do when they look.
MAY_SEND = f"""
WITH held AS (
    UPDATE repair SET leased_until = clock_timestamp() + make_interval(secs => {LEASE_SECONDS})
     WHERE id = $1 AND fence = $2 AND ended_at IS NULL AND expires_at > clock_timestamp()
    RETURNING account_id
)
SELECT NOT EXISTS (SELECT FROM write_stop AS stop
                    WHERE stop.account_id IS NULL OR stop.account_id = held.account_id)
  FROM held
"""
FREE_REPAIR = """
UPDATE repair
   SET leased_until = '-infinity', detail = $4,
       next_attempt_at = clock_timestamp() + make_interval(secs => $3)
 WHERE id = $1 AND fence = $2 AND ended_at IS NULL
"""
END_REPAIR = """
UPDATE repair SET outcome = $3, detail = $4, ended_at = clock_timestamp()
 WHERE id = $1 AND fence = $2 AND ended_at IS NULL
"""
SELECT_DUE = """
SELECT id FROM repair
 WHERE ended_at IS NULL AND next_attempt_at <= clock_timestamp() AND leased_until < clock_timestamp()
 ORDER BY next_attempt_at LIMIT $1
"""

# What our own changes billed was agreed to; a price that only a renewal billed may have come of an edit.
SELECT_PAID_PRICES = """
SELECT line.price_id
  FROM stripe_invoice AS invoice
  JOIN stripe_invoice_line AS line ON line.invoice_id = invoice.id
  LEFT JOIN change_leg AS leg ON leg.stripe_invoice_id = invoice.id AND leg.account_id = $2
 WHERE invoice.subscription_id = $1 AND invoice.status = 'paid' AND line.price_id IS NOT NULL
   AND line.amount_minor > 0 AND (leg.change_id IS NOT NULL OR NOT line.proration)
 ORDER BY leg.change_id IS NULL, invoice.created_unix DESC, line.position LIMIT 1000
"""

# ---- what a decision does to its finding

# Only what was read: a sweep may have found something else since.
ACCEPT_FINDING = """
UPDATE finding SET state = 'accepted', decided_by = $2, reason = $3, decided_at = clock_timestamp()
 WHERE id = $1 AND state IN ('open', 'accepted') AND (expected, found) = ($4::text::jsonb, $5::text::jsonb)
"""
BEGIN_FINDING = """
UPDATE finding SET state = 'repairing', decided_by = $2, reason = $3, decided_at = clock_timestamp()
 WHERE id = $1 AND state IN ('open', 'accepted')
"""
# A sweep may have seen first that it is gone: it went because it was repaired.
REPAIRED_FINDING = """
UPDATE finding
   SET state = 'repaired', decided_by = $2, reason = $3, decided_at = clock_timestamp(),
       closed_at = coalesce(closed_at, clock_timestamp())
 WHERE id = $1 AND state IN ('open', 'accepted', 'repairing', 'gone')
"""
REOPEN_FINDING = "UPDATE finding SET state = 'open' WHERE id = $1 AND state = 'repairing'"


async def insert(conn: Connection, row: RepairRow) -> None:
    """Store a repair. Raises asyncpg's UniqueViolationError while the account has another one open."""
    await conn.execute(INSERT_REPAIR, *(getattr(row, name) for name in _GIVEN.split(", ")))


async def get(conn: Executor, repair_id: str) -> RepairRow | None:
    row = await conn.fetchrow(SELECT_REPAIR, repair_id)
    return RepairRow(**dict(row)) if row else None


async def of_findings(conn: Executor, finding_ids: Collection[str], limit: int) -> dict[str, list[RepairRow]]:
    """The newest `limit` repairs of each finding, newest first; findings without one are absent."""
    found: dict[str, list[RepairRow]] = {}
    for record in await conn.fetch(SELECT_OF_FINDINGS, sorted(finding_ids), limit):
        row = RepairRow(**dict(record))
        found.setdefault(row.finding_id, []).append(row)
    return found


async def count(conn: Executor, finding_id: str) -> int:
    """How many repairs of this finding there were: the next one has a key of its own."""
    return int(await conn.fetchval(COUNT_OF_FINDING, finding_id))


async def lease(conn: Executor, repair_id: str) -> RepairRow | None:
    """Take the repair for LEASE_SECONDS; None while somebody else has it, or when it has ended."""
    row = await conn.fetchrow(LEASE_REPAIR, repair_id)
    return RepairRow(**dict(row)) if row else None


async def renew(conn: Executor, held: RepairRow) -> bool:
    """False once the lease was lost."""
    return (await conn.execute(RENEW_REPAIR, held.id, held.fence)).endswith(" 1")


async def may_send(conn: Executor, held: RepairRow) -> bool:
    """Renew the lease, and say whether its call may leave right now."""
    return bool(await conn.fetchval(MAY_SEND, held.id, held.fence))


async def free(conn: Executor, held: RepairRow, retry_after_seconds: float, detail: str | None) -> None:
    """Give the lease back; `detail` says what it waits for."""
    await conn.execute(FREE_REPAIR, held.id, held.fence, retry_after_seconds, detail)


async def end(conn: Connection, held: RepairRow, outcome: str, detail: str) -> bool:
    """False when the lease was lost: then somebody else ends it."""
    return (await conn.execute(END_REPAIR, held.id, held.fence, outcome, detail)).endswith(" 1")


async def due(conn: Executor, limit: int) -> list[str]:
    """Repairs under way that nobody holds and whose next step is due."""
    return [row["id"] for row in await conn.fetch(SELECT_DUE, limit)]


async def paid_prices(conn: Executor, subscription_id: str, account_id: str) -> list[str]:
    """Price ids that the account paid for on this subscription, the most certain and newest first."""
    return [row["price_id"] for row in await conn.fetch(SELECT_PAID_PRICES, subscription_id, account_id)]


async def accept_finding(conn: Connection, read: FindingRow, actor: str, reason: str) -> bool:
    """False when it is being repaired, or over, or something else by now."""
    said = (read.id, actor, reason, encode_json(read.expected), encode_json(read.found))
    return (await conn.execute(ACCEPT_FINDING, *said)).endswith(" 1")


async def begin_finding(conn: Connection, finding_id: str, actor: str, reason: str) -> bool:
    """False when it is being repaired, or over."""
    return (await conn.execute(BEGIN_FINDING, finding_id, actor, reason)).endswith(" 1")


async def close_finding(conn: Connection, finding_id: str, actor: str, reason: str) -> bool:
    """The difference was repaired and read back. False when that was said before."""
    return (await conn.execute(REPAIRED_FINDING, finding_id, actor, reason)).endswith(" 1")


async def reopen_finding(conn: Connection, finding_id: str) -> None:
    """The repair had no effect: the finding is open as before."""
    await conn.execute(REOPEN_FINDING, finding_id)
