"""Parked accounts: their billing changes wait until staff have looked.

A charge that differs from its quote parks the account by itself; a person can, too. What is sent to Stripe
for the account waits: nothing is quoted or confirmed, open legs stay as they are and go on after it was
unparked, or expire by their deadline. What only looks goes on: events are applied, a paid change is settled,
a renewal is watched and compared. So do the writes that take back: the void of an invoice whose change was
declined or withdrawn, and the release of a schedule whose promise was taken back, was missed, or is in force.
"""

from __future__ import annotations

from typing import Any

import structlog

from sync import account_views, audit_acts, failpoints
from sync.audit import PRORATA
from sync.billing import Billing
from sync.steps import Chore
from sync.store import accounts as account_store
from sync.store import switches as store
from sync.store.db import Connection
from sync.switch import check_words, require_known
from sync.telemetry import LogEvent

log = structlog.get_logger()


async def park(billing: Billing, account_id: str, *, actor: str, reason: str) -> dict[str, Any]:
    """Park an account; one that is parked keeps its first reason. Returns the account.

    Raises NotFound (account_unknown), BadInput.
    """
    check_words(actor, reason)
    async with failpoints.committing(billing.pool, [Chore.PARK]) as conn:
        await require_known(conn, account_id)
        await hold_back(conn, account_id, reason, actor=actor)
    log.warning(LogEvent.ACCOUNT_PARKED, account_id=account_id, actor=actor, reason=reason)
    return await account_views.view(billing, account_id)


async def hold_back(conn: Connection, account_id: str, reason: str, *, actor: str = PRORATA) -> None:
    """Park an account in the caller's transaction."""
    await account_store.park(conn, account_id, reason)
    await audit_acts.parked(conn, account_id, reason, actor)


async def unpark(billing: Billing, account_id: str, *, actor: str, reason: str) -> dict[str, Any]:
    """Let an account go on, and wake what waited. One that is not parked stays so. Returns the account.

    Raises NotFound (account_unknown), BadInput.
    """
    check_words(actor, reason)
    async with failpoints.committing(billing.pool, [Chore.UNPARK]) as conn:
        await require_known(conn, account_id)
        moved = await store.unpark(conn, account_id)
        if moved:
            await store.wake(conn, account_id)
            await audit_acts.unparked(conn, account_id, reason, actor)
    if moved:
        log.warning(LogEvent.ACCOUNT_UNPARKED, account_id=account_id, actor=actor, reason=reason)
    return await account_views.view(billing, account_id)
