"""Carrying a confirmed change to Stripe through stored recovery points.

Every step between two foreign calls is one transaction; a process may die between any two lines here, and
the next one resumes from what is stored. What was sent and not answered is read back before anything else.
Each step returns the seconds until the next look at the change, or GO_ON.
"""

from __future__ import annotations

from datetime import timedelta

import msgspec
import structlog

from sync import clock, evidence, hold, pricing, promise
from sync.changes import call_key
from sync.conclude import PAYMENT_POLL_SECONDS, conclude, end, let_go, refuse
from sync.errors import Code
from sync.evidence import Evidence, Seen, Trail
from sync.gateway import Answer, Failure, StoredCall, StripeCallFailed, Verdict
from sync.states import LegState
from sync.steps import Step
from sync.store import calls as call_store
from sync.store import catalog_prices
from sync.store.calls import CallRow
from sync.stripe_objects import Invoice, Subscription
from sync.telemetry import CHANGE_LIMIT, STRIPE_UNKNOWN_OUTCOMES, LogEvent
from sync.void import void
from sync.work import Work, backoff_seconds

log = structlog.get_logger()

# Further apart than the client's time-out: a call that is still under way shows in the second read.
CLEAN_READS_APART = timedelta(seconds=65)
# Stripe forgets keys after a day; well before that the same key may not be trusted any more.
KEY_LIFE = timedelta(hours=23)
# The admin is waiting, and there are only fifteen minutes.
SEND_AGAIN_SECONDS_MOST = 15.0
# How long after its end an invoice may still be open before we void it ourselves.
PAYMENT_GRACE = timedelta(minutes=5)

# Stripe's limit of a subscription is counted over a minute, an hour and a day: nothing is won by spinning.
LIMITED_SECONDS = 240.0

_NO_MEANS_NO = (Verdict.DECLINED, Verdict.REFUSED, Verdict.MISSING)
_NOT_EXECUTED = (Verdict.REPEAT, Verdict.DENIED)


async def carry(work: Work) -> float:
    """The step of a leg that is confirmed or being applied."""
    if work.leg.ending is not None:
        return await void(work)
    call = await _stored(work)
    if call.sends:
        return await read_back(work, call)
    if clock.wall() >= work.leg.apply_deadline_at:
        return await _expire(work)
    await hold.check(work)
    if (reason := await promise.broken(work.billing, work.account, work.quote)) is not None:
        return await end(work, LegState.FAILED, Code.QUOTE_STALE, f"{reason}.")
    return await send(work, call.call)


async def send(work: Work, call: StoredCall) -> float:
    """Commit that it is about to leave, send it, and conclude from the answer."""
    async with work.commit() as conn:
        await call_store.mark_sent(conn, call.key)
        note = {"key": call.key}
        await work.move(
            conn, LegState.APPLYING, Step.SEND, note, clean_read_at=None, reason=None, detail=None
        )
    try:
        answer = await work.billing.gateway.send(call, work.may_charge)
    except StripeCallFailed as error:
        return await _without_answer(work, call, error.failure)
    return await conclude(work, await _of_answer(work, answer), call, answer)


async def _of_answer(work: Work, answer: Answer) -> Evidence:
    """A fresh answer is judged like a read, from the objects in it."""
    subscription = msgspec.convert(answer.data, Subscription)
    gateway = work.billing.gateway
    if work.quote.stripe_subscription_id is None:
        return await evidence.of_creation(gateway, subscription)
    return await evidence.of_update(gateway, await trail(work), subscription)


async def trail(work: Work) -> Trail:
    """What to look for at Stripe."""
    book = await catalog_prices.book(work.billing.pool)
    promised, instant = pricing.promised(work.quote), work.quote.proration_unix

    def is_promised(invoice: Invoice) -> bool:
        return pricing.priced(invoice, book, instant).differs_from(promised) is None

    return Trail(
        change_id=work.change_id,
        customer_id=work.customer_id,
        subscription_id=work.quote.stripe_subscription_id,
        since_unix=instant or 0,
        invoice_id=work.leg.stripe_invoice_id,
        is_promised=is_promised,
    )


async def _without_answer(work: Work, call: StoredCall, failure: Failure) -> float:
    """A definite no ends the change; what was not executed is tried again; the rest is read back."""
    if failure.verdict in _NO_MEANS_NO:
        return await refuse(work, call, failure)
    if failure.verdict is Verdict.LIMITED:
        return await _park_job(work, call, failure)
    if failure.verdict in _NOT_EXECUTED:
        async with work.commit() as conn:
            await call_store.mark_not_executed(conn, call.key)
            await work.move(conn, LegState.APPLYING, Step.POSTPONE, {"why": failure.message})
    else:
        await _note_unknown(work, failure.message)
    return min(backoff_seconds(work.leg.attempts), SEND_AGAIN_SECONDS_MOST)


