"""applied -> settled: the spent schedule is let go, and the renewal's invoice is compared."""

from __future__ import annotations

from datetime import timedelta

import structlog

from sync import clock
from sync.parking import hold_back
from sync.renewal.ownership import disown
from sync.renewal.release import let_go
from sync.renewal.standing import Standing, effective_unix, promise, read
from sync.states import LegState
from sync.steps import Step
from sync.store import promises as promise_store
from sync.stripe_objects import Invoice
from sync.telemetry import QUOTE_MISMATCH, LogEvent
from sync.work import GO_ON, Work

log = structlog.get_logger()

# Stripe makes the renewal's invoice within moments; without one for so long, there is none.
PATIENCE = timedelta(hours=2)
RETRY_SECONDS = 10.0


async def finish(work: Work) -> float:
    """The step of a renewal leg whose items are in force."""
    standing = await read(work)
    if _is_spent(work, standing) and not await _is_taken_over(work):
        await let_go(work, standing)
        await disown(work)
    invoice = await _renewal_invoice(work, standing)
    if invoice is None and clock.wall() < (work.leg.applied_at or clock.wall()) + PATIENCE:
        return RETRY_SECONDS
    expected, billed = _expected_minor(work, standing), _billed_minor(standing, invoice) if invoice else None
    difference = 0 if billed is None else billed - expected
    async with work.commit() as conn:
        if difference:
            why = f"change {work.change_id}: the renewal bills {billed} instead of {expected}"
            await hold_back(conn, work.account.id, why)
        await work.move(
            conn,
            LegState.SETTLED,
            Step.SETTLE,
            {"invoice": invoice.id if invoice else None, "expected_minor": expected},
            difference_minor=difference,
            charged_minor=billed,
            stripe_invoice_id=invoice.id if invoice else None,
        )
    if difference:
        QUOTE_MISMATCH.inc()
        log.error(LogEvent.QUOTE_MISMATCHED, change_id=work.change_id, difference_minor=difference)
    log.info(LogEvent.CHANGE_SETTLED, change_id=work.change_id, account_id=work.account.id)
    return GO_ON


def _is_spent(work: Work, standing: Standing) -> bool:
    """Whether our schedule has nothing more to do; one that a newer promise took over has."""
    schedule = standing.schedule
    if schedule is None:
        return work.account.stripe_schedule_id is not None
    if schedule.id != work.account.stripe_schedule_id:
        return False
    return all(phase.start_date <= standing.now_unix for phase in schedule.phases)


async def _is_taken_over(work: Work) -> bool:
    """Whether a newer promise goes on with the schedule."""
    newer = await promise_store.promise_of(work.billing.pool, work.account.id)
    return newer is not None and newer.change_id != work.change_id


async def _renewal_invoice(work: Work, standing: Standing) -> Invoice | None:
    """The invoice of the period that began with the promise."""
    since = await work.billing.gateway.invoices_since(standing.subscription.id, effective_unix(work))
    cycles = [invoice for invoice in since if invoice.billing_reason == "subscription_cycle"]
    return cycles[-1] if cycles else None


def _expected_minor(work: Work, standing: Standing) -> int:
    """What the promised items of ours cost for one period, before discounts and taxes.

    Of the promise, not of today: more may have been bought since.
    """
    amounts = standing.book.amounts()
    return sum(amounts.get(item.price_id, 0) * item.quantity for item in promise(work, standing).items)


def _billed_minor(standing: Standing, invoice: Invoice) -> int:
    amounts = standing.book.amounts()
    return sum(line.amount for line in invoice.lines.data if not line.proration and line.price_id in amounts)
