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
from sync.errors import Code
from sync.evidence import Evidence, Seen
from sync.failpoints import Failpoint
from sync.gateway import Answer, StoredCall, StripeCallFailed, Verdict
from sync.rules.terms import Terms
from sync.states import LegState
from sync.store import accounts as account_store
from sync.store import calls as call_store
from sync.store.calls import CallRow
from sync.store.db import Connection, transaction
from sync.stripe_objects import Subscription
from sync.telemetry import STRIPE_UNKNOWN_OUTCOMES, LogEvent
from sync.work import Work

log = structlog.get_logger()

GO_ON = 0.0
RETRY_SECONDS = 2.0
# Further apart than the client's time-out: a call that is still under way shows in the second read.
CLEAN_READS_APART = timedelta(seconds=65)
PAYMENT_POLL_SECONDS = 60.0
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


# ---- what the evidence means


async def conclude(work: Work, found: Evidence, call: StoredCall, answer: Answer | None) -> float:
    """Store the answer and the move that follows from it, in one transaction."""
    match found.seen:
        case Seen.APPLIED:
            return await _applied(work, found, call, answer)
        case Seen.WAITING:
            return await _await_payment(work, found, call, answer)
        case Seen.DECLINED:
            return await _declined(work, found, call, answer)
        case _:
            return await end(work, LegState.EXPIRED, Code.PAYMENT_DECLINED, "Its invoice was voided.")


async def _applied(work: Work, found: Evidence, call: StoredCall, answer: Answer | None) -> float:
    subscription, invoice = found.subscription, found.invoice
    if subscription is None:
        raise AssertionError("an applied change has a subscription")
    async with transaction(work.billing.pool) as conn:
        await account_store.lock(conn, work.account.id)
        await _answered(conn, call, answer)
        terms = Terms.from_json(work.leg.terms)
        await account_store.begin_terms(conn, work.account.id, terms, clock.wall(), work.change_id)
        await account_store.set_subscription(conn, work.account.id, subscription.id)
        await work.move(
            conn,
            LegState.APPLIED,
            "apply",
            {"subscription": subscription.id, "invoice": invoice.id if invoice else None},
            stripe_invoice_id=invoice.id if invoice else None,
            charged_minor=invoice.amount_paid if invoice else 0,
            unknown_since=None,
            clean_read_at=None,
            ending=None,
        )
        failpoints.reach(Failpoint.APPLY_BEFORE_COMMIT)
    failpoints.reach(Failpoint.APPLY_AFTER_COMMIT)
    log.info(LogEvent.CHANGE_APPLIED, change_id=work.change_id, account_id=work.account.id)
    return GO_ON


async def _await_payment(work: Work, found: Evidence, call: StoredCall, answer: Answer | None) -> float:
    invoice = found.invoice
    if invoice is None:
        raise AssertionError("a change that waits for payment has an invoice")
    if work.leg.state == LegState.AWAITING_PAYMENT:
        return PAYMENT_POLL_SECONDS
    async with transaction(work.billing.pool) as conn:
        await _answered(conn, call, answer)
        await work.move(
            conn,
            LegState.AWAITING_PAYMENT,
            "await_payment",
            {"invoice": invoice.id},
            reason=Code.PAYMENT_ACTION_REQUIRED,
            detail="The bank wants the payer to confirm on the invoice's page. Nothing was charged so far.",
            stripe_invoice_id=invoice.id,
            hosted_invoice_url=invoice.hosted_invoice_url,
            payable_until=found.payable_until,
            unknown_since=None,
            clean_read_at=None,
        )
    log.info(LogEvent.CHANGE_AWAITED, change_id=work.change_id, account_id=work.account.id)
    return PAYMENT_POLL_SECONDS


async def _declined(work: Work, found: Evidence, call: StoredCall, answer: Answer | None) -> float:
    """Declined: its open invoice could still be paid by anyone, so the change ends only with its void."""
    invoice = found.invoice
    if invoice is None:
        raise AssertionError("a declined change has an invoice")
    async with transaction(work.billing.pool) as conn:
        await _answered(conn, call, answer)
        await work.move(
            conn,
            LegState(work.leg.state) if work.leg.state != LegState.CONFIRMED else LegState.APPLYING,
            "decline",
            {"invoice": invoice.id, "decline_code": found.decline_code},
            reason=Code.PAYMENT_DECLINED,
            detail=f"{found.decline_message or 'The payment was declined.'} Nothing was changed or charged.",
            stripe_invoice_id=invoice.id,
            ending=LegState.FAILED,
            unknown_since=None,
            clean_read_at=None,
        )
        failpoints.reach(Failpoint.DECLINE_BEFORE_COMMIT)
    failpoints.reach(Failpoint.DECLINE_AFTER_COMMIT)
    log.info(LogEvent.CHANGE_DECLINED, change_id=work.change_id, code=found.decline_code)
    return GO_ON


