"""How an invoice is paid: its payments, the intents behind them, and each taking of money."""

from __future__ import annotations

from sync.stripe_objects.base import Ref, StripeStruct


class PaymentError(StripeStruct, frozen=True, kw_only=True):
    code: str | None = None
    decline_code: str | None = None
    message: str | None = None


class PaymentDetails(StripeStruct, frozen=True, kw_only=True):
    order_reference: str | None = None


class PaymentIntent(StripeStruct, frozen=True, kw_only=True):
    """The wish to collect an amount, through any number of attempts."""

    id: str
    status: str
    amount: int
    currency: str
    customer: Ref | None = None
    last_payment_error: PaymentError | None = None
    payment_details: PaymentDetails | None = None
    created: int = 0

    @property
    def invoice_id(self) -> str | None:
        """The invoice that it was made for, where Stripe names it; the proof is the invoice's payment."""
        named = self.payment_details.order_reference if self.payment_details else None
        return named if named and named.startswith("in_") else None


class Payment(StripeStruct, frozen=True, kw_only=True):
    type: str
    payment_intent: str | PaymentIntent | None = None
    charge: Ref | None = None


class InvoicePayment(StripeStruct, frozen=True, kw_only=True):
    """The link from an invoice to what pays it; `amount_paid` is None until it has."""

    id: str
    invoice: Ref
    status: str
    currency: str
    amount_requested: int
    amount_paid: int | None = None
    payment: Payment
    created: int = 0


class InvoicePayments(StripeStruct, frozen=True, kw_only=True):
    data: list[InvoicePayment]


class Charge(StripeStruct, frozen=True, kw_only=True):
    """One taking of money. What was refunded may shrink again: a refund can fail days later."""

    id: str
    status: str
    amount: int
    currency: str
    customer: Ref | None = None
    payment_intent: Ref | None = None
    amount_captured: int = 0
    amount_refunded: int = 0
    captured: bool = False
    disputed: bool = False
    failure_code: str | None = None
    balance_transaction: Ref | None = None
    created: int = 0


class AboutCharge(StripeStruct, frozen=True, kw_only=True):
    """A dispute or a refund, of which only the charge matters; these fields are the same in every version."""

    object: str
    status: str | None = None
    charge: Ref | None = None
