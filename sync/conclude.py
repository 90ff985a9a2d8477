"""What the evidence means: the answer and the move that follows from it, in one transaction."""

from __future__ import annotations

from datetime import UTC, datetime

import structlog

from sync import clock
from sync.errors import Code
from sync.evidence import Evidence, Seen
from sync.gateway import Answer, Failure, StoredCall, Verdict
from sync.renewal.handover import hand_over
from sync.rules.terms import Terms
from sync.states import Leg, LegState
from sync.steps import Step
from sync.store import accounts as account_store
from sync.store import calls as call_store
from sync.store import changes as change_store
from sync.store.db import Connection
from sync.store.quotes import QuoteRow
from sync.stripe_objects import Subscription
from sync.telemetry import LogEvent
from sync.work import GO_ON, Work

log = structlog.get_logger()

PAYMENT_POLL_SECONDS = 60.0


async def conclude(work: Work, found: Evidence, call: StoredCall, answer: Answer | None) -> float:
    """Store the answer and move the leg; returns the seconds until the next look, or GO_ON."""
    match found.seen:
        case Seen.APPLIED:
            return await _applied(work, found, call, answer)
        case Seen.WAITING:
            return await _await_payment(work, found, call, answer)
        case Seen.DECLINED:
            return await _declined(work, found, call, answer)
        case _:
            return await end(work, LegState.EXPIRED, Code.PAYMENT_ACTION_REQUIRED, "Its invoice was voided.")


async def _applied(work: Work, found: Evidence, call: StoredCall, answer: Answer | None) -> float:
    subscription, invoice = found.subscription, found.invoice
    if subscription is None:
        raise AssertionError("an applied change has a subscription")
    async with work.commit() as conn:
        await account_store.lock(conn, work.account.id)
        await _answered(conn, call, answer)
        terms = Terms.from_json(work.leg.terms)
        await account_store.begin_terms(conn, work.account.id, terms, clock.wall(), work.change_id, Leg.NOW)
        await account_store.set_subscription(conn, work.account.id, subscription.id)
        await work.move(
            conn,
            LegState.APPLIED,
            Step.APPLY,
            {"subscription": subscription.id, "invoice": invoice.id if invoice else None},
            stripe_invoice_id=invoice.id if invoice else None,
            charged_minor=invoice.amount_paid if invoice else 0,
            reason=None,
            detail=None,
            unknown_since=None,
            clean_read_at=None,
            ending=None,
        )
        await _promise_the_rest(work, conn, subscription)
    log.info(LogEvent.CHANGE_APPLIED, change_id=work.change_id, account_id=work.account.id)
    return GO_ON


async def _promise_the_rest(work: Work, conn: Connection, subscription: Subscription) -> None:
    """What the cart leaves for the renewal is promised only now: an unpaid increase takes it along."""
    quote, change = work.quote, await change_store.get(conn, work.change_id)
    if change is None:
        raise AssertionError("foreign keys keep a leg's change")
    terms = Terms.from_json(quote.renewal_terms) if quote.renewal_terms else None
    await hand_over(conn, change, terms, _renews_on(quote, subscription), quote.scheduled_change_id)


def _renews_on(quote: QuoteRow, subscription: Subscription) -> datetime:
    """The first renewal after the purchase: the present period's end, or its start where nobody could look
    before it renewed. Then the promise is missed, which people must hear of."""
    bought_unix = quote.proration_unix
    if bought_unix is not None and bought_unix < subscription.period_start:
        return datetime.fromtimestamp(subscription.period_start, UTC)
    return datetime.fromtimestamp(subscription.period_end, UTC)


async def _await_payment(work: Work, found: Evidence, call: StoredCall, answer: Answer | None) -> float:
    invoice = found.invoice
    if invoice is None:
        raise AssertionError("a change that waits for payment has an invoice")
    if work.leg.state == LegState.AWAITING_PAYMENT:
        return PAYMENT_POLL_SECONDS
    async with work.commit() as conn:
        await _answered(conn, call, answer)
        await work.move(
            conn,
            LegState.AWAITING_PAYMENT,
            Step.AWAIT_PAYMENT,
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
    async with work.commit() as conn:
        await _answered(conn, call, answer)
        await work.move(
            conn,
            LegState(work.leg.state) if work.leg.state != LegState.CONFIRMED else LegState.APPLYING,
            Step.DECLINE,
            {"invoice": invoice.id, "decline_code": found.decline_code},
            reason=Code.PAYMENT_DECLINED,
            detail=f"{found.decline_message or 'The payment was declined.'} Nothing was changed or charged.",
            stripe_invoice_id=invoice.id,
            ending=LegState.FAILED,
            unknown_since=None,
            clean_read_at=None,
        )
    log.info(LogEvent.CHANGE_DECLINED, change_id=work.change_id, code=found.decline_code)
    return GO_ON


async def _answered(conn: Connection, call: StoredCall, answer: Answer | None) -> None:
    """Record the answer; one that was read back instead counts as 200 without a request id."""
    status, request_id = (answer.http_status, answer.request_id) if answer else (200, None)
    await call_store.mark_answered(conn, call.key, status, request_id)


async def refuse(work: Work, call: StoredCall, failure: Failure) -> float:
    """Stripe said a definite no: the change ends, and its key is never used again."""
    declined = failure.verdict is Verdict.DECLINED
    code = Code.PAYMENT_DECLINED if declined else Code.STRIPE_REFUSED
    async with work.commit() as conn:
        await call_store.mark_answered(
            conn, call.key, failure.http_status or 0, failure.request_id, failure.code
        )
        await work.move(
            conn,
            LegState.FAILED,
            Step.REFUSE,
            {"code": failure.decline_code or failure.code, "request_id": failure.request_id},
            reason=code,
            detail=f"{failure.message} Nothing was changed or charged.",
            unknown_since=None,
        )
    log.info(LogEvent.CHANGE_DECLINED, change_id=work.change_id, code=failure.code)
    return GO_ON


async def let_go(work: Work, ending: LegState) -> float:
    """Begin to end a change that Stripe still holds back; the void of its invoice is the next step."""
    async with work.commit() as conn:
        await work.move(conn, LegState(work.leg.state), Step.LET_GO, {"ending": ending}, ending=ending)
    return GO_ON


async def end(work: Work, state: LegState, code: Code, why: str) -> float:
    """End a leg that had no effect."""
    async with work.commit() as conn:
        await work.move(
            conn,
            state,
            Step.END,
            {"why": why},
            reason=code,
            detail=f"{why} Nothing was charged; ask for a new quote.",
            unknown_since=None,
        )
    event = LogEvent.CHANGE_EXPIRED if state is LegState.EXPIRED else LogEvent.CHANGE_FAILED
    log.info(event, change_id=work.change_id, reason=code)
    return GO_ON
