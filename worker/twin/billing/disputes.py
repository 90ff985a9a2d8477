"""Disputes: the bank takes a payment back, and may return it.

Sources: docs "How disputes work" and "Withdrawing and reinstating funds" (the amount and a fee leave the
balance when a dispute opens, both return when it is won; an inquiry moves nothing), docs "Testing" (evidence
that wins or loses).
"""

from __future__ import annotations

from worker.twin.billing import funds
from worker.twin.errors import invalid
from worker.twin.events import snapshot
from worker.twin.store import Doc
from worker.twin.templates import correction as templates
from worker.twin.world import World

INQUIRY = "warning_needs_response"
CLOSED = ("won", "lost", "warning_closed", "prevented")


def follow(world: World, charge: Doc, sequel: str) -> None:
    """Some test cards are disputed as soon as they have paid: `dispute:<reason>` or `inquiry:<reason>`."""
    kind, _, reason = sequel.partition(":")
    if kind in ("dispute", "inquiry"):
        make(world, charge, reason, inquiry=kind == "inquiry")


def make(world: World, charge: Doc, reason: str, *, inquiry: bool = False) -> Doc:
    """The cardholder disputes a charge (an act of the bank, not of the API)."""
    if not charge["paid"] or charge["disputed"]:
        raise invalid("Only a charge that succeeded can be disputed, and only once.", "charge")
    before = snapshot(charge)
    charge["disputed"] = True
    now = world.now_for(charge["customer"])
    dispute = templates.dispute(world.ids.new("du", 20), now, charge, reason)
    dispute["status"] = INQUIRY if inquiry else "needs_response"
    dispute["is_charge_refundable"] = inquiry
    world.store.add("dispute", dispute)
    world.events.emit("charge.dispute.created", dispute)
    if not inquiry:
        _move(world, dispute, -1, "dispute")
        world.events.emit("charge.dispute.funds_withdrawn", dispute)
    world.events.updated("charge.updated", charge, before)
    world.effect("dispute", dispute, -dispute["amount"])
    return dispute


def _move(world: World, dispute: Doc, sign: int, category: str) -> None:
    fee = -sign * world.account.dispute_fee
    made = funds.record(world, "adjustment", dispute, sign * dispute["amount"], fee, category=category)
    dispute["balance_transactions"] = [*dispute["balance_transactions"], dict(made)]


def submit(world: World, dispute: Doc) -> Doc:
    """The evidence goes to the bank, which looks at it; the test texts settle the matter at once."""
    text = dispute["evidence"].get("uncategorized_text")
    if text == "winning_evidence":
        return close(world, dispute, "won")
    if text == "losing_evidence":
        return close(world, dispute, "lost")
    if text == "escalate_inquiry_evidence" and dispute["status"] == INQUIRY:
        return escalate(world, dispute)
    before = snapshot(dispute)
    dispute["status"] = "warning_under_review" if dispute["status"].startswith("warning") else "under_review"
    world.events.updated("charge.dispute.updated", dispute, before)
    return dispute


def escalate(world: World, dispute: Doc) -> Doc:
    """An inquiry becomes a dispute: now the money leaves."""
    if not dispute["status"].startswith("warning_") or dispute["status"] == "warning_closed":
        raise invalid("Only an open inquiry can be escalated.", "dispute")
    before = snapshot(dispute)
    dispute.update(status="needs_response", is_charge_refundable=False)
    _move(world, dispute, -1, "dispute")
    world.events.updated("charge.dispute.updated", dispute, before)
    world.events.emit("charge.dispute.funds_withdrawn", dispute)
    return dispute


def close(world: World, dispute: Doc, outcome: str) -> Doc:
    """`won` returns the money and the fee, `lost` keeps both; an inquiry that is lost is just closed."""
    if dispute["status"] in CLOSED:
        raise invalid("This dispute is already closed.", "dispute")
    before, inquiry = snapshot(dispute), dispute["status"].startswith("warning_")
    dispute["status"] = "warning_closed" if inquiry else outcome
    dispute["is_charge_refundable"] = inquiry
    if outcome == "won" and not inquiry:
        _move(world, dispute, 1, "dispute_reversal")
        world.effect("dispute_won", dispute, dispute["amount"])
    world.events.updated("charge.dispute.updated", dispute, before)
    if outcome == "won" and not inquiry:
        world.events.emit("charge.dispute.funds_reinstated", dispute)
    world.events.emit("charge.dispute.closed", dispute)
    return dispute
