"""What comes after the money: refunds, credit notes, disputes."""

from __future__ import annotations

from typing import Any

from worker.twin.store import Doc
from worker.twin.templates import fresh, frozen

CREDIT_NOTE = frozen(
    {
        "id": None,
        "object": "credit_note",
        "amount": 0,
        "amount_shipping": 0,
        "created": None,
        "currency": None,
        "customer": None,
        "customer_account": None,
        "customer_balance_transaction": None,
        "discount_amount": 0,
        "discount_amounts": [],
        "effective_at": None,
        "invoice": None,
        "lines": {"object": "list", "data": [], "has_more": False, "total_count": 0, "url": ""},
        "livemode": False,
        "memo": None,
        "metadata": {},
        "number": None,
        "out_of_band_amount": None,
        "pdf": "",
        "post_payment_amount": 0,
        "pre_payment_amount": 0,
        "pretax_credit_amounts": [],
        "reason": None,
        "refunds": [],
        "shipping_cost": None,
        "status": "issued",
        "subtotal": 0,
        "subtotal_excluding_tax": 0,
        "total": 0,
        "total_excluding_tax": 0,
        "total_taxes": [],
        "type": "post_payment",
        "voided_at": None,
    }
)


def refund(object_id: str, created: int, charge_doc: Doc, amount: int, reason: str | None) -> Doc:
    """Money given back on a charge."""
    kind = charge_doc["payment_method_details"]["type"]
    where: dict[str, Any] = {"card": {"type": "refund"}} if kind == "card" else {kind: {}}
    return {
        "id": object_id,
        "object": "refund",
        "amount": amount,
        "balance_transaction": None,
        "charge": charge_doc["id"],
        "created": created,
        "currency": charge_doc["currency"],
        "customer": charge_doc["customer"],
        "description": None,
        "destination_details": {**where, "type": kind},
        "metadata": {},
        "payment_intent": charge_doc["payment_intent"],
        "payment_method": charge_doc["payment_method"],
        "reason": reason,
        "receipt_number": None,
        "source_transfer_reversal": None,
        "status": "succeeded",
        "transfer_reversal": None,
    }


def credit_note(object_id: str, created: int, invoice: Doc, number: str) -> Doc:
    """A correction of a finalised invoice, before its amounts are known."""
    made = fresh(
        CREDIT_NOTE,
        id=object_id,
        created=created,
        effective_at=created,
        currency=invoice["currency"],
        customer=invoice["customer"],
        invoice=invoice["id"],
        number=number,
        pdf=f"{invoice['invoice_pdf']}/{object_id}",
    )
    made["lines"]["url"] = f"/v1/credit_notes/{object_id}/lines"
    return made


def set_sums(note: Doc, subtotal: int, total_excluding_tax: int, total: int) -> None:
    """Write the sums of a note, in minor units, all positive."""
    note.update(
        amount=total,
        subtotal=subtotal,
        subtotal_excluding_tax=subtotal,
        total=total,
        total_excluding_tax=total_excluding_tax,
    )


def credit_note_line(object_id: str, kind: str, amount: int) -> Doc:
    """One line of a credit note, of `amount` minor units before discounts and tax."""
    return {
        "id": object_id,
        "object": "credit_note_line_item",
        "amount": amount,
        "description": None,
        "discount_amount": 0,
        "discount_amounts": [],
        "invoice_line_item": None,
        "livemode": False,
        "metadata": {},
        "pretax_credit_amounts": [],
        "quantity": None,
        "tax_rates": [],
        "taxes": [],
        "type": kind,
        "unit_amount": None,
        "unit_amount_decimal": None,
    }


def dispute(object_id: str, created: int, charge_doc: Doc, reason: str) -> Doc:
    """A cardholder's complaint about a charge."""
    return {
        "id": object_id,
        "object": "dispute",
        "amount": charge_doc["amount"],
        "balance_transactions": [],
        "charge": charge_doc["id"],
        "created": created,
        "currency": charge_doc["currency"],
        "enhanced_eligibility_types": [],
        "evidence": {"enhanced_evidence": {}},
        "evidence_details": {
            "due_by": created + 7 * 86400,
            "enhanced_eligibility": {},
            "has_evidence": False,
            "past_due": False,
            "submission_count": 0,
            "submission_method": "not_submitted",
        },
        "is_charge_refundable": False,
        "livemode": False,
        "metadata": {},
        "payment_intent": charge_doc["payment_intent"],
        "reason": reason,
        "status": "needs_response",
    }
