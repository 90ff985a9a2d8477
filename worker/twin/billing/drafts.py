"""Invoices that stay drafts for about an hour before they are finalised and collected."""

from __future__ import annotations

from worker.twin.store import Doc
from worker.twin.world import World

DRAFT_SECONDS = 3600


def wait(world: World, invoice: Doc) -> None:
    """Let a draft wait its hour, as renewals do and what a schedule makes (docs "Subscription schedules")."""
    due = world.now_for(invoice["customer"]) + DRAFT_SECONDS
    invoice.update(auto_advance=True, automatically_finalizes_at=due)
    world.clock.at(due, "finalize", invoice["id"], world.domain_of(invoice["customer"]))
