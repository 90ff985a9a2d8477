"""The end of a change: the invoice against the quote, line by line. Anything but 0 stops the account."""

from __future__ import annotations

from datetime import datetime, timedelta

import structlog

from sync import clock, failpoints, pricing
from sync.failpoints import Failpoint
from sync.pricing import Priced
from sync.states import LegState
from sync.store import accounts as account_store
from sync.store import catalog_prices
from sync.store.db import transaction
from sync.telemetry import QUOTE_MISMATCH, LogEvent
from sync.work import GO_ON, Work

log = structlog.get_logger()

# The webhook normally wakes us within a second; without it we read for ourselves.
PATIENCE = timedelta(seconds=10)


async def settle(work: Work) -> float:
    """The step of a leg that is applied."""
    applied_at = work.leg.applied_at or clock.wall()
    if work.leg.event_seen_at is None and (wait := _seconds_until(applied_at + PATIENCE)) > 0:
        return wait
    difference, why = await _compare(work)
    async with transaction(work.billing.pool) as conn:
        if why is not None:
            await account_store.park(conn, work.account.id, f"change {work.change_id}: {why}")
        await work.move(
            conn,
            LegState.SETTLED,
            "settle",
            {"difference_minor": difference, "woken_by": "event" if work.leg.event_seen_at else "timer"},
            difference_minor=difference,
        )
        failpoints.reach(Failpoint.SETTLE_BEFORE_COMMIT)
    if why is not None:
        QUOTE_MISMATCH.inc()
        log.error(LogEvent.QUOTE_MISMATCHED, change_id=work.change_id, difference_minor=difference, why=why)
    log.info(LogEvent.CHANGE_SETTLED, change_id=work.change_id, account_id=work.account.id)
    return GO_ON


def _seconds_until(moment: datetime) -> float:
    return max(0.0, (moment - clock.wall()).total_seconds())


async def _compare(work: Work) -> tuple[int, str | None]:
    """Charged minus quoted in minor units, and a sentence if the invoice is not what was promised."""
    promised = pricing.promised(work.quote)
    if work.leg.stripe_invoice_id is None:
        charged = Priced(0, 0, 0, promised.starting_balance_minor, [])
    else:
        invoice = await work.billing.gateway.invoice(work.leg.stripe_invoice_id)
        book = await catalog_prices.book(work.billing.pool)
        charged = pricing.priced(invoice, book, work.quote.proration_unix)
    difference = charged.due_today_minor - promised.due_today_minor
    moved = charged.differs_from(promised)
    return difference, f"the invoice differs from the quote in {moved}" if moved else None
