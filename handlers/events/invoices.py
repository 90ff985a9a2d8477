"""Events about invoices. `invoice.upcoming` is not among them: a preview has no id to be kept under."""

from __future__ import annotations

from typing import Final

from sync.mirror_rows import Kind
from sync.observation import Observation, observation
from sync.stripe_objects import Event

DELETED: Final = "invoice.deleted"
TYPES: Final = frozenset(
    {
        "invoice.created",
        "invoice.updated",
        "invoice.finalized",
        "invoice.finalization_failed",
        "invoice.paid",
        "invoice.payment_succeeded",
        "invoice.payment_failed",
        "invoice.payment_action_required",
        "invoice.payment_attempt_required",
        "invoice.voided",
        "invoice.marked_uncollectible",
        "invoice.sent",
        "invoice.overdue",
        "invoice.will_be_due",
        "invoice.overpaid",
        DELETED,
    }
)


def observe(event: Event) -> Observation:
    """The invoice as shown. Only drafts can be deleted."""
    return observation(Kind.INVOICE, event, deletes=event.type == DELETED)
