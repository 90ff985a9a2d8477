"""The life of a change as its people see it: confirm, look, list, withdraw.

Confirm commits the intent - key, exact body, job - and calls nobody who could charge; `sync.apply` carries
it to Stripe. Everything here can be repeated: the same quote confirmed twice is one change.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import Any

import asyncpg
import structlog

from sync import clock, failpoints, ids, pricing, quotes, requests
from sync.billing import Billing
from sync.errors import Code, Conflict, NotFound, Refused
from sync.failpoints import Failpoint
from sync.gateway import StoredCall
from sync.quotes import amount, iso, require_admin, require_running
from sync.rules.terms import PartialTerms, Terms
from sync.states import Leg, LegState
from sync.store import accounts as account_store
from sync.store import calls as call_store
from sync.store import catalog_prices
from sync.store import changes as store
from sync.store.accounts import AccountRow
from sync.store.changes import ChangeRow, LegRow
from sync.store.db import Connection, transaction
from sync.store.jobs import Job, enqueue
from sync.store.quotes import QuoteRow
from sync.telemetry import LogEvent

log = structlog.get_logger()

WORKING = (LegState.CONFIRMED, LegState.APPLYING)
POLL_SECONDS = 0.03
POLL_SECONDS_MOST = 0.25


def call_key(change_id: str, step: str, attempt: int = 1) -> str:
    """The idempotency key of a step. A fresh attempt class needs a new decision by a person, never a retry."""
    return f"change:{change_id}:{Leg.NOW}:{step}:{attempt}"


# ---- confirm


async def confirm(
    billing: Billing, quote_id: str, actor_id: str, *, wait_seconds: float
) -> dict[str, Any]:
    """Turn a quote into a change, and wait a little for its outcome; returns the change of the contract.

    Raises Refused (not_billing_admin, the quote's own refusals), Conflict (quote_expired, quote_stale with
    `new_quote` in extra, change_in_progress, account_parked), NotFound and StripeTrouble. On any of them
    nothing was written and nothing was charged.
    """
    quote = await quotes.require(billing, quote_id)
    account = await quotes.require_account(billing, quote.account_id)
    require_admin(account, actor_id)
    change_id = await store.id_of_quote(billing.pool, quote_id)
    if change_id is None:
        await _check(billing, account, quote)
        change_id = await _commit(billing, quote, actor_id)
    return await get(billing, change_id, wait_seconds=wait_seconds, until_applied=True)


async def _check(billing: Billing, account: AccountRow, quote: QuoteRow) -> None:
    """The promise must still hold to the cent; otherwise the new amounts go on offer."""
    customer_id = require_running(account)
    if quote.refusals:
        first = quote.refusals[0]
        raise Refused(first["code"], first["detail"])
    if quote.expires_at < clock.wall():
        raise await _stale(billing, account, quote, Code.QUOTE_EXPIRED, "The quote has expired")
    book = await catalog_prices.book(billing.pool)
    try:
        state, now = await asyncio.gather(
            pricing.read_state(billing, account, customer_id),
            pricing.repeat_preview(
                billing,
                book,
                subscription_id=quote.stripe_subscription_id,
                params=quote.stripe_params or {},
                proration_unix=quote.proration_unix,
            ),
        )
    except Conflict as error:
        raise await _stale(billing, account, quote, Code.QUOTE_STALE, error.detail) from error
    if state.fingerprint() != quote.fingerprint or now.differs_from(pricing.promised(quote)):
        reason = "The subscription or an amount has moved since the quote"
        raise await _stale(billing, account, quote, Code.QUOTE_STALE, reason)


async def _stale(
    billing: Billing, account: AccountRow, quote: QuoteRow, code: Code, reason: str
) -> Conflict:
    """The refusal with a fresh quote for the same wish, so that the admin can decide at once."""
    wish = quote.now_terms or {}
    fresh = await quotes.make(billing, account, quote.actor_id, _as_wish(wish))
    return Conflict(
        code,
        f"{reason.rstrip('.')}. Nothing was charged; look at the new amounts in `new_quote` and confirm those.",
        extra={"new_quote": quotes.to_json(fresh)},
    )


def _as_wish(terms: dict[str, Any]) -> PartialTerms:
    wanted = Terms.from_json(terms)
    return PartialTerms(
        wanted.product, wanted.tier, wanted.contact_limit, wanted.seats, wanted.add_ons, wanted.interval
    )


async def _commit(billing: Billing, quote: QuoteRow, actor_id: str) -> str:
    """Intent, key, body and job in one transaction. The unique indexes decide who was first."""
    change = ChangeRow(ids.new_id("chg"), quote.id, quote.account_id, actor_id, clock.wall())
    try:
        async with transaction(billing.pool) as conn:
            account = await account_store.lock(conn, quote.account_id)
            if account is not None:
                require_running(account)
            await _insert(billing, conn, change, quote)
            failpoints.reach(Failpoint.CONFIRM_BEFORE_COMMIT)
    except asyncpg.UniqueViolationError as error:
        used_by = await store.id_of_quote(billing.pool, quote.id)
        if used_by is not None:
            return used_by
        raise Conflict(
            Code.CHANGE_IN_PROGRESS,
            "Another change of this account is still open. Nothing was charged; wait for it or withdraw it.",
            retryable=True,
        ) from error
    log.info(LogEvent.CHANGE_CONFIRMED, change_id=change.id, account_id=quote.account_id, quote_id=quote.id)
    failpoints.reach(Failpoint.CONFIRM_AFTER_COMMIT)
    return change.id


async def _insert(billing: Billing, conn: Connection, change: ChangeRow, quote: QuoteRow) -> None:
    deadline = clock.wall() + timedelta(seconds=billing.apply_deadline_seconds)
    await store.insert(conn, change)
    await store.insert_leg(
        conn,
        change,
        leg=Leg.NOW,
        state=LegState.CONFIRMED,
        terms=quote.now_terms or {},
        quoted_minor=quote.due_today_minor,
        apply_deadline_at=deadline,
    )
    await call_store.insert(conn, _send_call(change.id, quote), change.id)
    await store.add_step(conn, change.id, Leg.NOW, "confirm", LegState.CONFIRMED, {"actor": change.actor_id})
    await enqueue(conn, Job.ADVANCE_CHANGE, [{"change_id": change.id}])


def _send_call(change_id: str, quote: QuoteRow) -> StoredCall:
    subscription_id = quote.stripe_subscription_id
    path = f"/v1/subscriptions/{subscription_id}" if subscription_id else "/v1/subscriptions"
    body = requests.marked(quote.stripe_params or {}, change_id)
    return StoredCall(call_key(change_id, "send"), "send", "POST", path, body)


# ---- look


async def get(
    billing: Billing, change_id: str, *, wait_seconds: float = 0, until_applied: bool = False
) -> dict[str, Any]:
    """The change as it is now, after waiting up to `wait_seconds` for its outcome. Raises NotFound."""
    change = await store.get(billing.pool, change_id)
    if change is None:
        raise NotFound(Code.NOT_FOUND, f"There is no change {change_id!r}.")
    await _wait(billing, change_id, wait_seconds, until_applied)
    return (await _views(billing, [change]))[0]


async def _wait(billing: Billing, change_id: str, wait_seconds: float, until_applied: bool) -> None:
    """Poll the leg with a growing pause. Waiting for a payer's bank is pointless, so that ends it too."""
    pending = WORKING if until_applied else (*WORKING, LegState.APPLIED)
    deadline = asyncio.get_running_loop().time() + wait_seconds
    pause = POLL_SECONDS
    while True:
        leg = await store.leg(billing.pool, change_id, Leg.NOW)
        if leg is None or leg.state not in pending or asyncio.get_running_loop().time() >= deadline:
            return
        await asyncio.sleep(pause)
        pause = min(pause * 1.3, POLL_SECONDS_MOST)


