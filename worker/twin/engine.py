"""Wiring: which code answers which operation, and which code does which due work."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from worker.twin import pages
from worker.twin.billing import creation, lifecycle, pending, schedules
from worker.twin.billing.schedules import HANDLERS as SCHEDULES
from worker.twin.errors import ApiError
from worker.twin.resources import (
    account,
    catalogue,
    customers,
    invoices,
    payment_methods,
    payments,
    subscriptions,
)
from worker.twin.resources.expansions import included
from worker.twin.store import Doc
from worker.twin.world import Call, World

Handler = Callable[[World, Call], Doc]

HANDLERS: dict[str, Handler] = {
    **customers.HANDLERS,
    **payment_methods.HANDLERS,
    **catalogue.HANDLERS,
    **subscriptions.HANDLERS,
    **SCHEDULES,
    **invoices.HANDLERS,
    **payments.HANDLERS,
    **account.HANDLERS,
}
DUE_WORK: dict[str, Callable[[World, str, int], None]] = {
    "renew": lifecycle.renew,
    "finalize": lifecycle.finalize,
    "retry": lifecycle.retry,
    "cancel": lifecycle.cancel_due,
    "expire_pending": pending.expire,
    "expire_incomplete": creation.expire,
    "phase": schedules.transition,
}


def new_world(seed: int = 0, now: int | None = None) -> World:
    """A fresh account with its due work wired."""
    world = World(seed, now)
    world.runners = {kind: partial(work, world) for kind, work in DUE_WORK.items()}
    return world


def execute(world: World, call: Call) -> Doc:
    """Carry out one request (its parameters are typed and valid) and expand its answer."""
    world.run_due()
    world.call = call
    world.events.request = None
    if not call.by_hand:
        world.events.request = {"id": call.request_id, "idempotency_key": call.idempotency_key}
    try:
        answer = HANDLERS[call.operation](world, call)
    finally:
        world.call, world.events.request = None, None
    return _expanded(world, answer, call.params.get("expand"))


def _expanded(world: World, answer: Doc, paths: Any) -> Doc:
    if not paths:
        return pages.public(answer)
    try:
        return pages.expand(answer, paths, world.store, included(world))
    except ApiError as error:
        error.executed = False
        raise
