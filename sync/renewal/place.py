"""confirmed -> scheduled: the subscription's schedule gets the promise as its next phase.

Two calls make a schedule, because Stripe takes a subscription or phases, never both. A process may die
between any two lines here: the next one reads what is there and goes on from it.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import msgspec
import structlog

from sync import clock, requests
from sync.errors import NotFound, Refused
from sync.gateway import StripeCallFailed, Verdict
from sync.renewal import calls, guard
from sync.renewal.ownership import SCHEDULES, is_ours, made_before, own
from sync.renewal.phases import bodies, keeps, running_items, shows
from sync.renewal.release import take_back
from sync.renewal.risk import AT_RISK_SECONDS, at_risk, is_close
from sync.renewal.standing import Standing, bills, effective_unix, is_kept, promise, read
from sync.states import LegState
from sync.steps import Step
from sync.store import accounts as account_store
from sync.store import calls as call_store
from sync.store import promises
from sync.stripe_objects import Schedule, Span
from sync.telemetry import LogEvent
from sync.work import GO_ON, Work

log = structlog.get_logger()

# How long a purchase beside us is left alone; its end hands the promise on, or leaves it to us.
WAIT_SECONDS = 10.0
# Longer than a read at Stripe is known to lag behind a write.
SECOND_LOOK_AFTER = timedelta(seconds=5)


async def place(work: Work) -> float:
    """The step of a renewal leg that is not at Stripe yet."""
    if work.leg.ending is not None:
        return await take_back(work)
    try:
        standing = await read(work)
        if standing.is_over:
            return await guard.over(work)
        if standing.now_unix >= effective_unix(work):
            return await guard.renewed(work, standing)
        if standing.is_ending:
            return guard.next_look(standing.now_unix, effective_unix(work))
        return await _place(work, standing)
    except (Refused, NotFound) as error:
        return await at_risk(work, error.detail)
    except StripeCallFailed as error:
        is_no = error.failure.verdict in (Verdict.REFUSED, Verdict.MISSING)
        if is_no or is_close(work):
            await at_risk(work, error.failure.message)
        if is_no:
            return AT_RISK_SECONDS
        raise


async def _place(work: Work, standing: Standing) -> float:
    if await promises.is_buying(work.billing.pool, work.account.id):
        return WAIT_SECONDS
    if standing.schedule is None or not standing.is_driven_by(work.account.stripe_schedule_id):
        return await _attach(work, standing)
    if is_kept(work, standing):
        return await _scheduled(work, standing)
    return await _shape(work, standing, standing.schedule)


async def _attach(work: Work, standing: Standing) -> float:
    """Make our schedule, or recognise the one that an earlier attempt of ours made."""
    made = await made_before(work)
    if made is None and standing.schedule is not None:
        if not await is_ours(work, standing.schedule):
            return await at_risk(work, f"the schedule {standing.schedule.id} of somebody else drives it")
        made = standing.schedule.id
    if made is None:
        body = requests.schedule_from(standing.subscription.id)
        made = str((await calls.write(work, "create", SCHEDULES, body))["id"])
    await own(work, made)
    return GO_ON


async def _shape(work: Work, standing: Standing, schedule: Schedule) -> float:
    """Write both phases in full; what the schedule shows afterwards is what counts."""
    row = await calls.unanswered(work, "phases")
    if row is not None and row.sends == 0:
        # It never left, and may say what is not true any more.
        await call_store.mark_answered(work.billing.pool, row.call.key, 0, None)
    elif row is not None and not calls.is_forgotten(row):
        await calls.resend(work, row.call)
        return GO_ON
    if schedule.current_phase is None:
        return await at_risk(work, f"the schedule {schedule.id} has no running phase")
    if (wait := await _unsettled(work, standing, schedule)) > 0:
        return wait
    wanted = promise(work, standing)
    present = Span(start_date=schedule.current_phase.start_date, end_date=standing.subscription.period_end)
    body = requests.schedule_phases(bodies(standing.subscription, present, wanted))
    data = await calls.write(work, "phases", f"{SCHEDULES}/{schedule.id}", body)
    if not keeps(msgspec.convert(data, Schedule), standing.subscription, wanted):
        return await at_risk(work, f"the schedule {schedule.id} does not show the promise that was written")
    return GO_ON


async def _unsettled(work: Work, standing: Standing, schedule: Schedule) -> float:
    """Seconds to wait, because a read may lag behind: the present phase is written as it was read, and a
    purchase that it does not show yet would be taken away. An edit by hand is believed when seen twice."""
    terms = await account_store.terms(work.billing.pool, work.account.id)
    is_shown = shows(schedule, standing.subscription)
    if terms is None or (is_shown and bills(work, standing, terms)):
        return 0
    # What was bought shows in the schedule, so whatever the other read says is older.
    lags = not is_shown and bills(work, replace(standing, items=running_items(schedule)), terms)
    seen_at = work.leg.clean_read_at
    if seen_at is not None and not lags:
        return max(0.0, (seen_at + SECOND_LOOK_AFTER - clock.wall()).total_seconds())
    async with work.commit() as conn:
        note = {"why": "the items at Stripe are not those of the terms"}
        await work.move(conn, LegState.APPLYING, Step.LOOK_AGAIN, note, clean_read_at=clock.wall())
    return SECOND_LOOK_AFTER.total_seconds()


async def _scheduled(work: Work, standing: Standing) -> float:
    async with work.commit() as conn:
        note = {"schedule": work.account.stripe_schedule_id}
        clean: dict[str, None] = dict.fromkeys(("reason", "detail", "clean_read_at"))
        await work.move(conn, LegState.SCHEDULED, Step.SCHEDULE, note, **clean)
    log.info(LogEvent.CHANGE_SCHEDULED, change_id=work.change_id, account_id=work.account.id)
    return guard.next_look(standing.now_unix, effective_unix(work))
