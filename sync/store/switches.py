"""The stop switch, parked accounts, what waits for either, and what the fuse counts."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sync.store.changes import LEASE_SECONDS, LegRow
from sync.store.db import Connection, Executor

# ---- the stop switch

# The first reason stays: a second stop finds it stopped.
STOP = """
INSERT INTO write_stop (account_id, actor, reason) VALUES ($1, $2, $3)
    ON CONFLICT (account_id) DO NOTHING
"""
GO = "DELETE FROM write_stop WHERE account_id IS NOT DISTINCT FROM $1"
_STOP = "account_id, actor, reason, stopped_at"
SELECT_STOPS = f"SELECT {_STOP} FROM write_stop ORDER BY stopped_at"
SELECT_STOP_OF = f"""
SELECT {_STOP} FROM write_stop
 WHERE account_id IS NULL OR account_id = $1 ORDER BY account_id NULLS FIRST LIMIT 1
"""

# ---- parked accounts

UNPARK = "UPDATE account SET parked_at = NULL, parked_reason = NULL WHERE id = $1 AND parked_at IS NOT NULL"
COUNT_PARKED = "SELECT count(*) FROM account WHERE parked_at IS NOT NULL"

# ---- what a leg asks before it writes

SELECT_HOLD = """
SELECT code, reason FROM (
    SELECT 1 AS rank, 'writes_stopped' AS code, reason FROM write_stop
     WHERE account_id IS NULL OR account_id = $1
     UNION ALL
    SELECT 2, 'account_parked', parked_reason FROM account WHERE id = $1 AND parked_at IS NOT NULL
) AS held ORDER BY rank LIMIT 1
"""
# Asked with nothing but the wire behind it: lease, deadline and both switches in one statement.
MAY_WRITE = f"""
WITH held AS (
    UPDATE change_leg SET leased_until = clock_timestamp() + make_interval(secs => {LEASE_SECONDS})
     WHERE change_id = $1 AND leg = $2 AND fence = $3 AND ended_at IS NULL
       AND (NOT $4 OR apply_deadline_at > clock_timestamp())
    RETURNING account_id
)
SELECT (account.parked_at IS NULL OR $5)
       AND NOT EXISTS (SELECT FROM write_stop AS stop
                        WHERE stop.account_id IS NULL OR stop.account_id = account.id)
  FROM held JOIN account ON account.id = held.account_id
"""
# Waiting is no try.
FORGIVE = "UPDATE change_leg SET attempts = attempts - 1 WHERE change_id = $1 AND leg = $2 AND fence = $3"

# The legs that may have waited, each of them once: those with something to send, or to take back.
_MAY_WAIT = "ended_at IS NULL AND (state IN ('confirmed', 'applying') OR ending IS NOT NULL)"
WAKE = f"""
WITH waiting AS (
    SELECT change_id, leg FROM change_leg
     WHERE ($1::text IS NULL OR account_id = $1) AND {_MAY_WAIT}
     ORDER BY change_id, leg FOR UPDATE
)
UPDATE change_leg AS leg SET nudges = nudges + 1, next_attempt_at = clock_timestamp()
  FROM waiting WHERE leg.change_id = waiting.change_id AND leg.leg = waiting.leg
RETURNING leg.change_id
"""
COUNT_WAITING = """
SELECT count(*) FROM change_leg
 WHERE ended_at IS NULL AND reason IN ('writes_stopped', 'account_parked')
"""
# What had left before the switch was thrown: at most one call of each leg.
COUNT_ON_THE_WIRE = """
SELECT count(*) FROM change_leg AS leg JOIN stripe_call AS call ON call.subject_id = leg.change_id
 WHERE leg.ended_at IS NULL AND call.answered_at IS NULL
   AND call.last_sent_at > clock_timestamp() - interval '1 minute'
