"""scheduled -> applied: guarded until the renewal, and believed only when the items bill it."""

from __future__ import annotations

import structlog

from sync.errors import NotFound, Refused
from sync.gateway import StripeCallFailed
from sync.renewal import guard
from sync.renewal.release import take_back
from sync.renewal.risk import at_risk, is_close
from sync.renewal.standing import effective_unix, is_kept, read
from sync.states import LegState
from sync.steps import Step
from sync.store import accounts as account_store
from sync.store import promises
from sync.telemetry import LogEvent
from sync.work import GO_ON, Work

log = structlog.get_logger()

# How long a purchase beside us is left alone; its end nudges us sooner, because it takes the promise over.
WAIT_SECONDS = 30.0


async def watch(work: Work) -> float:
    """The step of a renewal leg that is scheduled."""
    if work.leg.ending is not None:
        return await take_back(work)
    try:
        standing = await read(work)
        if standing.is_over:
            return await guard.over(work)
        if standing.now_unix >= effective_unix(work):
            return await guard.renewed(work, standing)
        if standing.is_ending or is_kept(work, standing):
            return guard.next_look(standing.now_unix, effective_unix(work))
    except (Refused, NotFound) as error:
        return await at_risk(work, error.detail)
    except StripeCallFailed as error:
        if is_close(work):
            await at_risk(work, error.failure.message)
        raise
    return await _mend(work)


async def _mend(work: Work) -> float:
    """Somebody changed the schedule: write the promise again.

    Not beside a purchase: the phases repeat the present items, and what is about to be paid would be
    written over. The account's lock decides which of the two comes first.
    """
    async with work.commit() as conn:
        await account_store.lock(conn, work.account.id)
        if await promises.is_buying(conn, work.account.id):
            return WAIT_SECONDS
        await work.move(conn, LegState.APPLYING, Step.MEND, {})
    log.warning(LogEvent.RENEWAL_MENDED, change_id=work.change_id, account_id=work.account.id)
    return GO_ON
