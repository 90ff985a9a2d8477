"""Wiring: which code answers which operation, and which code does which due work."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import partial

from worker.twin import expandable, pages, versions
from worker.twin.billing import (
    creation,
    debits,
    discounts,
    funds,
    lifecycle,
    notices,
    overdue,
    pausing,
    payouts,
    pending,
    refunds,
    renewals,
    sending,
    transitions,
    trials,
)
from worker.twin.billing.schedules import HANDLERS as SCHEDULES
from worker.twin.resources import (
    account,
    balance,
    catalogue,
    corrections,
    coupons,
    customers,
    destinations,
    invoice_items,
    invoices,
    payment_methods,
    payments,
    portal,
    subscriptions,
)
from worker.twin.resources.expansions import included
from worker.twin.store import Doc
from worker.twin.world import Call, World

logger = logging.getLogger(__name__)
Handler = Callable[[World, Call], Doc]

HANDLERS: dict[str, Handler] = {
    **customers.HANDLERS,
    **payment_methods.HANDLERS,
    **catalogue.HANDLERS,
    **coupons.HANDLERS,
    **subscriptions.HANDLERS,
    **SCHEDULES,
    **invoices.HANDLERS,
    **invoice_items.HANDLERS,
    **payments.HANDLERS,
    **corrections.HANDLERS,
    **balance.HANDLERS,
    **portal.HANDLERS,
    **account.HANDLERS,
    **destinations.HANDLERS,
}
DUE_WORK: dict[str, Callable[[World, str, int], None]] = {
    "renew": renewals.renew,
    "finalize": renewals.finalize,
    "retry": lifecycle.retry,
    "debit": debits.answer,
    "refund": refunds.resolve,
    "settle": funds.settle,
    "payout": payouts.daily,
    "payout_arrives": payouts.arrive,
    "cancel": lifecycle.cancel_due,
    "expire_pending": pending.expire,
    "expire_incomplete": creation.expire,
    "expire_resume": pausing.expire_resume,
    "end_discount": discounts.end,
    "resume_collection": pausing.resume_collection,
    "overdue": overdue.overdue,
    "deadline": overdue.deadline,
    "will_be_due": sending.will_be_due,
    "trial_will_end": trials.will_end,
    "upcoming": notices.upcoming,
    "phase": transitions.transition,
    "schedule_start": transitions.start_due,
    "expiring": transitions.expiring,
}


def new_world(seed: int = 0, now: int | None = None) -> World:
    """A fresh account with its due work wired."""
    world = World(seed, now)
    world.runners = {kind: partial(_do_due, world, work) for kind, work in DUE_WORK.items()}
    return world


def _do_due(world: World, work: Callable[[World, str, int], None], object_id: str, due: int) -> None:
    """A mistake in one piece of due work must not stop time for everyone: it is logged, and time goes on."""
    try:
        work(world, object_id, due)
    except Exception:
        logger.exception("due work failed at %s for %s", due, object_id)
    world.rest()


def execute(world: World, call: Call) -> Doc:
    """Carry out one request (its parameters are typed and valid) and expand its answer."""
    world.run_due()
    paths = call.params.get("expand") or []
    shown = included(world) | (versions.included(world, call.version) if call.version else {})
    expandable.check(call.operation, paths, shown)
    world.call = call
    world.events.request = None
    if not call.by_hand:
        world.events.request = {"id": call.request_id, "idempotency_key": call.idempotency_key}
    try:
        answer = HANDLERS[call.operation](world, call)
    finally:
        world.call, world.events.request = None, None
    if not paths:
        return pages.public(answer)
    return pages.expand(answer, paths, world.store, shown)
