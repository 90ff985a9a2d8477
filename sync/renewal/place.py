"""confirmed -> scheduled: the subscription's schedule gets the promise as its next phase.

Two calls make a schedule, because Stripe takes a subscription or phases, never both. A process may die
between any two lines here: the next one reads what is there and goes on from it.
"""

from __future__ import annotations

import msgspec
import structlog

from sync import failpoints, requests
from sync.conclude import end
from sync.errors import Code, NotFound, Refused
from sync.failpoints import Failpoint
from sync.gateway import StripeCallFailed, Verdict
from sync.renewal import calls, guard
from sync.renewal.ownership import SCHEDULES, made_before, own
from sync.renewal.phases import bodies, keeps
from sync.renewal.release import take_back
from sync.renewal.standing import Standing, at_risk, effective_unix, is_kept, promise, read
from sync.states import LegState
from sync.store.db import transaction
from sync.stripe_objects import Schedule, Span
from sync.telemetry import LogEvent
from sync.work import GO_ON, Work

log = structlog.get_logger()


async def place(work: Work) -> float:
    """The step of a renewal leg that is not at Stripe yet."""
    if work.leg.ending is not None:
        return await take_back(work)
    standing = await read(work)
    if standing.is_over:
        return await end(
            work,
            LegState.FAILED,
            Code.SUBSCRIPTION_CANCELED,
            "The subscription has ended.",
        )
    if standing.now_unix >= effective_unix(work):
        return await guard.missed(work, standing)
    try:
        return await _place(work, standing)
    except (Refused, NotFound) as error:
        return at_risk(work, error.detail)
    except StripeCallFailed as error:
        if error.failure.verdict not in (Verdict.REFUSED, Verdict.MISSING):
            raise
        return at_risk(work, error.failure.message)


async def _place(work: Work, standing: Standing) -> float:
    if standing.schedule is None or not standing.is_driven_by(work.account.stripe_schedule_id):
        return await _attach(work, standing)
    if is_kept(work, standing):
        return await _scheduled(work, standing)
    return await _shape(work, standing, standing.schedule)


async def _attach(work: Work, standing: Standing) -> float:
    """Make our schedule, or recognise the one that an earlier attempt of ours made."""
    made = await made_before(work)
    if made is None and standing.schedule is not None:
        return await end(
            work, LegState.FAILED, Code.SCHEDULE_ATTACHED, "Somebody else's schedule drives the subscription."
        )
    if made is None:
        body = requests.schedule_from(standing.subscription.id)
        made = str((await calls.write(work, "create", SCHEDULES, body))["id"])
    await own(work, made)
    return GO_ON


async def _shape(work: Work, standing: Standing, schedule: Schedule) -> float:
    """Write both phases in full; what the schedule shows afterwards is what counts."""
    row = await calls.unanswered(work, "phases")
    if row is not None and not calls.is_forgotten(row):
        await calls.resend(work, row.call)
        return GO_ON
    if schedule.current_phase is None:
        return at_risk(work, f"the schedule {schedule.id} has no running phase")
    wanted = promise(work, standing)
    present = Span(start_date=schedule.current_phase.start_date, end_date=standing.subscription.period_end)
    body = requests.schedule_phases(bodies(standing.subscription, present, wanted))
    data = await calls.write(work, "phases", f"{SCHEDULES}/{schedule.id}", body)
    if not keeps(msgspec.convert(data, Schedule), standing.subscription, wanted):
        return at_risk(work, f"the schedule {schedule.id} does not show the promise that was written")
    return GO_ON


async def _scheduled(work: Work, standing: Standing) -> float:
    async with transaction(work.billing.pool) as conn:
        note = {"schedule": work.account.stripe_schedule_id}
        await work.move(conn, LegState.SCHEDULED, "schedule", note, reason=None, detail=None)
    failpoints.reach(Failpoint.RENEWAL_SCHEDULED)
    log.info(LogEvent.CHANGE_SCHEDULED, change_id=work.change_id, account_id=work.account.id)
    return guard.next_look(standing.now_unix, effective_unix(work))