async def list_changes(
    billing: Billing, *, account_id: str | None, limit: int, starting_after: str | None
) -> tuple[list[dict[str, Any]], bool]:
    """A page of changes, newest first, and whether there are more."""
    rows = await store.page(billing.pool, limit + 1, account_id, starting_after)
    return await _views(billing, rows[:limit]), len(rows) > limit


async def _views(billing: Billing, rows: Sequence[ChangeRow]) -> list[dict[str, Any]]:
    change_ids = [row.id for row in rows]
    legs = await store.legs(billing.pool, change_ids)
    steps = await store.steps(billing.pool, change_ids)
    accounts = {row.account_id for row in rows}
    found = [await account_store.get(billing.pool, account_id) for account_id in sorted(accounts)]
    by_account = {account.id: account for account in found if account}
    return [_view(row, legs, steps, by_account[row.account_id]) for row in rows]


def _view(
    row: ChangeRow, legs: Sequence[LegRow], steps: Sequence[dict[str, Any]], account: AccountRow
) -> dict[str, Any]:
    mine = {leg.leg: leg for leg in legs if leg.change_id == row.id}
    now, renewal = mine.get(Leg.NOW), mine.get(Leg.AT_RENEWAL)
    return {
        "id": row.id,
        "quote_id": row.quote_id,
        "account_id": row.account_id,
        "actor": row.actor_id,
        "now": _now_json(now, account.currency) if now else None,
        "at_renewal": {
            "state": renewal.state,
            "effective_on": iso(renewal.effective_on),
            "terms": renewal.terms,
        }
        if renewal
        else None,
        "state": _overall(now, renewal),
        "stripe_subscription_id": account.stripe_subscription_id,
        "created_at": iso(row.created_at),
        "settled_at": iso(now.settled_at) if now else None,
        "steps": [_step_json(step) for step in steps if step["change_id"] == row.id],
    }


