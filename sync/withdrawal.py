"""Withdrawing a change: what is still open of it is taken back, and what was paid stays."""

from __future__ import annotations

import asyncio
from typing import Any

from sync import audit_acts, change_views, failpoints, quotes
from sync.billing import Billing
from sync.errors import Code, Conflict, NotFound
from sync.quotes import require_admin
from sync.states import Leg, LegState
from sync.steps import Step
from sync.store import accounts as account_store
from sync.store import changes as store
from sync.store import promises as promise_store
from sync.store.changes import ChangeRow, LegRow
from sync.store.db import Connection
from sync.store.jobs import Job, enqueue


async def withdraw(billing: Billing, change_id: str, actor_id: str) -> dict[str, Any]:
    """Take back what is still open: a payment that is waited for, or the promise for the renewal.

    An open invoice is voided and a schedule released: nothing is charged. Raises NotFound, Refused
    (not_billing_admin), Conflict (change_in_progress) when it is being applied or has ended.
    """
    change = await store.get(billing.pool, change_id)
    if change is None:
        raise NotFound(Code.NOT_FOUND, f"There is no change {change_id!r}.")
    require_admin(await quotes.require_account(billing, change.account_id), actor_id)
    async with failpoints.committing(billing.pool, [Step.WITHDRAW]) as conn:
        await account_store.lock(conn, change.account_id)
        leg = await _ask_to_end(conn, change)
        if leg is not None:
            await store.add_step(conn, change_id, leg.leg, Step.WITHDRAW, leg.state, {"actor": actor_id})
            await audit_acts.recalled(conn, change, leg, actor_id)
            await enqueue(conn, Job.ADVANCE_CHANGE, [{"change_id": change_id}])
    if leg is None:
        await _refuse_withdrawal(billing, change_id)
    return await _wait_for_end(billing, change_id)


async def _ask_to_end(conn: Connection, change: ChangeRow) -> LegRow | None:
    """Mark the open leg as to be ended; None when there is none that could be."""
    now = await store.ask_to_end(conn, change.id, Leg.NOW, LegState.WITHDRAWN)
    if now is not None:
        return now
    if await promise_store.has_open_now_leg(conn, change.account_id):
        # What is being bought counted with the promise: it must not be taken away underneath.
        return None
    return await store.ask_to_end(conn, change.id, Leg.AT_RENEWAL, LegState.WITHDRAWN)


async def _refuse_withdrawal(billing: Billing, change_id: str) -> None:
    legs = await store.legs(billing.pool, [change_id])
    if any(LegState.WITHDRAWN in (leg.state, leg.ending) for leg in legs):
        return
    states = " and ".join(leg.state for leg in legs) or "gone"
    raise Conflict(
        Code.CHANGE_IN_PROGRESS,
        f"The change is {states}; only one that waits for its payment or for the renewal can be withdrawn, "
        "and not while another one is being applied. Nothing was changed.",
    )


async def _wait_for_end(billing: Billing, change_id: str, seconds: float = 10) -> dict[str, Any]:
    deadline = asyncio.get_running_loop().time() + seconds
    while asyncio.get_running_loop().time() < deadline:
        legs = await store.legs(billing.pool, [change_id])
        if all(leg.ending is None or leg.ended_at is not None for leg in legs):
            break
        await asyncio.sleep(change_views.POLL_SECONDS_MOST)
    return await change_views.get(billing, change_id)
