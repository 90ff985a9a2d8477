"""A change that is stuck: a person looked at Stripe and says what became of it; Stripe must not contradict.

Normally nobody is needed: what was sent without an answer is read back until it is clear. This is for the
rest, such as an outcome that somebody's edit has covered up. Nothing is ever sent from here.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from sync import change_views, clock, evidence, gates
from sync.apply import CLEAN_READS_APART, trail
from sync.audit import Act, write
from sync.billing import Billing
from sync.changes import call_key
from sync.conclude import conclude, end
from sync.errors import Code, Conflict, NotFound, Refused
from sync.evidence import Evidence, Seen
from sync.gateway import StripeCallFailed, Verdict
from sync.rules.items import billed, without_empty
from sync.rules.terms import Terms
from sync.state_at_stripe import items_of
from sync.states import Leg, LegState
from sync.steps import Step
from sync.store import calls as call_store
from sync.store import catalog_prices
from sync.store import changes as store
from sync.store.calls import CallRow
from sync.stripe_objects import Subscription
from sync.switch import check_words
from sync.work import LeaseLost, Work, held

_STUCK = (LegState.CONFIRMED, LegState.APPLYING)


async def resolve(
    billing: Billing, change_id: str, *, applied: bool, actor: str, reason: str, dry_run: bool = False
) -> dict[str, Any]:
    """End what is stuck as it is said to have ended, if Stripe does not say otherwise; returns the change.

    What took effect goes on to be compared with its quote. Raises BadInput, NotFound, Conflict
    (change_in_progress, outcome_unknown), StripeTrouble; then nothing was changed, and never is anything
    charged.
    """
    check_words(actor, reason)
    if await store.get(billing.pool, change_id) is None:
        raise NotFound(Code.NOT_FOUND, f"There is no change {change_id!r}.")
    async with held(billing, change_id, Leg.NOW) as work:
        if work is None or work.leg.state not in _STUCK or work.leg.ending is not None:
            raise await _not_stuck(billing, change_id)
        try:
            call, found = await _look(work, applied=applied)
            if not dry_run:
                await _note(work, found, applied=applied, actor=actor, reason=reason)
                await _finish(work, call, found, applied=applied)
        except LeaseLost:
            raise await _not_stuck(billing, change_id) from None
        finally:
            await store.free(billing.pool, work.leg, 0)
    return await change_views.get(billing, change_id)


async def _not_stuck(billing: Billing, change_id: str) -> Conflict:
    legs = await store.legs(billing.pool, [change_id])
    states = " and ".join(f"{leg.leg} {leg.state}" for leg in legs) or "gone"
    return Conflict(
        Code.CHANGE_IN_PROGRESS,
        f"The change is {states}, or somebody works on it at this moment: nothing can be said about it. What "
        "waits for its payment or for the renewal can be withdrawn; what is applied ends by itself. Nothing "
        "was changed.",
        retryable=True,
    )


async def _look(work: Work, *, applied: bool) -> tuple[CallRow, Evidence]:
    """What Stripe shows. Raises Conflict where that contradicts what is said."""
    call = await call_store.get(work.billing.pool, call_key(work.change_id, "send"))
    if call is None:
        raise AssertionError("confirm stores the call with the change")
    try:
        found = await evidence.read(work.billing.gateway, await trail(work))
    except StripeCallFailed as error:
        if error.failure.verdict is not Verdict.MISSING:
            raise
        found = Evidence(Seen.NOTHING)  # what it was to change does not exist any more
    if applied:
        return call, await _as_applied(work, call, found)
    await _require_no_trace(work, call, found)
    return call, found


async def _as_applied(work: Work, call: CallRow, found: Evidence) -> Evidence:
    if call.sends == 0:
        raise _contradicted("it never left us")
    if found.seen is Seen.APPLIED:
        return found
    if found.seen is not Seen.NOTHING or found.subscription is None:
        raise _contradicted(f"what Stripe shows of it is: {found.seen}")
    if not await _is_billed(work, found.subscription):
        raise _contradicted("the subscription does not bill it")
    # Its invoice cannot be told. Without one the comparison with the quote parks the account where it was to
    # cost something, so that somebody looks at the money as well.
    return Evidence(Seen.APPLIED, found.subscription)


async def _require_no_trace(work: Work, call: CallRow, found: Evidence) -> None:
    if found.seen is not Seen.NOTHING:
        raise _contradicted(f"what Stripe shows of it is: {found.seen}")
    if call.sends and call.last_sent_at is not None:
        left = call.last_sent_at + CLEAN_READS_APART - clock.wall()
        if left > timedelta(0):
            seconds = round(left.total_seconds()) + 1
            detail = f"It left a moment ago and may still arrive: say so again in {seconds} seconds."
            raise Conflict(Code.OUTCOME_UNKNOWN, f"{detail} Nothing was changed.", retryable=True)
    before = work.quote.current_terms
    is_a_change = work.leg.terms != before or work.quote.cancel is not None
    if found.subscription is not None and is_a_change and await _is_billed(work, found.subscription):
        raise _contradicted("the subscription bills it")


async def _is_billed(work: Work, subscription: Subscription) -> bool:
    """Whether the subscription is what the change was to make of it."""
    if work.quote.cancel is not None:
        return gates.ends(subscription) is work.quote.cancel
    book = await catalog_prices.book(work.billing.pool)
    wanted = work.billing.catalog.items_for(Terms.from_json(work.leg.terms), work.account.currency)
    try:
        return billed(items_of(subscription), book) == without_empty(wanted)
    except Refused:
        return False


def _contradicted(why: str) -> Conflict:
    return Conflict(
        Code.OUTCOME_UNKNOWN,
        f"Stripe says otherwise: {why}. Nothing was changed and nothing was charged; look again, or let a "
        "worker go on with `prorata changes resume`.",
    )


async def _note(work: Work, found: Evidence, *, applied: bool, actor: str, reason: str) -> None:
    """Who said what, before anything follows from it."""
    said = "applied" if applied else "not_applied"
    detail = {"said": said, "seen": str(found.seen), "reason": reason}
    async with work.commit(Step.RESOLVE) as conn:
        note = {"actor": actor, **detail}
        await store.add_step(conn, work.change_id, work.leg.leg, Step.RESOLVE, work.leg.state, note)
        detail["change_id"] = work.change_id
        await write(conn, work.account.id, Act.CHANGE_RESOLVED, actor, detail)


async def _finish(work: Work, call: CallRow, found: Evidence, *, applied: bool) -> None:
    if applied:
        await conclude(work, found, call.call, None)
        return
    await end(work, LegState.EXPIRED, Code.OUTCOME_UNKNOWN, "A person looked: Stripe has no trace of it.")
