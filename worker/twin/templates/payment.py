"""Payment intents and charges."""

from __future__ import annotations

from typing import Any

from worker.twin.store import Doc
from worker.twin.templates import fresh, frozen
from worker.twin.templates.customer import ADDRESS

BANK_DETAILS = {
    "account_holder_type", "account_type", "bank_code", "bank_name", "branch_code", "country", "fingerprint",
    "last4", "routing_number",
}  # fmt: skip
PAYMENT_INTENT = frozen(
    {
        "id": None,
        "object": "payment_intent",
        "allowed_payment_method_types": None,
        "amount": None,
        "amount_capturable": 0,
        "amount_details": {"tip": {}},
        "amount_received": 0,
        "application": None,
        "application_fee_amount": None,
        "automatic_payment_methods": None,
        "canceled_at": None,
        "cancellation_reason": None,
        "capture_method": "automatic",
        "client_secret": None,
        "confirmation_method": "automatic",
        "created": None,
        "currency": None,
        "customer": None,
        "customer_account": None,
        "description": None,
        "excluded_payment_method_types": None,
        "last_payment_error": None,
        "latest_charge": None,
        "livemode": False,
        "metadata": {},
        "next_action": None,
        "on_behalf_of": None,
        "payment_details": None,
        "payment_method": None,
        "payment_method_configuration_details": None,
        "payment_method_options": {
            "card": {
                "installments": None,
                "mandate_options": None,
                "network": None,
                "request_three_d_secure": "automatic",
            }
        },
        "payment_method_types": ["card"],
        "processing": None,
        "receipt_email": None,
        "review": None,
        "setup_future_usage": "off_session",
        "shipping": None,
        "source": None,
        "statement_descriptor": None,
        "statement_descriptor_suffix": None,
        "status": "requires_payment_method",
        "transfer_data": None,
        "transfer_group": None,
    }
)
CHARGE = frozen(
    {
        "id": None,
        "object": "charge",
        "amount": None,
        "amount_captured": None,
        "amount_refunded": 0,
        "application": None,
        "application_fee": None,
        "application_fee_amount": None,
        "balance_transaction": None,
        "billing_details": None,
        "calculated_statement_descriptor": "TWIN",
        "captured": None,
        "created": None,
        "currency": None,
        "customer": None,
        "description": None,
        "disputed": False,
        "failure_balance_transaction": None,
        "failure_code": None,
        "failure_message": None,
        "fraud_details": {},
        "livemode": False,
        "metadata": {},
        "on_behalf_of": None,
        "outcome": None,
        "paid": None,
        "payment_intent": None,
        "payment_method": None,
        "payment_method_details": None,
        "radar_options": {},
        "receipt_email": None,
        "receipt_number": None,
        "receipt_url": None,
        "refunded": False,
        "review": None,
        "shipping": None,
        "source": None,
        "source_transfer": None,
        "statement_descriptor": None,
        "statement_descriptor_suffix": None,
        "status": None,
        "transfer_data": None,
        "transfer_group": None,
    }
)


def payment_intent(object_id: str, created: int, invoice: Doc, description: str, secret: str) -> Doc:
    """The payment of an invoice, before any attempt."""
    return fresh(
        PAYMENT_INTENT,
        id=object_id,
        amount=invoice["amount_due"],
        client_secret=f"{object_id}_secret_{secret}",
        created=created,
        currency=invoice["currency"],
        customer=invoice["customer"],
        description=description,
        payment_details={"customer_reference": None, "order_reference": invoice["id"]},
    )


def next_action(intent_id: str) -> dict[str, Any]:
    """What a client needs to run 3-D Secure (the certificates of the real answer are left out)."""
    return {
        "type": "use_stripe_sdk",
        "use_stripe_sdk": {
            "directory_server_name": "visa",
            "merchant": "acct_twin",
            "three_d_secure_2_source": f"payatt_{intent_id}",
            "type": "stripe_3ds2_fingerprint",
        },
    }


def outcome(reason: str | None) -> dict[str, Any]:
    """How the network answered; `reason` is a decline code or None."""
    return {
        "advice_code": "try_again_later" if reason else None,
        "network_advice_code": None,
        "network_decline_code": "01" if reason else None,
        "network_status": "declined_by_network" if reason else "approved_by_network",
        "reason": reason,
        "risk_level": "normal",
        "risk_score": 45,
        "seller_message": "The bank did not return any further details." if reason else "Payment complete.",
        "type": "issuer_declined" if reason else "authorized",
    }


def _details(method: Doc) -> dict[str, Any]:
    kind, own = method["type"], method[method["type"]]
    if kind != "card":
        return {kind: {n: v for n, v in own.items() if n in BANK_DETAILS}, "type": kind}
    names = ("brand", "country", "exp_month", "exp_year", "fingerprint", "funding", "last4")
    card = {name: own[name] for name in names}
    return {"card": {**card, "network": own["brand"], "three_d_secure": None, "wallet": None}, "type": kind}


def waiting_charge(object_id: str, created: int, intent: Doc, method: Doc) -> Doc:
    """A bank debit on its way: nothing is captured until the bank says so."""
    made = charge(object_id, created, intent, method, None, None)
    made.update(amount_captured=0, captured=False, paid=False, status="pending")
    return made


def charge(
    object_id: str, created: int, intent: Doc, method: Doc, reason: str | None, failure: str | None
) -> Doc:
    """One attempt to take the money; failed if `reason` is a decline code."""
    done = reason is None
    return fresh(
        CHARGE,
        id=object_id,
        amount=intent["amount"],
        amount_captured=intent["amount"] if done else 0,
        billing_details={
            "address": dict(ADDRESS),
            "email": None,
            "name": None,
            "phone": None,
            "tax_id": None,
        },
        captured=done,
        created=created,
        currency=intent["currency"],
        customer=intent["customer"],
        description=intent["description"],
        failure_code=None if done else "card_declined",
        failure_message=failure,
        outcome=outcome(reason),
        paid=done,
        payment_intent=intent["id"],
        payment_method=method["id"],
        payment_method_details=_details(method),
        status="succeeded" if done else "failed",
    )
