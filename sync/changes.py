"""The life of a change as its people see it: confirmed, resumed, woken.

Confirm commits the intent - key, exact body, job - and calls nobody who could charge; `sync.apply` carries
it to Stripe. Everything here can be repeated: the same quote confirmed twice is one change.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection
from datetime import timedelta
from typing import Any

import asyncpg
import structlog

from sync import audit_acts, change_views, clock, failpoints, fuse, ids, promise, quotes, requests, switch
from sync.billing import Billing
from sync.contract import quote_json
from sync.errors import BadInput, Code, Conflict, NotFound, ProrataError, Refused
from sync.gateway import StoredCall
from sync.quotes import require_admin, require_running
from sync.renewal.handover import hand_over
from sync.request_states import OPEN, RequestState
from sync.rules.terms import Terms
from sync.states import Leg, LegState
from sync.steps import Chore, Step
from sync.store import accounts as account_store
from sync.store import calls as call_store
from sync.store import change_requests as request_store
from sync.store import changes as store
from sync.store import nudges
from sync.store import promises as promise_store
from sync.store.accounts import AccountRow
from sync.store.changes import ChangeRow
from sync.store.db import Connection
from sync.store.jobs import Job, enqueue
from sync.store.quotes import QuoteRow
from sync.telemetry import LogEvent
from sync.usage import require_room
from sync.wishes import Wish

log = structlog.get_logger()


def call_key(change_id: str, step: str, attempt: int = 1) -> str:
    """The idempotency key of a step. A fresh attempt needs a new decision, never just a retry."""
    return f"change:{change_id}:{Leg.NOW}:{step}:{attempt}"


# ---- confirm


async def confirm(billing: Billing, quote_id: str, actor_id: str, *, wait_seconds: float) -> dict[str, Any]:
    """Turn a quote into a change, and wait a little for its outcome; returns the change of the contract.

    Raises Refused (not_billing_admin, writes_stopped, change_limit_reached, the quote's own refusals),
    Conflict (quote_expired, quote_stale with `new_quote` in extra, change_in_progress, account_parked),
    NotFound and StripeTrouble. On any of them nothing was written and nothing was charged.
    """
    quote = await quotes.require(billing, quote_id)
    account = await quotes.require_account(billing, quote.account_id)
    require_admin(account, actor_id)
    change_id = await store.id_of_quote(billing.pool, quote_id)
    if change_id is None:
        try:
            await _check(billing, account, quote)
            change_id = await _commit(billing, quote, actor_id)
        except ProrataError:
            # Of a second click: what stands in its way may be what the first one did.
            change_id = await _confirmed_meanwhile(billing, quote)
            if change_id is None:
                raise
    return await change_views.get(billing, change_id, wait_seconds=wait_seconds, until_applied=True)


async def _confirmed_meanwhile(billing: Billing, quote: QuoteRow) -> str | None:
    """The change of a quote, asked under the account's lock: no commit of it is on its way any more."""
    async with failpoints.committing(billing.pool, ()) as conn:
        await account_store.lock(conn, quote.account_id)
        return await store.id_of_quote(conn, quote.id)


TakeUp = Callable[[Connection, str], Awaitable[None]]
"""Called inside confirm's transaction with the new change's id, for the request that the quote answers."""


async def carry_out(billing: Billing, quote: QuoteRow, decided_by: str, take_up: TakeUp) -> str:
    """Confirm a quote that costs nothing now, in the name of support who approved it; returns the change.

    Raises as `confirm` does, and Refused where it does cost something: then only the admin may say yes.
    """
    account = await quotes.require_account(billing, quote.account_id)
    if quotes.costs_now(quote):
        raise Refused(Code.NOT_BILLING_ADMIN, "It costs something now: the primary admin has to confirm it.")
    await _check(billing, account, quote)
    return await _commit(billing, quote, decided_by, take_up)


async def _check(billing: Billing, account: AccountRow, quote: QuoteRow) -> None:
    """The promise must still hold to the cent; otherwise the new amounts go on offer."""
    require_running(account)
    await switch.require_go(billing.pool, account.id)
    if quote.refusals:
        first = quote.refusals[0]
        raise Refused(first["code"], first["detail"])
    if quote.expires_at < clock.wall():
        raise await _stale(billing, account, quote, Code.QUOTE_EXPIRED, "The quote has expired")
    if (reason := await promise.broken(billing, account, quote)) is not None:
        raise await _stale(billing, account, quote, Code.QUOTE_STALE, reason)


async def _stale(billing: Billing, account: AccountRow, quote: QuoteRow, code: Code, reason: str) -> Conflict:
    """The refusal with a fresh quote for the same wish, so that the admin can decide at once."""
    said = f"{reason.rstrip('.')}. Nothing was charged;"
    try:
        fresh = await quotes.make(billing, account, quote.actor_id, Wish.of_quote(quote))
    except BadInput as error:
        return Conflict(code, f"{said} the same wish is no longer possible: {error.detail}")
    return Conflict(
        code,
        f"{said} `new_quote` has the amounts of now: confirm those.",
        extra={"new_quote": quote_json(fresh)},
    )


async def _commit(billing: Billing, quote: QuoteRow, actor_id: str, approve: TakeUp | None = None) -> str:
    """Intent, key, body and job in one transaction. The account's lock decides who was first."""
    change = ChangeRow(ids.new_id("chg"), quote.id, quote.account_id, actor_id, clock.wall())
    try:
        async with failpoints.committing(billing.pool, [Step.CONFIRM]) as conn:
            account = await account_store.lock(conn, quote.account_id)
            if (used_by := await store.id_of_quote(conn, quote.id)) is not None:
                return used_by
            if account is not None:
                # The last look at who may buy, and at what is in use, on a row that nobody can change.
                require_running(account)
                require_room(billing, account, quote)
                if approve is None:
                    require_admin(account, actor_id)
            await switch.require_go(conn, quote.account_id)
            await _check_promise(conn, quote)
            await fuse.require(conn, quote)
            await _insert(billing, conn, change, quote)
            if approve is not None:
                await approve(conn, change.id)
            elif quote.request_id is not None:
                await _take_up(conn, quote.request_id, change)
            await audit_acts.confirmed(conn, quote, change.id, actor_id, by_admin=approve is None)
    except asyncpg.UniqueViolationError as error:
        raise _in_progress() from error
    log.info(LogEvent.CHANGE_CONFIRMED, change_id=change.id, account_id=quote.account_id, quote_id=quote.id)
    return change.id


async def _check_promise(conn: Connection, quote: QuoteRow) -> None:
    """The promise for the renewal must be the one that the quote counted with, and stand at Stripe."""
    standing = await promise_store.promise_of(conn, quote.account_id)
    if (standing.change_id if standing else None) != quote.scheduled_change_id:
        raise Conflict(
            Code.QUOTE_STALE,
            "What is promised for the renewal has moved since the quote. Nothing was charged; ask for a new "
            "quote.",
        )
    is_busy = standing is not None and (standing.state != LegState.SCHEDULED or standing.ending is not None)
    if is_busy or await promise_store.has_open_now_leg(conn, quote.account_id):
        raise _in_progress()


async def _take_up(conn: Connection, request_id: str, change: ChangeRow) -> None:
    """The request that a quote answers becomes this change, if it is still open. Raises Conflict."""
    moved = await request_store.move(conn, request_id, OPEN, RequestState.APPROVED, change_id=change.id)
    if moved is None:
        raise Conflict(
            Code.REQUEST_CLOSED,
            "The change request behind this quote was withdrawn or has expired. Nothing was charged.",
        )
    await audit_acts.request_moved(conn, moved, change.actor_id, RequestState.AWAITING_ADMIN_CONFIRM)


def _in_progress() -> Conflict:
    return Conflict(
        Code.CHANGE_IN_PROGRESS,
        "Another change of this account is still open. Nothing was charged; wait for it or withdraw it.",
        retryable=True,
    )


async def _insert(billing: Billing, conn: Connection, change: ChangeRow, quote: QuoteRow) -> None:
    await store.insert(conn, change)
    note = {"actor": change.actor_id}
    if quote.now_terms is None:
        terms = Terms.from_json(quote.renewal_terms) if quote.renewal_terms else None
        await store.add_step(conn, change.id, Leg.AT_RENEWAL, Step.CONFIRM, LegState.CONFIRMED, note)
        await hand_over(conn, change, terms, quotes.renews_on(quote), quote.scheduled_change_id)
        return
    deadline = clock.wall() + timedelta(seconds=billing.apply_deadline_seconds)
    await store.insert_leg(
        conn,
        change,
        leg=Leg.NOW,
        state=LegState.CONFIRMED,
        terms=quote.now_terms,
        quoted_minor=quote.due_today_minor,
        apply_deadline_at=deadline,
    )
    await call_store.insert(conn, _send_call(change.id, quote), change.id)
    await store.add_step(conn, change.id, Leg.NOW, Step.CONFIRM, LegState.CONFIRMED, note)
    await enqueue(conn, Job.ADVANCE_CHANGE, [{"change_id": change.id}])


def _send_call(change_id: str, quote: QuoteRow) -> StoredCall:
    subscription_id = quote.stripe_subscription_id
    path = f"/v1/subscriptions/{subscription_id}" if subscription_id else "/v1/subscriptions"
    body = requests.marked(quote.stripe_params or {}, change_id)
    return StoredCall(call_key(change_id, "send"), "send", "POST", path, body)


# ---- what events do, and the sweep


async def resume(billing: Billing, change_id: str) -> bool:
    """Enqueue the change's next step now, whatever it waits for; False when it has ended. Safe to repeat.

    Raises NotFound.
    """
    async with failpoints.committing(billing.pool, [Chore.RESUME]) as conn:
        if (change := await store.get(conn, change_id)) is None:
            raise NotFound(Code.NOT_FOUND, f"There is no change {change_id!r}.")
        is_open = any(leg.ended_at is None for leg in await store.legs(conn, [change_id]))
        if is_open:
            await enqueue(conn, Job.ADVANCE_CHANGE, [{"change_id": change_id}])
            await audit_acts.resumed(conn, change)
    if is_open:
        log.info(LogEvent.CHANGE_RESUMED, change_id=change_id)
    return is_open


async def wake(conn: Connection, *, customer_ids: Collection[str]) -> None:
    """Inside the mirror's transaction: open changes of these Stripe customers get their next step."""
    change_ids = await nudges.mark_seen(conn, customer_ids)
    await enqueue(conn, Job.ADVANCE_CHANGE, [{"change_id": change_id} for change_id in change_ids])


async def enqueue_due(billing: Billing, limit: int = 500) -> int:
    """Enqueue every change that is due: lost jobs, dead workers, deadlines. Returns how many."""
    async with failpoints.committing(billing.pool, [Chore.NUDGE]) as conn:
        change_ids = await nudges.nudge_due(conn, limit)
        await enqueue(conn, Job.ADVANCE_CHANGE, [{"change_id": change_id} for change_id in change_ids])
    return len(change_ids)