async def _answered(conn: Connection, call: StoredCall, answer: Answer | None) -> None:
    """Record the answer; one that was read back instead counts as 200 without a request id."""
    status, request_id = (answer.http_status, answer.request_id) if answer else (200, None)
    await call_store.mark_answered(conn, call.key, status, request_id)


async def end(work: Work, state: LegState, code: Code, why: str) -> float:
    """End a leg that had no effect."""
    async with transaction(work.billing.pool) as conn:
        await work.move(
            conn,
            state,
            "end",
            {"why": why},
            reason=code,
            detail=f"{why} Nothing was charged; ask for a new quote.",
            unknown_since=None,
        )
    event = LogEvent.CHANGE_EXPIRED if state is LegState.EXPIRED else LogEvent.CHANGE_FAILED
    log.info(event, change_id=work.change_id, reason=code)
    return GO_ON


# ---- waiting for the payer, and taking it back


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
    )
    if found.seen in (Seen.DROPPED, Seen.NOTHING):
        return await end(
            work, LegState.EXPIRED, Code.PAYMENT_ACTION_REQUIRED, "The payment was not confirmed in time."
        )
    return await conclude(work, found, (await _stored(work, "send")).call, None)


async def void(work: Work) -> float:
    """Void the open invoice, the only thing that makes sure that the change can never be applied."""
    attempt, call = await _void_call(work)
    async with transaction(work.billing.pool) as conn:
        await call_store.insert(conn, call, work.change_id)
        await call_store.mark_sent(conn, call.key)
        await work.move(conn, LegState(work.leg.state), "void", {"attempt": attempt})
        failpoints.reach(Failpoint.VOID_BEFORE_COMMIT)
    failpoints.reach(Failpoint.VOID_BEFORE_CALL)
    status, request_id = 200, None
    try:
        answer = await work.billing.gateway.send(call)
        status, request_id = answer.http_status, answer.request_id
    except StripeCallFailed as error:
        if error.failure.verdict in (Verdict.REFUSED, Verdict.MISSING):
            status, request_id = error.failure.http_status or 400, error.failure.request_id
        else:
            status = 0
    failpoints.reach(Failpoint.VOID_AFTER_CALL)
    return await _after_void(work, call, status, request_id)


async def _void_call(work: Work) -> tuple[int, StoredCall]:
    """The next void under its key: a definite no is stored at Stripe, so another try needs another key."""
    attempt = 1
    while (
        row := await call_store.get(work.billing.pool, call_key(work.change_id, "void", attempt))
    ) is not None:
        if row.answered_at is None:
            return attempt, row.call
        attempt += 1
    path = f"/v1/invoices/{work.leg.stripe_invoice_id}/void"
    return attempt, StoredCall(call_key(work.change_id, "void", attempt), "void", "POST", path, {})


async def _after_void(work: Work, call: StoredCall, status: int, request_id: str | None) -> float:
    """Believe the invoice, not the answer: void ends the change, paid applies it, open is tried again."""
    invoice = await work.billing.gateway.invoice(work.leg.stripe_invoice_id or "")
    ending = LegState(work.leg.ending or LegState.FAILED)
    async with transaction(work.billing.pool) as conn:
        if status:
            await call_store.mark_answered(conn, call.key, status, request_id)
        if invoice.status == "void":
            await work.move(conn, ending, "end", {"invoice": invoice.id}, **_why(ending))
        elif invoice.status == "paid":
            # Paid while we were taking it back: the change happened, and the account gets what it paid for.
            await work.move(
                conn, LegState(work.leg.state), "paid_after_all", {"invoice": invoice.id}, ending=None
            )
        else:
            return RETRY_SECONDS
    return GO_ON


def _why(ending: LegState) -> dict[str, str]:
    """The reason of an end that somebody asked for; a decline keeps the bank's own."""
    if ending is LegState.FAILED:
        return {}
    detail = "It was taken back before it was paid. Nothing was changed or charged."
    return {"reason": str(ending), "detail": detail}


async def _stored(work: Work, step: str) -> CallRow:
    row = await call_store.get(work.billing.pool, call_key(work.change_id, step))
    if row is None:
        raise AssertionError("confirm stores the call with the change")
    return row
