"""Carrying a confirmed change to Stripe through stored recovery points.

Every step between two foreign calls is one transaction; a process may die between any two lines here, and
the next one resumes from what is stored. What was sent and not answered is read back before anything else.
Each step returns the seconds until the next look at the change, or GO_ON.
"""

from __future__ import annotations

from datetime import timedelta

import msgspec
import structlog

from sync import clock, evidence, failpoints, pricing
from sync.changes import call_key
from sync.conclude import conclude, end
from sync.errors import Code
from sync.evidence import Evidence, Seen
from sync.failpoints import Failpoint
from sync.gateway import Answer, StoredCall, StripeCallFailed, Verdict
from sync.states import LegState
from sync.store import calls as call_store
from sync.store.calls import CallRow
from sync.store.db import transaction
from sync.stripe_objects import Subscription
from sync.telemetry import STRIPE_UNKNOWN_OUTCOMES, LogEvent
from sync.void import void
from sync.work import GO_ON, RETRY_SECONDS, Work

log = structlog.get_logger()

# Further apart than the client's time-out: a call that is still under way shows in the second read.
CLEAN_READS_APART = timedelta(seconds=65)
# Stripe forgets keys after a day; well before that the same key may not be trusted any more.
KEY_LIFE = timedelta(hours=23)


async def carry(work: Work) -> float:
    """The step of a leg that is confirmed or being applied."""
    if work.leg.ending is not None:
        return await void(work)
    call = await _stored(work, "send")
    if call.sends:
        return await read_back(work, call)
    if clock.wall() >= work.leg.apply_deadline_at:
        return await end(work, LegState.EXPIRED, Code.QUOTE_EXPIRED, "It was not applied in time.")
    if not await _still_holds(work):
        return await end(work, LegState.FAILED, Code.QUOTE_STALE, "The subscription moved after the confirm.")
    return await send(work, call.call)


async def send(work: Work, call: StoredCall) -> float:
    """Commit that it is about to leave, send it, and conclude from the answer."""
    async with transaction(work.billing.pool) as conn:
        await call_store.mark_sent(conn, call.key)
        await work.move(conn, LegState.APPLYING, "send", {"key": call.key}, clean_read_at=None)
        failpoints.reach(Failpoint.SEND_BEFORE_COMMIT)
    failpoints.reach(Failpoint.SEND_BEFORE_CALL)
    try:
        answer = await work.billing.gateway.send(call)
    except StripeCallFailed as error:
        return await _not_sent(work, call, error)
    failpoints.reach(Failpoint.SEND_AFTER_CALL)
    return await conclude(work, await _of_answer(work, answer), call, answer)


async def _of_answer(work: Work, answer: Answer) -> Evidence:
    """A fresh answer is judged like a read, from the objects in it."""
    subscription = msgspec.convert(answer.data, Subscription)
    gateway = work.billing.gateway
    if work.quote.stripe_subscription_id is None:
        return await evidence.of_creation(gateway, subscription)
    return await evidence.of_update(gateway, work.change_id, subscription, work.quote.proration_unix or 0)


async def _not_sent(work: Work, call: StoredCall, error: StripeCallFailed) -> float:
    """A call without a usable answer: a definite no ends the change, everything else is read back."""
    failure = error.failure
    if failure.verdict in (Verdict.DECLINED, Verdict.REFUSED, Verdict.MISSING):
        declined = failure.verdict is Verdict.DECLINED
        code = Code.PAYMENT_DECLINED if declined else Code.STRIPE_REFUSED
        async with transaction(work.billing.pool) as conn:
            await call_store.mark_answered(
                conn, call.key, failure.http_status or 0, failure.request_id, failure.code
            )
            await work.move(
                conn,
                LegState.FAILED,
                "refuse",
                {"code": failure.decline_code or failure.code, "request_id": failure.request_id},
                reason=code,
                detail=f"{failure.message} Nothing was charged.",
                unknown_since=None,
            )
        log.info(
            LogEvent.CHANGE_DECLINED, change_id=work.change_id, code=failure.decline_code or failure.code
        )
        return GO_ON
    await _note_unknown(work, failure.message)
    return min(RETRY_SECONDS * work.leg.attempts, 30.0)


async def _note_unknown(work: Work, why: str) -> None:
    STRIPE_UNKNOWN_OUTCOMES.inc()
    log.warning(LogEvent.STRIPE_UNKNOWN, change_id=work.change_id, why=why)
    async with transaction(work.billing.pool) as conn:
        await work.move(
            conn,
            LegState.APPLYING,
            "lose_answer",
            {"why": why},
            unknown_since=work.leg.unknown_since or clock.wall(),
        )


async def read_back(work: Work, call: CallRow) -> float:
    """Somebody sent it and no answer is stored: look before doing anything else."""
    if work.leg.unknown_since is None:
        await _note_unknown(work, "the process that sent it died")
    seen = await evidence.read(
        work.billing.gateway,
        work.change_id,
        customer_id=work.customer_id,
        subscription_id=work.quote.stripe_subscription_id,
        since_unix=work.quote.proration_unix or 0,
        invoice_id=work.leg.stripe_invoice_id,
    )
    if seen.seen is not Seen.NOTHING:
        return await conclude(work, seen, call.call, None)
    return await _no_trace(work, call)


async def _no_trace(work: Work, call: CallRow) -> float:
    """Nothing happened so far. In time, the same bytes go out under the same key; too late, it must end."""
    now = clock.wall()
    fresh = call.first_sent_at is not None and now - call.first_sent_at < KEY_LIFE
    if now < work.leg.apply_deadline_at and fresh and await _still_holds(work):
        return await send(work, call.call)
    if work.leg.clean_read_at is None:
        async with transaction(work.billing.pool) as conn:
            await work.move(conn, LegState.APPLYING, "read_back", {"found": "nothing"}, clean_read_at=now)
        return CLEAN_READS_APART.total_seconds()
    remaining = work.leg.clean_read_at + CLEAN_READS_APART - now
    if remaining > timedelta(0):
        return remaining.total_seconds()
    return await end(work, LegState.EXPIRED, Code.OUTCOME_UNKNOWN, "Stripe has no trace of it.")


async def _still_holds(work: Work) -> bool:
    """Whether the state that was quoted is still the state."""
    state = await pricing.read_state(work.billing, work.account, work.customer_id)
    return state.fingerprint() == work.quote.fingerprint


async def watch_payment(work: Work) -> float:
    """The step of a leg that waits for its payment."""
    if work.leg.ending is not None:
        return await void(work)
    found = await evidence.read(
        work.billing.gateway,
        work.change_id,
        customer_id=work.customer_id,
        subscription_id=work.quote.stripe_subscription_id,
        since_unix=work.quote.proration_unix or 0,
        invoice_id=work.leg.stripe_invoice_id,
    )
    if found.seen in (Seen.DROPPED, Seen.NOTHING):
        return await end(
            work, LegState.EXPIRED, Code.PAYMENT_ACTION_REQUIRED, "The payment was not confirmed in time."
        )
    return await conclude(work, found, (await _stored(work, "send")).call, None)


async def _stored(work: Work, step: str) -> CallRow:
    row = await call_store.get(work.billing.pool, call_key(work.change_id, step))
    if row is None:
        raise AssertionError("confirm stores the call with the change")
    return row
