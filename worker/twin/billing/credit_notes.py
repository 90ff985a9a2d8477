"""Credit notes: corrections of finalised invoices, before or after they were paid.

Sources: docs "Issue credit notes" (off what is due while the invoice is open; to the card, to the balance or
outside Stripe once it is paid; the three add up to the note; a full note pays an open invoice; only notes of
open invoices can be voided), API reference "Create a credit note".
"""

from __future__ import annotations

from typing import Any

from worker.twin.billing import accounts, credit_lines, lifecycle, refunds, settlement
from worker.twin.billing.fields import merge_metadata
from worker.twin.errors import invalid
from worker.twin.events import snapshot
from worker.twin.ids import Ids
from worker.twin.store import Doc
from worker.twin.templates import correction as templates
from worker.twin.world import World

Params = dict[str, Any]


def draft(world: World, given: Params, ids: Ids) -> Doc:
    """The credit note that a request asks for, checked in every way; nothing is stored."""
    invoice = world.store.get("invoice", given["invoice"], "invoice")
    if invoice["status"] not in ("open", "paid"):
        raise invalid("Credit notes need an open or paid invoice.", "invoice")
    settlement.refuse_while_processing(world, invoice)
    count = len(world.store["credit_note"].by("invoice", invoice["id"]))
    note = templates.credit_note(
        ids.new("cn", 20),
        world.now_for(invoice["customer"]),
        invoice,
        f"{invoice['number']}-CN-{count + 1:02}",
    )
    credit_lines.fill(world, note, invoice, given, ids)
    note.update(reason=given.get("reason"), memo=given.get("memo"))
    if given.get("effective_at"):
        note["effective_at"] = given["effective_at"]
    merge_metadata(note, given.get("metadata"))
    _check_amount(world, note, invoice)
    _check_ways(world, note, invoice, given)
    return note


def _check_amount(world: World, note: Doc, invoice: Doc) -> None:
    issued = world.store["credit_note"].by("invoice", invoice["id"])
    most = invoice["total"] - sum(n["total"] for n in issued if n["status"] == "issued")
    if invoice["status"] == "open":
        most = min(most, invoice["amount_remaining"])
    if not 0 < note["total"] <= most:
        raise invalid(f"The credit note amount must be between 1 and {max(most, 0)}.", "amount")


def _check_ways(world: World, note: Doc, invoice: Doc, given: Params) -> None:
    """Where the money goes: nowhere while the invoice is open; later every cent has a way back."""
    ways = {name: given.get(name) or 0 for name in ("refund_amount", "credit_amount", "out_of_band_amount")}
    linked = sum(_linked(world, invoice, entry)[1] for entry in given.get("refunds") or [])
    if invoice["status"] == "open":
        if linked or any(ways.values()):
            raise invalid("An open invoice has no payment that could be given back.", "refund_amount")
        note.update(type="pre_payment", pre_payment_amount=note["total"])
        return
    if min(ways.values()) < 0 or linked + sum(ways.values()) != note["total"]:
        text = "The credit note amount must be the sum of its credit, refund and out of band amounts."
        raise invalid(text)
    if ways["refund_amount"]:
        refunds.allowed(_charge(world, invoice), ways["refund_amount"])
    note.update(post_payment_amount=note["total"], out_of_band_amount=given.get("out_of_band_amount"))


def _charge(world: World, invoice: Doc) -> Doc:
    intent = settlement.intent_of(world, invoice)
    if not intent or intent["status"] != "succeeded":
        raise invalid("This invoice has no charge that could be refunded.", "refund_amount")
    return world.store["charge"].docs[intent["latest_charge"]]


