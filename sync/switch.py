"""The stop switch for outgoing writes: for all accounts, or for one.

It is a row, read in the statement before each write leaves, so it works in every process at once, without
a restart, and outlives each of them. What waits goes on by itself once the row is gone.

While it is on, Stripe is still read, events are applied, changes are settled and renewals are watched. One
write goes on: the void of an invoice whose change was declined or taken back. It can only prevent a charge;
left open, the invoice could be paid by anybody for a change that has ended.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import structlog

from sync import audit_acts, failpoints
from sync.audit import Act
from sync.contract import iso
from sync.errors import BadInput, Code, NotFound, Refused
from sync.steps import Chore
from sync.store import accounts as account_store
from sync.store import switches as store
from sync.store.db import Executor, Pool
from sync.store.switches import StopRow
from sync.telemetry import LogEvent

log = structlog.get_logger()

REASON_MOST = 2000
ACTOR_MOST = 200


async def stop(pool: Pool, *, actor: str, reason: str, account_id: str | None = None) -> dict[str, Any]:
    """Turn it on; returns `status` with `moved`: False when it was on already, and stays as it was.

    Raises NotFound (account_unknown), BadInput.
    """
    check_words(actor, reason)
    async with failpoints.committing(pool, [Chore.STOP]) as conn:
        await require_known(conn, account_id)
        moved = await store.stop(conn, account_id, actor, reason)
        if moved:
            await audit_acts.switched(conn, account_id, Act.WRITES_STOPPED, reason, actor)
    if moved:
        log.warning(LogEvent.WRITES_STOPPED, account_id=account_id, actor=actor, reason=reason)
    return {"moved": moved, **await status(pool)}


async def go(pool: Pool, *, actor: str, reason: str, account_id: str | None = None) -> dict[str, Any]:
    """Turn it off, and wake what waited; returns `status` with `moved`: False when it was off already.

    An account's own switch outlives the one for all, and the other way round. Raises as `stop` does.
    """
    check_words(actor, reason)
    async with failpoints.committing(pool, [Chore.GO]) as conn:
        await require_known(conn, account_id)
        moved = await store.go(conn, account_id)
        woken = await store.wake(conn, account_id) if moved else 0
        if moved:
            await audit_acts.switched(conn, account_id, Act.WRITES_ALLOWED, reason, actor)
    if moved:
        log.warning(LogEvent.WRITES_ALLOWED, account_id=account_id, actor=actor, reason=reason, woken=woken)
    return {"moved": moved, **await status(pool)}


async def status(pool: Executor) -> dict[str, Any]:
    """What is stopped and by whom, what waits, and which calls are on the wire still."""
    found = await store.stops(pool)
    everything = next((row for row in found if row.account_id is None), None)
    return {
        "all_accounts": _json(everything) if everything else None,
        "accounts": [_json(row) for row in found if row.account_id is not None],
        **await store.counts(pool),
    }


async def require_go(conn: Executor, account_id: str | None = None) -> None:
    """Raises Refused (writes_stopped) while this account's writes are stopped, or all of them."""
    if (row := await store.stop_of(conn, account_id)) is not None:
        raise stopped(row)


def gate(conn: Executor, account_id: str | None = None) -> Callable[[], Awaitable[bool]]:
    """What a write that belongs to no leg asks right before it leaves."""

    async def is_open() -> bool:
        return await store.stop_of(conn, account_id) is None

    return is_open


def stopped(row: StopRow) -> Refused:
    """The refusal of whatever would have had to write."""
    whose = "of this account " if row.account_id is not None else ""
    return Refused(
        Code.WRITES_STOPPED,
        f"All changes {whose}at Stripe are stopped for the moment. Nothing was changed and nothing was "
        "charged; repeat it later.",
        retryable=True,
    )


async def require_known(conn: Executor, account_id: str | None) -> None:
    """Raises NotFound (account_unknown)."""
    if account_id is not None and await account_store.get(conn, account_id) is None:
        raise NotFound(Code.ACCOUNT_UNKNOWN, f"There is no account {account_id!r}. Nothing was changed.")


def check_words(actor: str, reason: str) -> None:
    """Who and why must be said, within reason. Raises BadInput."""
    for name, text, most in (("who did it", actor, ACTOR_MOST), ("the reason", reason, REASON_MOST)):
        if not text.strip() or len(text) > most or "\x00" in text:
            raise BadInput(
                Code.BAD_REQUEST,
                f"Say {name} in 1 to {most:,} characters. Nothing was changed.",
            )


def _json(row: StopRow) -> dict[str, Any]:
    about = {} if row.account_id is None else {"account_id": row.account_id}
    return {**about, "since": iso(row.stopped_at), "actor": row.actor, "reason": row.reason}
