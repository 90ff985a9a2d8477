"""Deciding a change request: approved by support, declined, taken back by the admin, or out of time.

Whatever costs money now is confirmed by the primary admin on a fresh quote; the rest support carries out
itself.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import structlog

from sync import audit_acts, changes, clock, failpoints, quotes
from sync.audit import PRORATA
from sync.billing import Billing
from sync.change_requests import closed, fresh_quote, request_json, require, require_open, show
from sync.errors import BadInput, Conflict, Refused
from sync.quotes import require_admin
from sync.request_notices import money, tell_admin
from sync.request_states import OPEN, RequestState
from sync.rules.policy_rule import Effective
from sync.steps import Chore
from sync.store import change_requests as store
from sync.store.change_requests import RequestRow
from sync.store.db import Connection
from sync.store.quotes import QuoteRow
from sync.telemetry import LogEvent

log = structlog.get_logger()

CONFIRM_WITHIN = timedelta(days=7)


async def approve(
    billing: Billing, request_id: str, decided_by: str, *, effective: Effective | None, note: str | None
) -> dict[str, Any]:
    """Say yes. What costs something now waits for the admin's confirm; the rest is carried out.

    Raises NotFound, Conflict (request_closed), and Refused or Conflict for what stands in the way: then
    the request stays as it was. Said again after it became a change, it returns the request as it is.
    """
    row = await require(billing, request_id)
    asked = replace(row, decided_effective=effective or Effective(row.effective))
    try:
        await _approve(billing, asked, decided_by, note)
    except (BadInput, Conflict, Refused):
        # What stands in the way may be this very decision, whose answer was lost.
        now = await require(billing, request_id)
        is_same = now.decided_effective == asked.decided_effective
        if not (is_same and _was_decided(now, RequestState.APPROVED, decided_by, note)):
            raise
    return await show(billing, request_id)


async def _approve(billing: Billing, asked: RequestRow, decided_by: str, note: str | None) -> None:
    require_open(asked)
    quote = await fresh_quote(billing, asked)
    if quote.refusals:
        first = quote.refusals[0]
        raise Refused(first["code"], f"{first['detail']} The request is still open.")
    if quotes.costs_now(quote):
        await _ask_admin(billing, asked, decided_by, quote, note)
    else:
        await _carry_out(billing, asked, decided_by, quote, note)
    _log(asked, "approved")


async def _ask_admin(
    billing: Billing, row: RequestRow, decided_by: str, quote: QuoteRow, note: str | None
) -> None:
    account = await quotes.require_account(billing, row.account_id)
    async with failpoints.committing(billing.pool, [Chore.ASK_ADMIN]) as conn:
        moved = await store.move(
            conn,
            row.id,
            OPEN,
            RequestState.AWAITING_ADMIN_CONFIRM,
            decided_by=decided_by,
            effective=row.decided_effective,
            note=note,
            quote_id=quote.id,
            expires_at=clock.wall() + CONFIRM_WITHIN,
        )
        if moved is None:
            raise closed()
        await tell_admin(conn, account, moved, "request_needs_confirm", money(quote))
        await audit_acts.request_moved(conn, moved, decided_by, row.state)


async def _carry_out(
    billing: Billing, row: RequestRow, decided_by: str, quote: QuoteRow, note: str | None
) -> None:
    """The decision, its e-mail and the change that comes of it are one transaction."""
    account = await quotes.require_account(billing, row.account_id)

    async def take_up(conn: Connection, change_id: str) -> None:
        moved = await store.move(
            conn,
            row.id,
            OPEN,
            RequestState.APPROVED,
            decided_by=decided_by,
            effective=row.decided_effective,
            note=note,
            quote_id=quote.id,
            change_id=change_id,
        )
        if moved is None:
            raise closed()
        await tell_admin(conn, account, moved, "request_approved")
        await audit_acts.request_moved(conn, moved, decided_by, row.state)

    await changes.carry_out(billing, quote, decided_by, take_up)


async def decline(billing: Billing, request_id: str, decided_by: str, note: str | None) -> dict[str, Any]:
    """Say no; the admin is told why. Raises NotFound, Conflict (request_closed). Safe to repeat."""
    return await _close(
        billing, request_id, RequestState.DECLINED, "request_declined", decided_by, decided_by, note
    )


async def withdraw(billing: Billing, request_id: str, actor_id: str) -> dict[str, Any]:
    """The primary admin takes it back. Safe to repeat; raises as `decline` does, and Refused."""
    row = await require(billing, request_id)
    require_admin(await quotes.require_account(billing, row.account_id), actor_id)
    return await _close(billing, request_id, RequestState.WITHDRAWN, "request_withdrawn", actor_id)


async def expire_due(billing: Billing, limit: int = 100) -> int:
    """End the open requests whose time is over; returns how many."""
    due = await store.expired(billing.pool, limit)
    for request_id in due:
        try:
            await _close(billing, request_id, RequestState.EXPIRED, "request_expired", PRORATA)
        except Conflict:
            continue  # decided at this very moment
    return len(due)


async def _close(
    billing: Billing,
    request_id: str,
    state: RequestState,
    kind: str,
    actor: str,
    decided_by: str | None = None,
    note: str | None = None,
) -> dict[str, Any]:
    row = await require(billing, request_id)
    account = await quotes.require_account(billing, row.account_id)
    async with failpoints.committing(billing.pool, [Chore.CLOSE_REQUEST]) as conn:
        moved = await store.move(conn, request_id, OPEN, state, decided_by=decided_by, note=note)
        if moved is not None:
            await tell_admin(conn, account, moved, kind)
            await audit_acts.request_moved(conn, moved, actor, row.state)
    if moved is None:
        now = await require(billing, request_id)
        if not _was_decided(now, state, decided_by, note):
            raise closed(now.state)
        return request_json(now)
    _log(row, str(state))
    return request_json(moved)


def _was_decided(now: RequestRow, state: RequestState, decided_by: str | None, note: str | None) -> bool:
    """Whether this decision was made already, by the same person and with the same words."""
    return now.state == state and (decided_by is None or (now.decided_by, now.note) == (decided_by, note))


def _log(row: RequestRow, outcome: str) -> None:
    log.info(LogEvent.REQUEST_DECIDED, change_request_id=row.id, account_id=row.account_id, outcome=outcome)