async def _park_job(work: Work, call: StoredCall, failure: Failure) -> float:
    """The subscription has had its share at Stripe, although our fuse let it pass: leave it for minutes.

    Nothing was executed, so the same key may go out again; the deadline ends what never finds a gap.
    """
    CHANGE_LIMIT.labels(by="stripe").inc()
    log.error(LogEvent.CHANGE_LIMITED, change_id=work.change_id, account_id=work.account.id)
    async with work.commit() as conn:
        await call_store.mark_not_executed(conn, call.key)
        await work.move(
            conn,
            LegState.APPLYING,
            Step.POSTPONE,
            {"why": failure.message, "request_id": failure.request_id},
            reason=Code.CHANGE_LIMIT_REACHED,
            detail="Stripe takes no more changes of this subscription for a while. Nothing was charged so "
            "far; it is tried again in some minutes.",
        )
    left = (work.leg.apply_deadline_at - clock.wall()).total_seconds()
    return min(LIMITED_SECONDS, max(1.0, left))


async def _expire(work: Work) -> float:
    """Its time is over, and nothing was sent; what it waited for to the end is why."""
    if work.leg.reason in hold.REASONS:
        why = "It had to wait until its time was over."
        return await end(work, LegState.EXPIRED, Code(work.leg.reason), why)
    return await end(work, LegState.EXPIRED, Code.QUOTE_EXPIRED, "It was not applied in time.")


async def _note_unknown(work: Work, why: str) -> None:
    STRIPE_UNKNOWN_OUTCOMES.inc()
    log.warning(LogEvent.STRIPE_UNKNOWN, change_id=work.change_id, why=why)
    since = work.leg.unknown_since or clock.wall()
    async with work.commit() as conn:
        await work.move(conn, LegState.APPLYING, Step.LOSE_ANSWER, {"why": why}, unknown_since=since)


async def read_back(work: Work, call: CallRow) -> float:
    """Somebody sent it and no answer is stored: look before doing anything else."""
    if work.leg.unknown_since is None:
        await _note_unknown(work, "the process that sent it died")
    seen = await evidence.read(work.billing.gateway, await trail(work))
    if seen.seen is not Seen.NOTHING:
        return await conclude(work, seen, call.call, None)
    return await _no_trace(work, call)


async def _no_trace(work: Work, call: CallRow) -> float:
    """Nothing happened so far. In time, the same bytes go out under the same key; too late, it must end."""
    now = clock.wall()
    fresh = call.first_sent_at is not None and now - call.first_sent_at < KEY_LIFE
    in_time = now < work.leg.apply_deadline_at and fresh
    if in_time:
        await hold.check(work)
        if await promise.broken(work.billing, work.account, work.quote) is None:
            return await send(work, call.call)
    if work.leg.clean_read_at is None:
        async with work.commit() as conn:
            await work.move(conn, LegState.APPLYING, Step.READ_BACK, {"found": "nothing"}, clean_read_at=now)
        return CLEAN_READS_APART.total_seconds()
    remaining = work.leg.clean_read_at + CLEAN_READS_APART - now
    if remaining > timedelta(0):
        return remaining.total_seconds()
    return await end(work, LegState.EXPIRED, Code.OUTCOME_UNKNOWN, "Stripe has no trace of it.")


async def watch_payment(work: Work) -> float:
    """The step of a leg that waits for its payment."""
    if work.leg.ending is not None:
        return await void(work)
    found = await evidence.read(work.billing.gateway, await trail(work))
    if found.seen is Seen.DROPPED:
        return await end(
            work, LegState.EXPIRED, Code.PAYMENT_ACTION_REQUIRED, "The payment was not confirmed in time."
        )
    if found.seen is Seen.NOTHING:
        return PAYMENT_POLL_SECONDS
    if found.seen is Seen.WAITING and _is_overdue(work):
        return await let_go(work, LegState.EXPIRED)
    return await conclude(work, found, (await _stored(work)).call, None)


def _is_overdue(work: Work) -> bool:
    """Stripe should have voided it by now; it did not, so we do."""
    until = work.leg.payable_until
    return until is not None and work.billing.gateway.stripe_now() > (until + PAYMENT_GRACE).timestamp()


async def _stored(work: Work) -> CallRow:
    row = await call_store.get(work.billing.pool, call_key(work.change_id, "send"))
    if row is None:
        raise AssertionError("confirm stores the call with the change")
    return row
