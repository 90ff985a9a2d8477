"""Taking a change back: its open invoice is voided, and only that ends it for good."""

from __future__ import annotations

from sync.changes import call_key
from sync.errors import Code
from sync.gateway import StoredCall, StripeCallFailed, Verdict
from sync.states import LegState
from sync.steps import Step
from sync.store import calls as call_store
from sync.work import GO_ON, Work, backoff_seconds

# What Stripe stored under the key: the same key would replay it for a day.
_ANSWERED = (Verdict.REFUSED, Verdict.MISSING, Verdict.DECLINED)


async def void(work: Work) -> float:
    """Void the open invoice, the only thing that makes sure that the change can never be applied."""
    attempt, call = await _next_call(work)
    async with work.commit() as conn:
        await call_store.insert(conn, call, work.change_id)
        await call_store.mark_sent(conn, call.key)
        if attempt == 1:
            await work.move(
                conn, LegState(work.leg.state), Step.VOID, {"invoice": work.leg.stripe_invoice_id}
            )
    status, request_id = await _send(work, call)
    return await _conclude(work, call, attempt, status, request_id)


async def _next_call(work: Work) -> tuple[int, StoredCall]:
    """The void that has no answer yet, or the next one: what is stored at Stripe needs another key."""
    row, attempts = await call_store.newest(work.billing.pool, work.change_id, "void")
    if row is not None and row.answered_at is None:
        return attempts, row.call
    path = f"/v1/invoices/{work.leg.stripe_invoice_id}/void"
    return attempts + 1, StoredCall(call_key(work.change_id, "void", attempts + 1), "void", "POST", path, {})


async def _send(work: Work, call: StoredCall) -> tuple[int | None, str | None]:
    """The status that Stripe stored under the key, or None while nobody knows, and the request's id."""
    try:
        answer = await work.billing.gateway.send(call, work.is_held)
    except StripeCallFailed as error:
        failure = error.failure
        stored = failure.verdict in _ANSWERED or (failure.http_status or 0) >= 500
        return (failure.http_status if stored else None), failure.request_id
    return answer.http_status, answer.request_id


async def _conclude(
    work: Work, call: StoredCall, attempt: int, status: int | None, request_id: str | None
) -> float:
    """Believe the invoice, not the answer: void ends the change, paid applies it, open is tried again."""
    invoice = await work.billing.gateway.invoice(work.leg.stripe_invoice_id or "")
    ending = LegState(work.leg.ending or LegState.FAILED)
    async with work.commit() as conn:
        if status is not None:
            await call_store.mark_answered(conn, call.key, status, request_id)
        if invoice.status == "void":
            await work.move(conn, ending, Step.END, {"invoice": invoice.id}, **_why(ending))
            return GO_ON
        if invoice.status == "paid":
            # Paid while we were taking it back: the change happened, and the account gets what it paid for.
            await work.move(
                conn,
                LegState(work.leg.state),
                Step.PAID_AFTER_ALL,
                {"invoice": invoice.id},
                ending=None,
                reason=None,
                detail=None,
            )
            return GO_ON
    return backoff_seconds(attempt)


def _why(ending: LegState) -> dict[str, str]:
    """The reason of an end that was not the bank's; a decline keeps the bank's own."""
    if ending is LegState.FAILED:
        return {}
    if ending is LegState.EXPIRED:
        detail = "The payment was not confirmed in time. Nothing was changed or charged."
        return {"reason": Code.PAYMENT_ACTION_REQUIRED, "detail": detail}
    return {"reason": str(ending), "detail": "It was taken back before it was paid. Nothing was charged."}
