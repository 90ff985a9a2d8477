"""A promise for the renewal that Stripe does not carry: its own steps write it again, we only wake them."""

from __future__ import annotations

from sync.billing import Billing
from sync.reconcile.repair_items import needs_staff
from sync.renewal.ownership import SCHEDULES
from sync.renewal.phases import bodies
from sync.renewal.standing import Standing, is_kept, promise, read
from sync.requests import Body, schedule_from, schedule_phases
from sync.store import changes as change_store
from sync.store import promises as promise_store
from sync.store import quotes as quote_store
from sync.store.accounts import AccountRow
from sync.stripe_objects import Span
from sync.work import Work

# In a dry run, the schedule that the first call makes.
NEW_SCHEDULE = "{the new schedule}"


async def calls(billing: Billing, account: AccountRow) -> tuple[list[tuple[str, Body]], str]:
    """The writes that the promise needs, as path and body, and its change.

    Raises Refused where nothing is promised, or where something keeps it from Stripe; StripeTrouble.
    """
    work = await _looking(billing, account)
    standing = await read(work)
    if standing.is_over or standing.is_ending:
        raise needs_staff("The subscription ends before the renewal, so nothing can be promised for it.")
    if is_kept(work, standing):
        return [], work.change_id
    return _writes(work, standing), work.change_id


async def _looking(billing: Billing, account: AccountRow) -> Work:
    """The promise without its lease: enough to look."""
    leg = await promise_store.promise_of(billing.pool, account.id)
    change = await change_store.get(billing.pool, leg.change_id) if leg else None
    quote = await quote_store.get(billing.pool, change.quote_id) if change else None
    if leg is None or quote is None:
        raise needs_staff("Nothing is promised for the renewal any more.")
    return Work(billing, account, quote, leg)


def _writes(work: Work, standing: Standing) -> list[tuple[str, Body]]:
    """Of a schedule that has to be made first, Stripe decides when its running phase began."""
    schedule = standing.schedule
    subscription = standing.subscription
    found: list[tuple[str, Body]] = []
    start, name = subscription.period_start, NEW_SCHEDULE
    if schedule is None:
        found.append((SCHEDULES, schedule_from(subscription.id)))
    elif schedule.id != work.account.stripe_schedule_id:
        raise needs_staff(f"The schedule {schedule.id} of somebody else drives the subscription.")
    else:
        name = schedule.id
        start = schedule.current_phase.start_date if schedule.current_phase else start
    present = Span(start_date=start, end_date=subscription.period_end)
    body = schedule_phases(bodies(subscription, present, promise(work, standing)))
    return [*found, (f"{SCHEDULES}/{name}", body)]
