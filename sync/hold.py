"""A leg that must not write now waits: no try is burnt, its deadline still ends it, and a wake goes on."""

from __future__ import annotations

from typing import Final

import structlog

from sync import clock
from sync.errors import Code
from sync.renewal.risk import at_risk, is_close
from sync.states import Leg, LegState
from sync.steps import Step
from sync.store import switches as store
from sync.store.switches import HoldRow
from sync.telemetry import LogEvent
from sync.work import Work

log = structlog.get_logger()

# Whoever lets it go on wakes it as well; this is for the wake that was lost.
WAIT_SECONDS: Final = 60.0

_SAID: Final = {
    Code.WRITES_STOPPED: "Everything that would change at Stripe is stopped for the moment.",
    Code.ACCOUNT_PARKED: "Billing changes of this account are stopped until support has looked at it.",
}
REASONS: Final = frozenset({*_SAID, Code.CHANGE_LIMIT_REACHED})
"""Why a leg may wait; where it waits until its deadline, this is also why it has ended."""


class Held(Exception):
    """Nothing of this leg may leave now."""

    def __init__(self, hold: HoldRow) -> None:
        super().__init__(hold.code, hold.reason)
        self.code = Code(hold.code)
        self.reason = hold.reason


async def check(work: Work) -> None:
    """Asked before anything is prepared; right before the wire it is asked once more. Raises Held."""
    found = await store.hold_of(work.billing.pool, work.account.id)
    if found is not None and not (work.only_lets_go and found.code == Code.ACCOUNT_PARKED):
        raise Held(found)


async def wait(work: Work, held: Held) -> float:
    """Say once why it waits; returns the seconds until the next look."""
    await store.forgive(work.billing.pool, work.leg)
    if work.leg.leg == Leg.AT_RENEWAL and not work.only_lets_go and is_close(work):
        # So near to the renewal its waiting is worth an alarm.
        return await at_risk(work, _SAID[held.code])
    state = LegState(work.leg.state)
    # The reason of an end that is under way is not overwritten.
    if work.leg.reason != held.code and not work.only_lets_go:
        detail = f"{_SAID[held.code]} Nothing was charged so far; it goes on by itself."
        async with work.commit() as conn:
            note = {"why": held.code}
            await work.move(conn, state, Step.WAIT, note, reason=held.code, detail=detail)
        log.warning(
            LogEvent.CHANGE_HELD, change_id=work.change_id, account_id=work.account.id, code=held.code
        )
    if work.leg.leg == Leg.NOW:
        return min(WAIT_SECONDS, max(1.0, (work.leg.apply_deadline_at - clock.wall()).total_seconds()))
    return WAIT_SECONDS
