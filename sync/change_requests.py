"""Change requests: what is not self-serve is asked for, decided by support, and carried out as a change.

Whatever costs money now is confirmed by the primary admin on a fresh quote; the rest support carries out
itself. Every move and its e-mail are one transaction.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import asyncpg
import structlog

from sync import audit_acts, change_views, clock, failpoints, ids, quotes
from sync.billing import Billing
from sync.contract import iso, quote_json
from sync.errors import BadInput, Code, Conflict, NotFound, Refused
from sync.quotes import require_admin
from sync.request_notices import tell_admin, tell_support
from sync.request_states import OPEN, RequestState
from sync.rules.losses import losses
from sync.rules.policy_rule import Effective
from sync.rules.terms import PartialTerms, Terms, merge, parse_partial
from sync.steps import Chore
from sync.store import accounts as account_store
from sync.store import change_requests as store
from sync.store.change_requests import RequestRow
from sync.store.quotes import QuoteRow
from sync.telemetry import LogEvent
from sync.wishes import Wish

log = structlog.get_logger()

_DRY_RUN = (
    "refusals",
    "now",
    "at_renewal",
    "due_today",
    "to_balance",
    "due_today_lines",
    "from_now_on",
    "next_invoice",
)
DECIDE_WITHIN = timedelta(days=30)


async def submit(
    billing: Billing,
    account_id: str,
    actor_id: str,
    *,
    terms: PartialTerms | None,
    cancel: bool | None,
    effective: Effective,
    reason: str,
    contact_email: str | None,
) -> dict[str, Any]:
    """Ask support for a change; returns the request with what would be lost. Asked again, it is the same one.

    Raises NotFound (account_unknown), Refused (not_billing_admin), BadInput for terms outside the catalog,
    and Conflict: request_open, nothing_to_change, subscription_canceled.
    """
    account = await quotes.require_account(billing, account_id)
    require_admin(account, actor_id)
    current = await account_store.terms(billing.pool, account.id)
    if current is None:
        raise Conflict(Code.SUBSCRIPTION_CANCELED, "There is nothing to change yet: buy by a quote instead.")
    row = RequestRow(
        id=ids.new_id("req"),
        account_id=account.id,
        state=RequestState.SUBMITTED,
        wish=terms.to_json() if terms is not None else None,
        cancel=cancel,
        effective=effective,
        reason=reason,
        contact_email=contact_email,
        losses=_losses(billing, current, terms, cancel),
        actor_id=actor_id,
        decided_by=None,
        decided_at=None,
        decided_effective=None,
        note=None,
        quote_id=None,
        change_id=None,
        expires_at=clock.wall() + DECIDE_WITHIN,
        created_at=clock.wall(),
    )
    try:
        async with failpoints.committing(billing.pool, [Chore.SUBMIT_REQUEST]) as conn:
            await store.insert(conn, row)
            await tell_admin(conn, account, row, "request_submitted")
            await tell_support(billing, conn, account, row)
            await audit_acts.request_moved(conn, row, actor_id, None, role=audit_acts.PRIMARY_ADMIN)
    except asyncpg.UniqueViolationError as error:
        if (asked_before := await _asked_before(billing, row)) is not None:
            return request_json(asked_before)
        raise Conflict(
            Code.REQUEST_OPEN, "Another change request is open; withdraw it first, or wait for its answer."
        ) from error
    log.info(LogEvent.REQUEST_OPENED, change_request_id=row.id, account_id=account.id)
    return request_json(row)


async def _asked_before(billing: Billing, row: RequestRow) -> RequestRow | None:
    """The request that waits for support, if it is this very wish: whoever asks lost the first answer."""
    waiting = await store.page(billing.pool, 1, row.account_id, RequestState.SUBMITTED, None)
    return next((each for each in waiting if _asked(each) == _asked(row)), None)


def _asked(row: RequestRow) -> tuple[object, ...]:
    return row.wish, row.cancel, row.effective, row.reason, row.contact_email, row.actor_id


def _losses(
    billing: Billing, current: Terms, terms: PartialTerms | None, cancel: bool | None
) -> list[dict[str, Any]]:
    if terms is None:
        return [loss.to_json() for loss in losses(current, None, billing.catalog)] if cancel else []
    wanted = merge(current, terms, billing.catalog)
    if wanted == current:
        raise BadInput(Code.NOTHING_TO_CHANGE, "The account has these terms already. Nothing was asked for.")
    return [loss.to_json() for loss in losses(current, wanted, billing.catalog)]


async def show(billing: Billing, request_id: str) -> dict[str, Any]:
    """One request. While it is open, with a dry run of both timings; stores nothing. Raises NotFound."""
    row = await require(billing, request_id)
    found = request_json(row)
    if row.state == RequestState.SUBMITTED:
        found["dry_run"] = {str(when): await _dry_run(billing, row, when) for when in Effective}
    elif row.state == RequestState.AWAITING_ADMIN_CONFIRM:
        found["quote"] = quote_json(await fresh_quote(billing, row))
    if row.change_id is not None:
        found["change"] = await change_views.get(billing, row.change_id)
    return found


async def _dry_run(billing: Billing, row: RequestRow, when: Effective) -> dict[str, Any]:
    account = await quotes.require_account(billing, row.account_id)
    try:
        draft = await quotes.draft(billing, account, account.primary_admin_user_id, _wish(row).at(when))
    except (BadInput, Refused, Conflict) as error:
        problem = {"pointer": "", "code": error.code, "detail": error.detail}
        return {**dict.fromkeys(_DRY_RUN), "refusals": [problem], "due_today_lines": []}
    shown = quote_json(draft)
    return {name: shown[name] for name in _DRY_RUN}


async def fresh_quote(billing: Billing, row: RequestRow) -> QuoteRow:
    """What the primary admin is asked to confirm, at the amounts of now."""
    account = await quotes.require_account(billing, row.account_id)
    when = Effective(row.decided_effective or row.effective)
    return await quotes.make(billing, account, account.primary_admin_user_id, _wish(row).at(when))


async def list_requests(
    billing: Billing, *, account_id: str | None, state: str | None, limit: int, starting_after: str | None
) -> tuple[list[dict[str, Any]], bool]:
    """A page of requests, newest first, and whether there are more."""
    rows = await store.page(billing.pool, limit + 1, account_id, state, starting_after)
    return [request_json(row) for row in rows[:limit]], len(rows) > limit


async def require(billing: Billing, request_id: str) -> RequestRow:
    """The stored row of a request. Raises NotFound."""
    row = await store.get(billing.pool, request_id)
    if row is None:
        raise NotFound(Code.NOT_FOUND, f"There is no change request {request_id!r}.")
    return row


def require_open(row: RequestRow) -> None:
    """Raises Conflict (request_closed) once it was decided, withdrawn or has expired."""
    if row.state not in OPEN:
        raise closed(row.state)


def closed(state: str = "closed by now") -> Conflict:
    """The refusal to move what has ended."""
    return Conflict(Code.REQUEST_CLOSED, f"The change request is {state}. Nothing was changed or charged.")


def _wish(row: RequestRow) -> Wish:
    terms = parse_partial(row.wish) if row.wish is not None else PartialTerms()
    return Wish(terms, row.cancel, request_id=row.id)


def request_json(row: RequestRow) -> dict[str, Any]:
    """The change request of the public contract."""
    return {
        "id": row.id,
        "account_id": row.account_id,
        "state": row.state,
        "terms": row.wish,
        "cancel": row.cancel,
        "effective": row.effective,
        "reason": row.reason,
        "contact_email": row.contact_email,
        "losses": row.losses,
        "actor": row.actor_id,
        "decided_by": row.decided_by,
        "decided_at": iso(row.decided_at),
        "decided_effective": row.decided_effective,
        "note": row.note,
        "quote_id": row.quote_id,
        "change_id": row.change_id,
        "expires_at": iso(row.expires_at),
        "created_at": iso(row.created_at),
        "dry_run": None,
        "quote": None,
        "change": None,
    }
