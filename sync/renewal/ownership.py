"""Which schedule is ours: told by its stored id, or by the idempotency key of the call that made it."""

from __future__ import annotations

from dataclasses import replace

from sync.billing import Billing
from sync.gateway import StripeCallFailed
from sync.renewal import calls
from sync.steps import Step
from sync.store import accounts as account_store
from sync.store import calls as call_store
from sync.store import changes as change_store
from sync.store import promises
from sync.stripe_objects import Schedule
from sync.work import LeaseLost, Work

SCHEDULES = "/v1/subscription_schedules"


async def made_before(work: Work) -> str | None:
    """The schedule of a create call whose answer was lost: asked for again under its key, or looked for.

    None where there is none. Raises StripeCallFailed.
    """
    row = await calls.unanswered(work, "create")
    if row is None:
        return None
    if not calls.is_forgotten(row):
        try:
            return str((await calls.resend(work, row.call))["id"])
        except StripeCallFailed as error:
            if not calls.is_burnt(error.failure):
                raise
    since_unix = int(row.first_sent_at.timestamp()) - 60 if row.first_sent_at else 0
    found = await work.billing.gateway.schedule_made_under(row.call.key, since_unix)
    await call_store.mark_answered(work.billing.pool, row.call.key, 200 if found else 404, None)
    return found


async def is_ours(work: Work, schedule: Schedule) -> bool:
    """Whether a call of this account made it: an earlier promise of ours, whose worker died in between."""
    return await was_made_for(work.billing, work.account.id, schedule)


async def was_made_for(billing: Billing, account_id: str, schedule: Schedule) -> bool:
    """Whether a stored call of the account made this schedule, told by the event of its creation."""
    key = await billing.gateway.key_that_made(schedule.id, schedule.created)
    if key is None or await call_store.get(billing.pool, key) is None:
        return False
    made_by = await change_store.get(billing.pool, key.split(":")[1])
    return made_by is not None and made_by.account_id == account_id


async def own(work: Work, schedule_id: str) -> None:
    """Note whose schedule it is, before anything else is done with it. Raises LeaseLost."""
    async with work.commit(Step.OWN) as conn:
        await account_store.lock(conn, work.account.id)
        if not await change_store.renew(conn, work.leg):
            raise LeaseLost(work.change_id)
        await account_store.set_schedule(conn, work.account.id, schedule_id)
    work.account = replace(work.account, stripe_schedule_id=schedule_id)


async def disown(work: Work) -> None:
    """Our schedule is gone; a newer one is left alone."""
    if work.account.stripe_schedule_id is not None:
        await promises.forget_schedule(work.billing.pool, work.account.id, work.account.stripe_schedule_id)
    work.account = replace(work.account, stripe_schedule_id=None)
