"""A promise that was taken back: our schedule goes, and the subscription stays as it is."""

from __future__ import annotations

import structlog

from sync import requests
from sync.errors import NotFound, Refused
from sync.gateway import StripeCallFailed, Verdict
from sync.renewal import calls, guard
from sync.renewal.ownership import SCHEDULES, made_before, own
from sync.renewal.standing import Standing, at_risk, effective_unix, is_in_force, read
from sync.states import LegState
from sync.store import accounts as account_store
from sync.store.db import transaction
from sync.telemetry import LogEvent
from sync.work import GO_ON, Work

log = structlog.get_logger()


async def take_back(work: Work) -> float:
    """The step of a renewal leg that was withdrawn, or that nothing is left of."""
    standing = await read(work)
    try:
        if standing.now_unix >= effective_unix(work) and is_in_force(work, standing):
            return await guard.renewed(work, standing)
    except (Refused, NotFound) as error:
        return at_risk(work, error.detail)
    if standing.schedule is not None and not standing.is_driven_by(work.account.stripe_schedule_id):
        made = await made_before(work)
        if made is not None:
            await own(work, made)
            return GO_ON
    await let_go(work, standing)
    ending = LegState(work.leg.ending or LegState.WITHDRAWN)
    async with transaction(work.billing.pool) as conn:
        await account_store.set_schedule(conn, work.account.id, None)
        detail = "The promise for the renewal was taken back; everything stays as it is."
        await work.move(conn, ending, "release", {}, reason=str(ending), detail=detail)
    log.info(LogEvent.CHANGE_WITHDRAWN, change_id=work.change_id, account_id=work.account.id)
    return GO_ON


async def let_go(work: Work, standing: Standing) -> None:
    """Release our schedule, if it still drives the subscription. Raises StripeCallFailed."""
    schedule = standing.schedule
    if schedule is None or schedule.id != work.account.stripe_schedule_id:
        return
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
