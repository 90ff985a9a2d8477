"""Writes of a renewal leg: none of them charges, so an unknown outcome is simply sent again.

The same bytes go out under the same key while Stripe remembers it; what happened meanwhile is seen by
reading, and whatever is still missing is another attempt with a key of its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from sync import clock, hold
from sync.gateway import Failure, StoredCall, StripeCallFailed, Verdict
from sync.requests import Body
from sync.states import Leg
from sync.steps import Step
from sync.store import calls as call_store
from sync.store.calls import CallRow
from sync.work import Work

# Stripe forgets keys after a day; well before that the same key may not be trusted any more.
KEY_LIFE = timedelta(hours=23)

HTTP_SERVER_ERROR = 500

# Stripe's answer is stored under the key, and would be replayed for a day.
_ANSWERED = (Verdict.REFUSED, Verdict.MISSING, Verdict.DECLINED)


def step_name(step: str) -> str:
    """The name of a call's step; the now-leg has names of its own."""
    return f"renewal_{step}"


async def unanswered(work: Work, step: str) -> CallRow | None:
    """The call of this step that left, or was about to, and whose answer is not stored."""
    row, _ = await call_store.newest(work.billing.pool, work.change_id, step_name(step))
    return row if row is not None and row.answered_at is None else None


def is_forgotten(row: CallRow) -> bool:
    """Whether Stripe may not know the call's key any more."""
    return row.first_sent_at is not None and clock.wall() - row.first_sent_at >= KEY_LIFE


def is_burnt(failure: Failure) -> bool:
    """Whether Stripe answered with an error of its own, which the key replays for a day from now on."""
    return failure.verdict is Verdict.UNKNOWN and (failure.http_status or 0) >= HTTP_SERVER_ERROR


async def write(work: Work, step: str, path: str, body: Body) -> Mapping[str, Any]:
    """Store a call, send it, and store its answer; returns the object. Raises StripeCallFailed, Held."""
    await hold.check(work)
    _, attempts = await call_store.newest(work.billing.pool, work.change_id, step_name(step))
    key = f"change:{work.change_id}:{Leg.AT_RENEWAL}:{step}:{attempts + 1}"
    call = StoredCall(key, step_name(step), "POST", path, body)
    async with work.commit(Step(f"store_{step}")) as conn:
        await call_store.insert(conn, call, work.change_id)
    return await _send(work, call)


async def resend(work: Work, call: StoredCall) -> Mapping[str, Any]:
    """Send again what an earlier attempt stored. Raises StripeCallFailed, Held."""
    await hold.check(work)
    return await _send(work, call)


async def _send(work: Work, call: StoredCall) -> Mapping[str, Any]:
    """Send a stored call. Raises StripeCallFailed; a definite no is stored."""
    await call_store.mark_sent(work.billing.pool, call.key)
    try:
        answer = await work.billing.gateway.send(call, work.may_write)
    except StripeCallFailed as error:
        failure = error.failure
        # The schedule that a create may have made is looked for by its key, so that one stays open.
        if failure.verdict in _ANSWERED or (is_burnt(failure) and call.step != step_name("create")):
            status = failure.http_status or 0
            await call_store.mark_answered(
                work.billing.pool, call.key, status, failure.request_id, failure.code
            )
        raise
    await call_store.mark_answered(work.billing.pool, call.key, answer.http_status, answer.request_id)
    return answer.data
