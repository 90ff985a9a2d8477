"""The looks at a promise before its renewal, and what happens when a renewal passes without it."""

from __future__ import annotations

import structlog

from sync import clock
from sync.conclude import end
from sync.errors import Code
from sync.parking import hold_back
from sync.renewal.ownership import disown
from sync.renewal.risk import DAY_SECONDS, HOUR_SECONDS
from sync.renewal.standing import Standing, effective_unix, is_in_force
from sync.rules.terms import Terms
from sync.states import Leg, LegState
from sync.steps import Step
from sync.store import accounts as account_store
from sync.telemetry import RENEWAL_AT_RISK, LogEvent
from sync.work import GO_ON, Work

log = structlog.get_logger()

# Stripe enters a phase within moments of its start, and bills the renewal about an hour later.
PATIENCE_SECONDS = 600
RETRY_SECONDS = 10.0


def next_look(now_unix: int, effective: int) -> float:
    """Seconds until a day before the renewal, an hour before, or right after it; at most a day."""
    moments = (effective - DAY_SECONDS, effective - HOUR_SECONDS, effective + 1)
    ahead = next((moment - now_unix for moment in moments if moment > now_unix), 1)
    return float(min(ahead, DAY_SECONDS))


async def renewed(work: Work, standing: Standing) -> float:
    """The renewal has come: with the promised items, or without."""
    if not is_in_force(work, standing):
        return await missed(work, standing)
    async with work.commit() as conn:
        await account_store.lock(conn, work.account.id)
        terms = Terms.from_json(work.leg.terms)
        await account_store.begin_terms(
            conn, work.account.id, terms, clock.wall(), work.change_id, Leg.AT_RENEWAL
        )
        note = {"subscription": standing.subscription.id}
        if work.leg.state == LegState.CONFIRMED:
            # Written, and the process died before it could say so: the renewal came first.
            await work.move(conn, LegState.APPLYING, Step.READ_BACK, note)
        await work.move(conn, LegState.APPLIED, Step.RENEW, note, ending=None, reason=None, detail=None)
    log.info(LogEvent.CHANGE_APPLIED, change_id=work.change_id, account_id=work.account.id)
    return GO_ON


async def missed(work: Work, standing: Standing) -> float:
    """The renewal has begun with other items than promised. Within minutes that is Stripe's own delay.

    Afterwards the account is parked: the period's invoice is about to bill what was to be less, so somebody
    has to look, and to give the difference back.
    """
    if standing.now_unix < effective_unix(work) + PATIENCE_SECONDS:
        return RETRY_SECONDS
    why = (
        "The subscription renewed without the decrease that was promised. Propose a credit note for the "
        "difference, then promise it again for the next renewal."
    )
    RENEWAL_AT_RISK.inc()
    log.error(LogEvent.RENEWAL_MISSED, change_id=work.change_id, account_id=work.account.id)
    state = LegState(work.leg.state)
    async with work.commit() as conn:
        await hold_back(conn, work.account.id, f"change {work.change_id}: {why}")
        note = {"now": standing.now_unix}
        # It ends with the release of our schedule, which would otherwise go on to decrease something later.
        await work.move(
            conn,
            LegState.APPLYING if state is LegState.CONFIRMED else state,
            Step.MISS,
            note,
            reason=Code.RENEWAL_MISSED,
            detail=why,
            ending=LegState.FAILED,
        )
    return GO_ON


async def over(work: Work) -> float:
    """The subscription has ended, and its schedule with it."""
    await disown(work)
    return await end(work, LegState.FAILED, Code.SUBSCRIPTION_CANCELED, "The subscription has ended.")
