"""A promise that was taken back: our schedule goes, and the subscription stays as it is."""

from __future__ import annotations

import structlog

from sync import requests
from sync.errors import NotFound, Refused
from sync.gateway import StripeCallFailed, Verdict
from sync.renewal import calls, guard
from sync.renewal.ownership import SCHEDULES, disown, is_ours, made_before, own
from sync.renewal.risk import at_risk
from sync.renewal.standing import Standing, effective_unix, is_in_force, read
from sync.states import LegState
from sync.steps import Step
from sync.telemetry import LogEvent
from sync.work import GO_ON, Work

log = structlog.get_logger()


async def take_back(work: Work) -> float:
    """The step of a renewal leg that was withdrawn or missed, or that nothing is left of."""
    if await _has_sent_create(work):
        # It may have made a schedule that no read shows yet.
        if (made := await made_before(work)) is not None:
            await own(work, made)
        return GO_ON
    standing = await read(work)
    if await _foreign_is_ours(work, standing):
        return GO_ON
    try:
        if _came_first(work, standing):
            return await guard.renewed(work, standing)
        if await let_go(work, standing):
            # The renewal may have come between the look and the release.
            standing = await read(work)
            if _came_first(work, standing):
                return await guard.renewed(work, standing)
    except (Refused, NotFound) as error:
        return await at_risk(work, error.detail)
    return await _ended(work)


def _came_first(work: Work, standing: Standing) -> bool:
    """Whether the renewal was quicker: what was promised is in force."""
    return standing.now_unix >= effective_unix(work) and is_in_force(work, standing)


async def _has_sent_create(work: Work) -> bool:
    row = await calls.unanswered(work, "create")
    return row is not None and row.sends > 0


async def _foreign_is_ours(work: Work, standing: Standing) -> bool:
    """Recognise a schedule of ours whose id was lost with its worker."""
    schedule = standing.schedule
    if schedule is None or schedule.id == work.account.stripe_schedule_id:
        return False
    if not await is_ours(work, schedule):
        return False
    await own(work, schedule.id)
    return True


async def _ended(work: Work) -> float:
    ending = LegState(work.leg.ending or LegState.WITHDRAWN)
    reason: str | None = str(ending)
    detail: str | None = "The promise for the renewal was taken back; everything stays as it is."
    if ending is LegState.FAILED:
        reason, detail = work.leg.reason, work.leg.detail
    await disown(work)
    async with work.commit() as conn:
        await work.move(conn, ending, Step.RELEASE, {}, reason=reason, detail=detail)
    event = LogEvent.CHANGE_FAILED if ending is LegState.FAILED else LogEvent.CHANGE_WITHDRAWN
    log.info(event, change_id=work.change_id, account_id=work.account.id)
    return GO_ON


async def let_go(work: Work, standing: Standing) -> bool:
    """Release our schedule, if it still drives the subscription; False where it does not.

    Raises StripeCallFailed.
    """
    schedule = standing.schedule
    if schedule is None or schedule.id != work.account.stripe_schedule_id:
        return False
    path = f"{SCHEDULES}/{schedule.id}/release"
    try:
        await calls.write(work, "release", path, requests.schedule_release())
    except StripeCallFailed as error:
        # Refused because it is released already: the next read shows that.
        if error.failure.verdict is not Verdict.REFUSED:
            raise
        again = await read(work)
        if again.is_driven_by(schedule.id):
            raise
    return True
