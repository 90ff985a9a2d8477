"""One change, one step further: the table from state to step, under a lease."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import structlog

from sync import apply, hold, settle
from sync.billing import Billing
from sync.errors import Conflict
from sync.gateway import StripeCallFailed, Verdict
from sync.renewal.finish import finish
from sync.renewal.place import place
from sync.renewal.watch import watch
from sync.states import Leg, LegState
from sync.store import changes as store
from sync.telemetry import LogEvent
from sync.work import GO_ON, LeaseLost, Work, backoff_seconds, held

log = structlog.get_logger()

Step = Callable[[Work], Awaitable[float]]

STEPS: dict[Leg, dict[LegState, Step]] = {
    Leg.NOW: {
        LegState.CONFIRMED: apply.carry,
        LegState.APPLYING: apply.carry,
        LegState.AWAITING_PAYMENT: apply.watch_payment,
        LegState.APPLIED: settle.settle,
    },
    Leg.AT_RENEWAL: {
        LegState.CONFIRMED: place,
        LegState.APPLYING: place,
        LegState.SCHEDULED: watch,
        LegState.APPLIED: finish,
    },
}


# Longer than all the repeats of one call. Whatever hangs for so long is let go: the lease would be renewed,
# and nobody else could ever carry the change on.
LONGEST_SECONDS = 600.0


async def advance(billing: Billing, change_id: str) -> None:
    """Carry a change as far as it goes now. Safe to call at any time, by anybody, any number of times.

    A promise for the renewal is made when the now-leg is paid, so it comes second.
    """
    for leg in (Leg.NOW, Leg.AT_RENEWAL):
        await _advance(billing, change_id, leg)


async def _advance(billing: Billing, change_id: str, leg: Leg) -> None:
    woken = True
    while woken:
        async with held(billing, change_id, leg) as work:
            if work is None:
                return
            known = work.leg.nudges
            try:
                wait = await _run(work)
            except Exception:
                # Left alone for longer each time, or it would come back with every lease that runs out.
                await store.free(billing.pool, work.leg, backoff_seconds(work.leg.attempts))
                raise
            if wait is None:
                return
            nudges = await store.free(billing.pool, work.leg, wait)
        # An event or a wish that came while we held the lease found the door shut: look again.
        woken = nudges is not None and nudges != known


async def _run(work: Work) -> float | None:
    """Step until the change has ended or waits; returns the seconds to wait, None when we lost it."""
    try:
        async with asyncio.timeout(LONGEST_SECONDS):
            return await _steps(work)
    except LeaseLost:
        return None
    except hold.Held as why:
        return await _hold(work, why)
    except StripeCallFailed as error:
        log.warning(LogEvent.JOB_FAILED, change_id=work.change_id, error=error.failure.message)
        if error.failure.verdict is Verdict.LIMITED:
            return apply.LIMITED_SECONDS
    except Conflict as error:
        # Parked at this very moment: the next look waits for staff.
        log.warning(LogEvent.JOB_FAILED, change_id=work.change_id, error=error.code)
    return backoff_seconds(work.leg.attempts)


async def _steps(work: Work) -> float:
    wait = GO_ON
    while wait == GO_ON and work.leg.ended_at is None:
        wait = await STEPS[Leg(work.leg.leg)][LegState(work.leg.state)](work)
    return wait


async def _hold(work: Work, why: hold.Held) -> float | None:
    try:
        return await hold.wait(work, why)
    except LeaseLost:
        return None
