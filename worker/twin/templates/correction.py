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
        "destination_details": {"card": {"type": "refund"}, "type": "card"},
        "metadata": {},
        "next_action": None,
        "payment_intent": charge_doc["payment_intent"],
        "payment_method": charge_doc["payment_method"],
        "reason": reason,
        "receipt_number": None,
        "source_transfer_reversal": None,
        "status": "succeeded",
        "transfer_reversal": None,
    }


def credit_note(object_id: str, created: int, invoice: Doc, amount: int, number: str) -> Doc:
    """A correction of a finalised invoice by `amount` minor units."""
    sums: dict[str, Any] = dict.fromkeys(
        ("amount", "subtotal", "subtotal_excluding_tax", "total", "total_excluding_tax"), amount
    )
    return fresh(
        CREDIT_NOTE,
        id=object_id,
        created=created,
        effective_at=created,
        currency=invoice["currency"],
        customer=invoice["customer"],
        invoice=invoice["id"],
        number=number,
        pdf=f"{invoice['invoice_pdf']}/{object_id}",
        **sums,
    )


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
        "evidence": {},
        "evidence_details": {"due_by": created + 7 * 86400, "has_evidence": False, "past_due": False},
        "is_charge_refundable": False,
        "livemode": False,
        "metadata": {},
        "payment_intent": charge_doc["payment_intent"],
        "reason": reason,
        "status": "needs_response",
    }
