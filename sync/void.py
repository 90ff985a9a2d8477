"""Taking a change back: its open invoice is voided, and only that ends it for good."""

from __future__ import annotations

from sync import failpoints
from sync.changes import call_key
from sync.failpoints import Failpoint
from sync.gateway import StoredCall, StripeCallFailed, Verdict
from sync.states import LegState
from sync.store import calls as call_store
from sync.store.db import transaction
from sync.work import GO_ON, RETRY_SECONDS, Work


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