def _now_json(leg: LegRow, currency: str) -> dict[str, Any]:
    return {
        "state": leg.state,
        "reason": Code.OUTCOME_UNKNOWN if leg.unknown_since else leg.reason,
        "detail": leg.detail,
        "terms": leg.terms,
        "quoted": amount(leg.quoted_minor, currency),
        "charged": amount(leg.charged_minor, currency),
        "difference_minor": leg.difference_minor,
        "stripe_invoice_id": leg.stripe_invoice_id,
        "hosted_invoice_url": leg.hosted_invoice_url if leg.state == LegState.AWAITING_PAYMENT else None,
        "payable_until": iso(leg.payable_until),
    }


def _overall(now: LegRow | None, renewal: LegRow | None) -> str:
    """The open leg's state; of a finished change, the now-leg's end."""
    for leg in (now, renewal):
        if leg is not None and leg.ended_at is None:
            return leg.state
    last = now or renewal
    return last.state if last else LegState.SETTLED


def _step_json(step: dict[str, Any]) -> dict[str, Any]:
    return {
        "at": iso(step["at"]),
        "leg": step["leg"],
        "step": step["step"],
        "state": step["state"],
        "detail": step["detail"],
    }


# ---- withdraw, and what events do


async def withdraw(billing: Billing, change_id: str, actor_id: str) -> dict[str, Any]:
    """Take back a change that waits for its payment: its open invoice is voided, nothing is charged.

    Raises Refused (not_billing_admin), Conflict (change_in_progress) when it is being applied or has ended.
    """
    change = await store.get(billing.pool, change_id)
    if change is None:
        raise NotFound(Code.NOT_FOUND, f"There is no change {change_id!r}.")
    require_admin(await quotes.require_account(billing, change.account_id), actor_id)
    async with transaction(billing.pool) as conn:
        leg = await store.ask_to_end(conn, change_id, Leg.NOW, LegState.WITHDRAWN)
        if leg is not None:
            await store.add_step(conn, change_id, Leg.NOW, "withdraw", leg.state, {"actor": actor_id})
            await enqueue(conn, Job.ADVANCE_CHANGE, [{"change_id": change_id}])
    if leg is None:
        await _refuse_withdrawal(billing, change_id)
    return await _wait_for_end(billing, change_id)


async def _refuse_withdrawal(billing: Billing, change_id: str) -> None:
    leg = await store.leg(billing.pool, change_id, Leg.NOW)
    if leg is not None and (leg.state == LegState.WITHDRAWN or leg.ending == LegState.WITHDRAWN):
        return
    state = leg.state if leg else "gone"
    raise Conflict(
        Code.CHANGE_IN_PROGRESS,
        f"The change is {state}; only one that waits for its payment can be withdrawn. Nothing was changed.",
    )


async def _wait_for_end(billing: Billing, change_id: str, seconds: float = 10) -> dict[str, Any]:
    deadline = asyncio.get_running_loop().time() + seconds
    while asyncio.get_running_loop().time() < deadline:
        leg = await store.leg(billing.pool, change_id, Leg.NOW)
        if leg is None or leg.ended_at is not None:
            break
        await asyncio.sleep(POLL_SECONDS_MOST)
    return await get(billing, change_id)


async def wake(conn: Connection, *, customer_ids: Collection[str]) -> None:
    """Inside the mirror's transaction: open changes of these Stripe customers get their next step."""
    change_ids = await store.mark_seen(conn, customer_ids)
    await enqueue(conn, Job.ADVANCE_CHANGE, [{"change_id": change_id} for change_id in change_ids])


async def enqueue_due(billing: Billing, limit: int = 500) -> int:
    """Enqueue every change whose next attempt is due: lost jobs, dead workers, deadlines. Returns how many."""
    async with transaction(billing.pool) as conn:
        change_ids = await store.due(conn, limit)
        await enqueue(conn, Job.ADVANCE_CHANGE, [{"change_id": change_id} for change_id in change_ids])
    return len(change_ids)


def until(moment: datetime | None) -> float:
    """Seconds from now until a moment, at least 0; none is 0."""
    return max(0.0, (moment - clock.wall()).total_seconds()) if moment else 0.0
