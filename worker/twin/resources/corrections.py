"""Refunds, credit notes, disputes: what finance and banks do to paid invoices."""

from __future__ import annotations

from typing import Any

from worker.twin import pages
from worker.twin.billing import lifecycle, settlement
from worker.twin.billing.fields import merge_metadata
from worker.twin.errors import invalid
from worker.twin.events import snapshot
from worker.twin.store import Doc
from worker.twin.templates import correction as templates
from worker.twin.world import Call, World


def create_refund(world: World, call: Call) -> Doc:
    """`POST /v1/refunds` of a charge or of the charge behind a payment intent."""
    given = call.params
    charge_id = given.get("charge")
    if not charge_id and given.get("payment_intent"):
        intent = world.store.get("payment_intent", given["payment_intent"], "payment_intent")
        charge_id = intent["latest_charge"]
    charge = world.store.get("charge", charge_id or "", "charge")
    refund = give_back(world, charge, given.get("amount"), given.get("reason"))
    merge_metadata(refund, given.get("metadata"))
    return refund


def give_back(world: World, charge: Doc, amount: int | None, reason: str | None) -> Doc:
    """Refund a charge, wholly or in part."""
    left = charge["amount_captured"] - charge["amount_refunded"]
    amount = left if amount is None else amount
    if not 0 < amount <= left:
        text = f"Refund amount ({amount}) is greater than unrefunded amount on charge ({left})"
        raise invalid(text, "amount", "charge_already_refunded" if left == 0 else None)
    before = snapshot(charge)
    refund = templates.refund(world.ids.new("re", 20), world.clock.now(), charge, amount, reason)
    world.store.add("refund", refund)
    charge["amount_refunded"] += amount
    charge["refunded"] = charge["amount_refunded"] == charge["amount_captured"]
    world.events.emit("refund.created", refund)
    world.events.updated("charge.refunded", charge, before)
    world.effect("refund", refund, -amount)
    return refund


def create_credit_note(world: World, call: Call) -> Doc:
    """`POST /v1/credit_notes` by amount: off an open invoice, or to the balance or the card of a paid one."""
    given = call.params
    invoice = world.store.get("invoice", given["invoice"], "invoice")
    if invoice["status"] not in ("open", "paid"):
        raise invalid("Credit notes need an open or paid invoice.", "invoice")
    amount = _amount(given)
    paid = invoice["status"] == "paid"
    most = (
        invoice["amount_paid"] - invoice["post_payment_credit_notes_amount"]
        if paid
        else invoice["amount_remaining"]
    )
    if not 0 < amount <= most:
        raise invalid(f"The credit note amount must be between 1 and {most}.", "amount")
    number = f"{invoice['number']}-CN-{len(world.store['credit_note'].by('invoice', invoice['id'])) + 1:02}"
    note = templates.credit_note(world.ids.new("cn", 20), world.clock.now(), invoice, amount, number)
    note.update(reason=given.get("reason"), memo=given.get("memo"))
    merge_metadata(note, given.get("metadata"))
    world.store.add("credit_note", note)
    before = snapshot(invoice)
    if paid:
        _after_payment(world, invoice, note, given)
    else:
        _before_payment(invoice, note)
    world.events.emit("credit_note.created", note)
    world.events.updated("invoice.updated", invoice, before)
    world.effect("credit_note", note, -amount)
    if invoice["status"] == "open" and invoice["amount_remaining"] == 0:
        settlement.mark_paid(world, invoice)
        lifecycle.after_payment(world, invoice)
    return note


def _amount(given: dict[str, Any]) -> int:
    parts = [given.get(name, 0) for name in ("credit_amount", "refund_amount", "out_of_band_amount")]
    return int(
        given.get("amount") or sum(parts) or sum(line.get("amount", 0) for line in given.get("lines") or [])
    )


def _before_payment(invoice: Doc, note: Doc) -> None:
    note.update(type="pre_payment", pre_payment_amount=note["amount"])
    invoice["pre_payment_credit_notes_amount"] += note["amount"]
    invoice["amount_due"] -= note["amount"]
    invoice["amount_remaining"] -= note["amount"]


def _after_payment(world: World, invoice: Doc, note: Doc, given: dict[str, Any]) -> None:
    note["post_payment_amount"] = note["amount"]
    note["out_of_band_amount"] = given.get("out_of_band_amount")
    invoice["post_payment_credit_notes_amount"] += note["amount"]
    customer = world.store["customer"].docs[invoice["customer"]]
    if given.get("credit_amount"):
        moved = settlement.move_balance(world, customer, -given["credit_amount"], "credit_note", invoice)
        moved["credit_note"] = note["id"]
        note["customer_balance_transaction"] = moved["id"]
    if given.get("refund_amount"):
        intent = world.store["payment_intent"].docs[world.facts.invoices[invoice["id"]].payment_intent or ""]
        charge = world.store["charge"].docs[intent["latest_charge"]]
        refund = give_back(world, charge, given["refund_amount"], None)
        note["refunds"] = [{"amount_refunded": refund["amount"], "refund": refund["id"], "type": "refund"}]


def make_dispute(world: World, charge: Doc, reason: str) -> Doc:
    """The cardholder disputes a charge (an act of the bank, not of the API)."""
    charge["disputed"] = True
    made = templates.dispute(world.ids.new("du", 20), world.clock.now(), charge, reason)
    world.events.emit("charge.dispute.created", world.store.add("dispute", made))
    world.effect("dispute", made, -made["amount"])
    return made


def _retrieve(kind: str) -> Any:
    return lambda world, call: world.store.get(kind, call.id)


def _find(kind: str, url: str, *names: str) -> Any:
    """A list filtered by equality of `names` and by `created`."""

    def find(world: World, call: Call) -> Doc:
        narrow = {name: call.params[name] for name in names if name in call.params}
        rows = (
            doc
            for doc in world.store[kind].newest_first(narrow)
            if all(doc[name] == value for name, value in narrow.items())
            and pages.in_range(doc["created"], call.params.get("created"))
        )
        return pages.page(rows, call.params, url)

    return find


HANDLERS = {
    "refund_create": create_refund,
    "refund_retrieve": _retrieve("refund"),
    "refund_list": _find("refund", "/v1/refunds", "charge", "payment_intent"),
    "credit_note_create": create_credit_note,
    "credit_note_retrieve": _retrieve("credit_note"),
    "credit_note_list": _find("credit_note", "/v1/credit_notes", "invoice", "customer"),
    "dispute_retrieve": _retrieve("dispute"),
    "dispute_list": _find("dispute", "/v1/disputes", "charge", "payment_intent"),
}