def _linked(world: World, invoice: Doc, entry: Params) -> tuple[Doc, int]:
    """A refund that was made before, and how much of it this note explains."""
    refund = world.store.get("refund", entry.get("refund") or "", "refunds[0][refund]", 400)
    if refund["charge"] != _charge(world, invoice)["id"]:
        raise invalid("The refund belongs to another invoice's charge.", "refunds")
    notes = world.store["credit_note"].by("invoice", invoice["id"])
    used = sum(r["amount_refunded"] for n in notes for r in n["refunds"] if r["refund"] == refund["id"])
    amount = entry.get("amount_refunded") or refund["amount"] - used
    if not 0 < amount <= refund["amount"] - used:
        raise invalid("The refund is already explained by another credit note.", "refunds")
    return refund, int(amount)


def create(world: World, given: Params) -> Doc:
    """Carry out `POST /v1/credit_notes`."""
    note = draft(world, given, world.ids)
    invoice = world.store["invoice"].docs[note["invoice"]]
    if note["type"] == "post_payment":
        _give_back(world, note, invoice, given)
    world.store.add("credit_note", note)
    before = snapshot(invoice)
    if note["type"] == "pre_payment":
        _lower(world, invoice, note["total"])
    else:
        invoice["post_payment_credit_notes_amount"] += note["total"]
    world.events.emit("credit_note.created", note)
    world.events.updated("invoice.updated", invoice, before)
    world.effect("credit_note", note, -note["total"])
    if invoice["status"] == "open" and invoice["amount_remaining"] == 0:
        settlement.cancel_payment(world, invoice)
        settlement.mark_paid(world, invoice)
        lifecycle.after_payment(world, invoice)
    return note


def _give_back(world: World, note: Doc, invoice: Doc, given: Params) -> None:
    parts = [_linked(world, invoice, entry) for entry in given.get("refunds") or []]
    if given.get("refund_amount"):
        made = refunds.give_back(world, _charge(world, invoice), given["refund_amount"], None)
        parts.append((made, made["amount"]))
    note["refunds"] = [
        {"amount_refunded": amount, "payment_record_refund": None, "refund": refund["id"], "type": "refund"}
        for refund, amount in parts
    ]
    if given.get("credit_amount"):
        customer = world.store["customer"].docs[invoice["customer"]]
        moved = accounts.move_balance(
            world, customer, -given["credit_amount"], "credit_note", invoice, credit_note=note["id"]
        )
        note["customer_balance_transaction"] = moved["id"]


def _lower(world: World, invoice: Doc, amount: int) -> None:
    """Take `amount` off what an open invoice asks for; its payment asks for as much less.

    No event tells the latter: Stripe has no type for a payment intent that merely changes.
    """
    invoice["pre_payment_credit_notes_amount"] += amount
    invoice["amount_due"] -= amount
    invoice["amount_remaining"] -= amount
    intent = settlement.intent_of(world, invoice)
    if intent and invoice["amount_due"]:
        intent["amount"] = invoice["amount_due"]
        link = world.store["invoice_payment"].by("payment_intent", intent["id"])[0]
        link["amount_requested"] = invoice["amount_due"]


def void(world: World, note: Doc) -> Doc:
    """Take back a note of an invoice that is still open."""
    invoice = world.store["invoice"].docs[note["invoice"]]
    if note["status"] != "issued" or note["type"] != "pre_payment" or invoice["status"] != "open":
        text = "You can only void a credit note that was issued for an invoice that is still open."
        raise invalid(text, code="status_transition_invalid")
    settlement.refuse_while_processing(world, invoice)
    before = snapshot(invoice)
    note.update(status="void", voided_at=world.now_for(invoice["customer"]))
    _lower(world, invoice, -note["total"])
    world.events.emit("credit_note.voided", note)
    world.events.updated("invoice.updated", invoice, before)
    world.effect("credit_note_voided", note, note["total"])
    return note


def update(world: World, note: Doc, given: Params) -> Doc:
    """Memo and metadata."""
    before = snapshot(note)
    if "memo" in given:
        note["memo"] = given["memo"] or None
    merge_metadata(note, given.get("metadata"))
    world.events.updated("credit_note.updated", note, before)
    return note
