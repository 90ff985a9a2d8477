"""Refunds: money given back on a charge, at once, later, or not after all.

Sources: docs "Refund and cancel payments" (a failed refund returns to the balance), docs "Testing" (cards
whose refunds wait or fail), API reference "The Refund object".
"""

from __future__ import annotations

from typing import Any

from worker.twin.billing import cards, funds
from worker.twin.billing.fields import merge_metadata
from worker.twin.errors import invalid
from worker.twin.events import snapshot
from worker.twin.store import Doc
from worker.twin.templates import correction as templates
from worker.twin.world import World

DAY = 86400


def give_back(world: World, charge: Doc, amount: int | None, reason: str | None, metadata: Any = None) -> Doc:
    """Refund a charge, wholly or in part."""
    amount = allowed(charge, amount)
    before, now = snapshot(charge), world.now_for(charge["customer"])
    refund = templates.refund(world.ids.new("re", 20), now, charge, amount, reason)
    merge_metadata(refund, metadata)
    world.store.add("refund", refund)
    card = charge["payment_method_details"]["type"] == "card"
    moved = funds.record(world, "refund" if card else "payment_refund", refund, -amount)
    refund["balance_transaction"] = moved["id"]
    sequel = cards.sequel_of(world, charge["payment_method"])
    if sequel == "refund_pending":
        refund.update(status="pending", pending_reason="processing")
    if sequel.startswith("refund_"):
        world.clock.at(now + DAY, "refund", refund["id"], world.domain_of(charge["customer"]))
    _count(charge, amount)
    world.events.emit("refund.created", refund)
    world.events.updated("charge.refunded", charge, before)
    world.effect("refund", refund, -amount)
    return refund


def allowed(charge: Doc, amount: int | None) -> int:
    """How much would be refunded; raises Stripe's refusals."""
    if charge["status"] != "succeeded":
        raise invalid(f"Charge {charge['id']} has not been captured; it cannot be refunded.", "charge")
    if charge["disputed"]:
        text = f"Charge {charge['id']} has been charged back; cannot issue a refund."
        raise invalid(text, "charge", "charge_disputed")
    left = charge["amount_captured"] - charge["amount_refunded"]
    if left == 0:
        text = f"Charge {charge['id']} has already been refunded."
        raise invalid(text, "charge", "charge_already_refunded")
    amount = left if amount is None else amount
    if not 0 < amount <= left:
        raise invalid(
            f"Refund amount ({amount}) is greater than unrefunded amount on charge ({left})", "amount"
        )
    return amount


def _count(charge: Doc, amount: int) -> None:
    charge["amount_refunded"] += amount
    charge["refunded"] = charge["amount_refunded"] == charge["amount_captured"]


def resolve(world: World, refund_id: str, due: int) -> None:
    """Due work: what the test card promised. A pending refund succeeds, another fails after it succeeded."""
    refund = world.store["refund"].docs[refund_id]
    before = snapshot(refund)
    sequel = cards.sequel_of(world, refund["payment_method"])
    if refund["status"] == "pending":
        refund["status"] = "succeeded"
        del refund["pending_reason"]
        announce(world, refund, before)
    elif refund["status"] == "succeeded" and sequel == "refund_fails":
        refund.update(status="failed", failure_reason="expired_or_canceled_card")
        _return(world, refund, "refund_failure")
        announce(world, refund, before)
        world.events.emit("refund.failed", refund)


def cancel(world: World, refund: Doc) -> Doc:
    """The dashboard calls a pending refund back (the API cancels only refunds that wait for an action)."""
    if refund["status"] != "pending":
        raise invalid(f"A refund that is {refund['status']} cannot be canceled.", "refund")
    before = snapshot(refund)
    refund["status"] = "canceled"
    del refund["pending_reason"]
    _return(world, refund, "refund_failure")
    announce(world, refund, before)
    return refund


def _return(world: World, refund: Doc, kind: str) -> None:
    """The amount comes back to the account's balance, and may be refunded again."""
    charge = world.store["charge"].docs[refund["charge"]]
    before = snapshot(charge)
    refund["failure_balance_transaction"] = funds.record(world, kind, refund, refund["amount"])["id"]
    _count(charge, -refund["amount"])
    world.events.updated("charge.updated", charge, before)
    world.effect("refund_returned", refund, refund["amount"])


def announce(world: World, refund: Doc, before: dict[str, bytes]) -> None:
    """Both events of a change; the older name comes without its history."""
    if world.events.updated("refund.updated", refund, before):
        world.events.emit("charge.refund.updated", refund)
