"""scheduled -> applied: guarded until the renewal, and believed only when the items bill it."""

from __future__ import annotations

import structlog

from sync.conclude import end
from sync.errors import Code, NotFound, Refused
from sync.renewal import guard
from sync.renewal.release import take_back
from sync.renewal.standing import at_risk, effective_unix, is_kept, read
from sync.states import LegState
from sync.store.db import transaction
from sync.telemetry import LogEvent
from sync.work import GO_ON, Work

log = structlog.get_logger()


async def watch(work: Work) -> float:
    """The step of a renewal leg that is scheduled."""
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
    try:
        if standing.now_unix >= effective_unix(work):
            return await guard.renewed(work, standing)
        if is_kept(work, standing):
            return guard.next_look(standing.now_unix, effective_unix(work))
    except (Refused, NotFound) as error:
        return at_risk(work, error.detail)
    return await _mend(work)


async def _mend(work: Work) -> float:
    """Somebody changed the schedule, or our own purchase split its phases: write the promise again."""
    log.warning(LogEvent.RENEWAL_MENDED, change_id=work.change_id, account_id=work.account.id)
    async with transaction(work.billing.pool) as conn:
        await work.move(conn, LegState.APPLYING, "mend", {})
    return GO_ON
