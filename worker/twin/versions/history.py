"""The changes of the API in order, and how they are undone for a client of an older version.

A change names the objects it touched and one function that takes it back. Fields that arrived with a version
without breaking anything are left out before it: a client of that version must not come to rely on them.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from worker.twin.store import Doc
from worker.twin.versions import basil, small
from worker.twin.world import World

BASIL = "2025-03-31"
Undo = Callable[[World, Doc], None]


@dataclass(frozen=True)
class Change:
    """One change: the day of the version that brought it, the `object` it touched, how it is taken back."""

    since: str
    object: str
    undo: Undo


def _without(*fields: str) -> Undo:
    def undo(world: World, doc: Doc) -> None:
        for name in fields:
            doc.pop(name, None)

    return undo


CHANGES: tuple[Change, ...] = (
    Change("2026-09-30", "subscription", small.before_pauses),
    Change("2026-09-30", "subscription_item", _without("current_trial")),
    Change("2026-09-30", "invoice", _without("status_details")),
    Change("2026-09-30", "subscription_schedule", _without("pause_schedules")),
    Change("2026-08-26", "subscription", small.before_feedback_options),
    Change("2026-08-26", "invoiceitem", _without("frozen_fields")),
    Change("2026-05-27", "subscription", small.before_billing_schedules),
    Change("2026-05-27", "invoice", _without("amount_paid_off_stripe")),
    Change("2026-05-27", "invoiceitem", _without("proration_details")),
    Change("2026-03-25", "line_item", _without("quantity_decimal")),
    Change("2026-03-25", "invoiceitem", _without("quantity_decimal")),
    Change("2025-12-15", "line_item", _without("subtotal")),
    Change("2025-09-30", "discount", small.before_discount_sources),
    Change("2025-09-30", "subscription", small.before_proration_discounts),
    Change("2025-09-30", "subscription_schedule", small.before_proration_discounts),
    Change("2025-06-30", "subscription", _without("billing_mode")),
    Change("2025-06-30", "subscription_schedule", _without("billing_mode")),
    Change(BASIL, "subscription", basil.subscription),
    Change(BASIL, "subscription_item", _without("current_period_start", "current_period_end")),
    Change(BASIL, "invoice", basil.invoice),
    Change(BASIL, "line_item", basil.line),
    Change(BASIL, "invoiceitem", basil.invoice_item),
    Change(BASIL, "charge", basil.charge),
    Change(BASIL, "payment_intent", basil.payment_intent),
    Change(BASIL, "credit_note", basil.credit_note),
    Change(BASIL, "price", basil.price),
    Change(BASIL, "plan", basil.plan),
    Change("2024-10-28", "invoice", _without("total_pretax_credit_amounts")),
    Change("2024-10-28", "line_item", _without("pretax_credit_amounts")),
    Change("2024-10-28", "credit_note", _without("pretax_credit_amounts")),
    Change("2024-04-10", "product", small.before_marketing_features),
    Change("2022-11-15", "payment_intent", small.before_latest_charge),
    Change("2022-11-15", "charge", small.before_refunds_on_request),
)


@functools.lru_cache(maxsize=64)
def _undone(version: str) -> dict[str, tuple[Undo, ...]]:
    """By object: what has to be taken back for `version`, newest first."""
    newer = [c for c in sorted(CHANGES, key=lambda c: c.since, reverse=True) if version < c.since]
    return {c.object: tuple(n.undo for n in newer if n.object == c.object) for c in newer}


def rewrite(world: World, value: Any, version: str) -> None:
    """Bring every object inside `value` into the shape of `version`, in place; parents before children."""
    _walk(world, value, _undone(version))


def _walk(world: World, value: Any, undone: dict[str, tuple[Undo, ...]]) -> None:
    if isinstance(value, dict):
        kind = value.get("object")
        if isinstance(kind, str) and not value.get("deleted"):
            for undo in undone.get(kind, ()):
                undo(world, value)
        _each(world, value.values(), undone)
    elif isinstance(value, list):
        _each(world, value, undone)


def _each(world: World, values: Iterable[Any], undone: dict[str, tuple[Undo, ...]]) -> None:
    for value in values:
        if isinstance(value, dict | list):
            _walk(world, value, undone)


def expandable(world: World) -> dict[tuple[str, str], Callable[[Doc], Any]]:
    """What could be expanded before basil."""
    return {
        ("invoice", "payment_intent"): lambda invoice: basil.payment_intent_of(world, invoice),
        ("invoice", "charge"): lambda invoice: basil.charge_of(world, invoice),
        ("invoice", "subscription"): lambda invoice: basil.subscription_of(invoice),
        ("charge", "invoice"): lambda charge: basil.invoice_of(world, charge.get("payment_intent")),
        ("payment_intent", "invoice"): lambda intent: basil.invoice_of(world, intent["id"]),
    }
