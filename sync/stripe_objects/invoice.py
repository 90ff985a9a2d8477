"""Invoices with their lines."""

from __future__ import annotations

from sync.stripe_objects.base import Ref, StripeStruct, ref_id
from sync.stripe_objects.payments import InvoicePayments


class Period(StripeStruct, frozen=True, kw_only=True):
    start: int
    end: int


class PriceDetails(StripeStruct, frozen=True, kw_only=True):
    price: Ref | None = None
    product: Ref | None = None


class LinePricing(StripeStruct, frozen=True, kw_only=True):
    price_details: PriceDetails | None = None


class SubscriptionItemParent(StripeStruct, frozen=True, kw_only=True):
    proration: bool = False
    subscription_item: str | None = None
    invoice_item: str | None = None


class InvoiceItemParent(StripeStruct, frozen=True, kw_only=True):
    proration: bool = False
    invoice_item: str | None = None


class LineParent(StripeStruct, frozen=True, kw_only=True):
    type: str
    subscription_item_details: SubscriptionItemParent | None = None
    invoice_item_details: InvoiceItemParent | None = None


class TaxAmount(StripeStruct, frozen=True, kw_only=True):
    amount: int
    tax_behavior: str = "exclusive"


def exclusive_minor(taxes: list[TaxAmount] | None) -> int:
    """The tax that comes on top of the amounts; the rest is contained in them."""
    return sum(tax.amount for tax in taxes or [] if tax.tax_behavior == "exclusive")


class DiscountAmount(StripeStruct, frozen=True, kw_only=True):
    amount: int


class InvoiceLine(StripeStruct, frozen=True, kw_only=True):
    id: str
    amount: int
    currency: str
    description: str | None = None
    quantity: int | None = None
    period: Period
    parent: LineParent | None = None
    pricing: LinePricing | None = None
    taxes: list[TaxAmount] | None = None
    discount_amounts: list[DiscountAmount] | None = None

    @property
    def proration(self) -> bool:
        """True for a proration line; Stripe keeps the flag in either of two places."""
        if self.parent is None:
            return False
        details = self.parent.subscription_item_details or self.parent.invoice_item_details
        return details is not None and details.proration

    @property
    def invoice_item_id(self) -> str | None:
        """The invoice item that the line bills; previews give none to the lines of their own change."""
        if self.parent is None:
            return None
        details = self.parent.subscription_item_details or self.parent.invoice_item_details
        return details.invoice_item if details else None

    @property
    def billed_minor(self) -> int:
        """What the line adds to the invoice's total: after its discounts, with tax that comes on top."""
        discounts = sum(part.amount for part in self.discount_amounts or [])
        return self.amount - discounts + exclusive_minor(self.taxes)

    @property
    def price_id(self) -> str | None:
        details = self.pricing.price_details if self.pricing else None
        return ref_id(details.price) if details else None

    @property
    def subscription_item_id(self) -> str | None:
        details = self.parent.subscription_item_details if self.parent else None
        return details.subscription_item if details else None


class InvoiceLines(StripeStruct, frozen=True, kw_only=True):
    data: list[InvoiceLine]
    has_more: bool = False


class SubscriptionParent(StripeStruct, frozen=True, kw_only=True):
    subscription: Ref | None = None
    metadata: dict[str, str] | None = None


class InvoiceParent(StripeStruct, frozen=True, kw_only=True):
    subscription_details: SubscriptionParent | None = None

    @property
    def subscription_id(self) -> str | None:
        return ref_id(self.subscription_details.subscription) if self.subscription_details else None


class StatusTransitions(StripeStruct, frozen=True, kw_only=True):
    finalized_at: int | None = None
    paid_at: int | None = None
    voided_at: int | None = None
    marked_uncollectible_at: int | None = None


class Invoice(StripeStruct, frozen=True, kw_only=True):
    """An invoice, or a preview (`id` starts with `upcoming_in_`, never payable)."""

    id: str
    customer: Ref | None = None
    status: str | None = None
    currency: str
    total: int
    subtotal: int = 0
    amount_due: int
    amount_paid: int = 0
    amount_remaining: int = 0
    pre_payment_credit_notes_amount: int = 0
    post_payment_credit_notes_amount: int = 0
    starting_balance: int = 0
    ending_balance: int | None = None
    billing_reason: str | None = None
    number: str | None = None
    hosted_invoice_url: str | None = None
    parent: InvoiceParent | None = None
    lines: InvoiceLines
    payments: InvoicePayments | None = None
    total_taxes: list[TaxAmount] | None = None
    total_discount_amounts: list[DiscountAmount] | None = None
    status_transitions: StatusTransitions = StatusTransitions()
    next_payment_attempt: int | None = None
    period_start: int = 0
    period_end: int = 0
    created: int = 0
    livemode: bool = False

    @property
    def subscription_id(self) -> str | None:
        return self.parent.subscription_id if self.parent else None
