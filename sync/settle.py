"""The end of a change: the invoice against the quote, line by line. Anything but 0 stops the account."""

from __future__ import annotations

from datetime import datetime, timedelta

import structlog

from sync import clock, failpoints, pricing
from sync.billing import Billing
from sync.parking import hold_back
from sync.pricing import Priced
from sync.rules.ordering import Verdict
from sync.states import LegState
from sync.steps import Chore, Step
from sync.store import catalog_prices
from sync.store import mirror as mirror_store
from sync.stripe_objects import Invoice
from sync.telemetry import QUOTE_MISMATCH, LogEvent
from sync.work import GO_ON, Work

log = structlog.get_logger()

# The webhook normally wakes us within a second; without it we read for ourselves.
PATIENCE = timedelta(seconds=10)
# Beyond that the answer is believed: a copy of Stripe's that lags for so long is none.
READS_MOST = 3


async def settle(work: Work) -> float:
    """The step of a leg that is applied."""
    applied_at = work.leg.applied_at or clock.wall()
    if work.leg.event_seen_at is None and (wait := _seconds_until(applied_at + PATIENCE)) > 0:
        return wait
    difference, why = await _compare(work)
    async with work.commit() as conn:
        if why is not None:
            await hold_back(conn, work.account.id, f"change {work.change_id}: {why}")
        await work.move(
            conn,
            LegState.SETTLED,
            Step.SETTLE,
            {"difference_minor": difference, "woken_by": "event" if work.leg.event_seen_at else "timer"},
            difference_minor=difference,
        )
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
        invoice = await _own_invoice(work.billing, work.leg.stripe_invoice_id)
        book = await catalog_prices.book(work.billing.pool)
        charged = pricing.priced(invoice, book, work.quote.proration_unix)
    difference = charged.due_today_minor - promised.due_today_minor
    moved = charged.differs_from(promised)
    return difference, f"the invoice differs from the quote in {moved}" if moved else None


async def _own_invoice(billing: Billing, invoice_id: str, reads: int = READS_MOST) -> Invoice:
    """The change's invoice as Stripe has it now, which the mirror shows from here on.

    Whoever is told that a change has settled may list the invoices next, and the events that say so may
    still be on their way. An answer that lags behind the mirror is read again, up to `reads` times in all.
    """
    held = await mirror_store.head(billing.pool, invoice_id)
    read = await billing.gateway.read_object("invoice", invoice_id, urgent=True)
    revision = held.revision if held else 0
    async with failpoints.committing(billing.pool, [Chore.READ_INVOICE]) as conn:
        decision = await billing.mirror.apply_read(conn, read, revision=revision)
    if decision.verdict is Verdict.DOUBT and reads > 1:
        return await _own_invoice(billing, invoice_id, reads - 1)
    return read.decode(Invoice)