"""

# ---- what the fuse counts

# An answer that Stripe refused made no invoice, except that a declined payment did (402). A call without
# an answer may have made one. A call is stored at most some minutes before it is sent.
SELECT_SENT_TO = """
SELECT coalesce(answered_at, last_sent_at) AS at, jsonb_array_length(params -> 'items') AS quantities
  FROM stripe_call
 WHERE path = $1 AND step = 'send' AND created_at > clock_timestamp() - interval '2 days'
   AND sends > 0 AND params ? 'items'
   AND coalesce(answered_at, last_sent_at) > clock_timestamp() - interval '1 day'
   AND (http_status IS NULL OR http_status < 400 OR http_status = 402)
 ORDER BY 1 DESC
"""


@dataclass(frozen=True, slots=True)
class StopRow:
    """A switch that is on; `account_id` None stands for all accounts."""

    account_id: str | None
    actor: str
    reason: str
    stopped_at: datetime


@dataclass(frozen=True, slots=True)
class HoldRow:
    """What keeps an account's writes back: `writes_stopped` or `account_parked`, and why."""

    code: str
    reason: str


@dataclass(frozen=True, slots=True)
class SentRow:
    """A call that changed a subscription and made, or may have made, an invoice."""

    at: datetime
    quantities: int


async def stop(conn: Executor, account_id: str | None, actor: str, reason: str) -> bool:
    """False when it was stopped already."""
    return (await conn.execute(STOP, account_id, actor, reason)).endswith(" 1")


async def go(conn: Executor, account_id: str | None) -> bool:
    """False when it was not stopped."""
    return (await conn.execute(GO, account_id)).endswith(" 1")


async def stops(conn: Executor) -> list[StopRow]:
    """Every switch that is on, the oldest first."""
    return [StopRow(**dict(row)) for row in await conn.fetch(SELECT_STOPS)]


async def stop_of(conn: Executor, account_id: str | None) -> StopRow | None:
    """The switch that holds this account, the one for all first; None asks for that one alone."""
    row = await conn.fetchrow(SELECT_STOP_OF, account_id)
    return StopRow(**dict(row)) if row else None


async def unpark(conn: Executor, account_id: str) -> bool:
    """False when the account was not parked."""
    return (await conn.execute(UNPARK, account_id)).endswith(" 1")


async def hold_of(conn: Executor, account_id: str) -> HoldRow | None:
    """What keeps the account's writes back, the stop switch before parking; None: nothing does."""
    row = await conn.fetchrow(SELECT_HOLD, account_id)
    return HoldRow(**dict(row)) if row else None


async def may_write(
    conn: Executor, held: LegRow, *, before_deadline: bool = False, although_parked: bool = False
) -> bool:
    """Renew the lease, and say whether a call may leave right now."""
    key = (held.change_id, held.leg, held.fence)
    return bool(await conn.fetchval(MAY_WRITE, *key, before_deadline, although_parked))


async def forgive(conn: Executor, held: LegRow) -> None:
    """Take back that this lease counted as a try."""
    await conn.execute(FORGIVE, held.change_id, held.leg, held.fence)


async def wake(conn: Connection, account_id: str | None) -> int:
    """Make what may have waited due now; returns how many legs that are."""
    return len(await conn.fetch(WAKE, account_id))


async def counts(conn: Executor) -> dict[str, Any]:
    """How many accounts are parked, how many legs wait, and how many calls are on the wire."""
    return {
        "parked_accounts": await conn.fetchval(COUNT_PARKED),
        "waiting": await conn.fetchval(COUNT_WAITING),
        "on_the_wire": await conn.fetchval(COUNT_ON_THE_WIRE),
    }


async def sent_to(conn: Executor, subscription_id: str) -> list[SentRow]:
    """The changes of the last day that were sent to this subscription, newest first."""
    rows = await conn.fetch(SELECT_SENT_TO, f"/v1/subscriptions/{subscription_id}")
    return [SentRow(**dict(row)) for row in rows]
