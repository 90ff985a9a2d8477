"""Invoices that are sent: `invoice.sent`, the reminders around the due date, and the last deadline.

Sources: Stripe docs "Collection methods"; the SDK's text of a subscription's `status` (past due when the due
date passes, canceled or unpaid after a further deadline) and of the events `invoice.will_be_due` and
`invoice.overdue`, whose days are settings of the account.
"""

from __future__ import annotations

from worker.twin.store import Doc
from worker.twin.world import World

DAY = 86400
REMINDER_DAYS = 3


def send(world: World, invoice: Doc) -> None:
    """Send a finalised invoice and plan its reminders."""
    if invoice["status"] != "open" or invoice["collection_method"] != "send_invoice":
        return
    world.events.emit("invoice.sent", invoice)
    domain, due = world.domain_of(invoice["customer"]), invoice["due_date"]
    if due - REMINDER_DAYS * DAY > world.now_for(invoice["customer"]):
        world.clock.at(due - REMINDER_DAYS * DAY, "will_be_due", invoice["id"], domain)
    world.clock.at(due, "overdue", invoice["id"], domain)
    world.clock.at(due + world.account.overdue_deadline_days * DAY, "deadline", invoice["id"], domain)


def will_be_due(world: World, invoice_id: str, due: int) -> None:
    """Due work: the reminder before the due date."""
    invoice = world.store["invoice"].docs.get(invoice_id)
    if invoice is not None and invoice["status"] == "open":
        world.events.emit("invoice.will_be_due", invoice)
