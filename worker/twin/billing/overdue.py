"""Sent invoices that nobody paid in time (the SDK's text of a subscription's `status`)."""

from __future__ import annotations

from worker.twin.billing import lifecycle
from worker.twin.world import World


def overdue(world: World, invoice_id: str, due: int) -> None:
    """Due work: the due date passes."""
    invoice = world.store["invoice"].docs.get(invoice_id)
    if invoice is not None and invoice["status"] == "open" and invoice["due_date"] == due:
        lifecycle.became_overdue(world, invoice)


def deadline(world: World, invoice_id: str, due: int) -> None:
    """Due work: nobody paid, long after the due date."""
    invoice = world.store["invoice"].docs.get(invoice_id)
    if invoice is not None and invoice["status"] == "open":
        lifecycle.give_up(world, invoice)
