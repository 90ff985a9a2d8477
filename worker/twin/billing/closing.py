"""The invoice over what waits, when a subscription ends or pauses."""

from __future__ import annotations

from worker.twin.billing import cards, invoicing, settlement
from worker.twin.store import Doc
from worker.twin.world import World


def bill_waiting(world: World, subscription: Doc) -> None:
    """Bill the waiting items now, if there are any; the money is asked for once, and nothing follows."""
    customer = world.store["customer"].docs[subscription["customer"]]
    waiting = invoicing.pending_items(world, customer["id"], subscription["id"])
    if not waiting:
        return
    lines = [invoicing.line_of_item(world, i) for i in waiting]
    invoice = invoicing.compose(
        world, customer, subscription["currency"], lines,
        subscription=subscription, reason="subscription_update", ids=world.ids,
    )  # fmt: skip
    invoicing.issue(world, invoice, lines, subscription)
    subscription["latest_invoice"] = invoice["id"]
    settlement.finalize(world, invoice)
    if invoice["status"] == "open" and invoice["collection_method"] == "charge_automatically":
        settlement.collect(world, invoice, cards.method_for(world, invoice, subscription))
