"""Which schedule is ours: told by its stored id, or by the idempotency key of the call that made it."""

from __future__ import annotations

from dataclasses import replace

from sync.renewal import calls
from sync.store import accounts as account_store
from sync.store import calls as call_store
from sync.work import Work

SCHEDULES = "/v1/subscription_schedules"


async def made_before(work: Work) -> str | None:
    """The schedule of a create call whose answer was lost: asked for again under its key, or looked for."""
    row = await calls.unanswered(work, "create")
    if row is None:
        return None
    if not calls.is_forgotten(row):
        return str((await calls.resend(work, row.call))["id"])
    since_unix = int(row.first_sent_at.timestamp()) - 60 if row.first_sent_at else 0
    found = await work.billing.gateway.schedule_made_under(row.call.key, since_unix)
    await call_store.mark_answered(work.billing.pool, row.call.key, 200 if found else 404, None)
    return found


async def own(work: Work, schedule_id: str | None) -> None:
    """Note whose schedule it is, before anything else is done with it."""
    await account_store.set_schedule(work.billing.pool, work.account.id, schedule_id)
    work.account = replace(work.account, stripe_schedule_id=schedule_id)
