"""Payouts: what is available goes to the bank, by hand or once a day, and may come back.

Sources: docs "Receive payouts", "Payout reconciliation" (only automatic payouts can be itemised), API
reference "The Payout object". A payout arrives one day after it was made.
"""

from __future__ import annotations

from typing import Any

from worker.twin.billing import funds
from worker.twin.errors import ApiError, invalid
from worker.twin.events import snapshot
from worker.twin.store import Doc
from worker.twin.templates import balance as templates
from worker.twin.world import World

FAILURES = {
    "account_closed": "The bank account has been closed",
    "could_not_process": "The bank could not process this transfer",
    "no_account": "The bank account could not be located",
}


def make(world: World, amount: int, currency: str, *, automatic: bool = False, **fields: Any) -> Doc:
    """Send `amount` minor units to the bank; refused when less is available. `fields` go to its record."""
    now, sums = world.clock.now(), funds.funds_of(world, currency)
    if amount > sums.available:
        text = "You have insufficient available funds in your Stripe account for this payout."
        raise ApiError(400, text, code="balance_insufficient", param="amount")
    arrival = (now // funds.DAY + 1) * funds.DAY
    made = templates.payout(world.ids.new("po", 20), now, amount, currency, arrival, automatic)
    world.store.add("payout", made)
    if automatic:
        world.facts.payouts[made["id"]] = sums.unswept
        sums.unswept = []
    moved = funds.record(world, "payout", made, -amount)
    if automatic:
        world.facts.payouts[made["id"]].append(sums.unswept.pop())
    made.update(fields, balance_transaction=moved["id"])
    world.events.emit("payout.created", made)
    world.effect("payout", made, -amount)
    world.clock.at(arrival, "payout_arrives", made["id"])
    return made


def daily(world: World, _: str, due: int) -> None:
    """Due work at midnight: everything that is available goes out, in each currency."""
    world.facts.payout_planned = False
    if not world.account.automatic_payouts:
        return
    for currency, sums in list(world.facts.funds.items()):
        if sums.available > 0 and sums.unswept:
            make(world, sums.available, currency, automatic=True)


def arrive(world: World, payout_id: str, due: int) -> None:
    """Due work: the bank has the money."""
    payout = world.store["payout"].docs[payout_id]
    if payout["status"] != "pending":
        return
    before = snapshot(payout)
    payout["status"] = "paid"
    payout["trace_id"] = {"status": "supported", "value": f"twin{payout['id'][-8:]}"}
    if payout["automatic"]:
        payout["reconciliation_status"] = "completed"
    world.events.updated("payout.updated", payout, before)
    world.events.emit("payout.paid", payout)
    if payout["automatic"]:
        world.events.emit("payout.reconciliation_completed", payout)


def fail(world: World, payout: Doc, code: str) -> Doc:
    """The bank sends the money back, even after `paid` (docs "Payout failures")."""
    if payout["status"] not in ("pending", "paid"):
        raise invalid(f"A payout that is {payout['status']} cannot fail.", "payout")
    before = snapshot(payout)
    moved = funds.record(world, "payout_failure", payout, payout["amount"])
    payout.update(
        status="failed",
        failure_code=code,
        failure_message=FAILURES.get(code, FAILURES["could_not_process"]),
        failure_balance_transaction=moved["id"],
    )
    world.events.updated("payout.updated", payout, before)
    world.events.emit("payout.failed", payout)
    world.effect("payout_failed", payout, payout["amount"])
    return payout


def cancel(world: World, payout: Doc) -> Doc:
    """Only a pending payout that was made by hand can be called back."""
    if payout["status"] != "pending" or payout["automatic"]:
        raise invalid("You can only cancel pending payouts that were created manually.", "payout")
    before = snapshot(payout)
    moved = funds.record(world, "payout_cancel", payout, payout["amount"])
    payout.update(status="canceled", failure_balance_transaction=moved["id"])
    world.events.updated("payout.updated", payout, before)
    world.events.emit("payout.canceled", payout)
    world.effect("payout_canceled", payout, payout["amount"])
    return payout
