"""What we read of Stripe's objects: typed, tolerant of everything we do not use.

One Struct per Stripe object, in the shape of API version 2026-10-28.endive (the version the SDK pins).
Amounts are integers in the currency's minor unit, times are Unix seconds. Fields that we never look at
are absent on purpose: a webhook of eight kilobytes decodes in microseconds. Enumerations are plain text,
because Stripe may add values at any time.
"""

from __future__ import annotations

from typing import Any

import msgspec


class StripeStruct(msgspec.Struct, frozen=True, kw_only=True):
    """Base: unknown fields are ignored, instances are immutable."""


class Reference(StripeStruct, frozen=True, kw_only=True):
    """An expanded object of which only the id matters."""

    id: str


Ref = str | Reference


def ref_id(value: Ref | Invoice | PaymentIntent | None) -> str | None:
    """The id behind an expandable field, whether or not it came expanded."""
    if value is None or isinstance(value, str):
        return value
    return value.id


class Recurring(StripeStruct, frozen=True, kw_only=True):
    interval: str
    interval_count: int = 1
    usage_type: str = "licensed"


class Price(StripeStruct, frozen=True, kw_only=True):
    id: str
    product: Ref
    currency: str
    active: bool = True
    unit_amount: int | None = None
    lookup_key: str | None = None
    recurring: Recurring | None = None
    billing_scheme: str = "per_unit"
    metadata: dict[str, str] = {}
    created: int = 0


class Product(StripeStruct, frozen=True, kw_only=True):
    id: str
    name: str
    active: bool = True
    metadata: dict[str, str] = {}
    created: int = 0


class SubscriptionItem(StripeStruct, frozen=True, kw_only=True):
    id: str
    price: Price
    quantity: int | None = None
    current_period_start: int = 0
    current_period_end: int = 0
    discounts: list[Any] = []
    metadata: dict[str, str] = {}


class SubscriptionItems(StripeStruct, frozen=True, kw_only=True):
    data: list[SubscriptionItem]
    has_more: bool = False


class BillingMode(StripeStruct, frozen=True, kw_only=True):
    type: str


class PendingUpdate(StripeStruct, frozen=True, kw_only=True):
    """A change that waits for its payment; dropped at `expires_at`."""

    expires_at: int
    subscription_items: list[SubscriptionItem] | None = None
    metadata: dict[str, str] | None = None


class AutomaticTax(StripeStruct, frozen=True, kw_only=True):
    enabled: bool = False


class Subscription(StripeStruct, frozen=True, kw_only=True):
    id: str
    customer: Ref
    status: str
    currency: str
    items: SubscriptionItems
    billing_mode: BillingMode = BillingMode(type="classic")
    latest_invoice: str | Invoice | None = None
    pending_update: PendingUpdate | None = None
    schedule: Ref | None = None
    cancel_at: int | None = None
    cancel_at_period_end: bool = False
    canceled_at: int | None = None
    ended_at: int | None = None
    trial_end: int | None = None
    collection_method: str = "charge_automatically"
    default_payment_method: Ref | None = None
    discounts: list[Any] = []
    pause_collection: dict[str, Any] | None = None
    automatic_tax: AutomaticTax = AutomaticTax()
    metadata: dict[str, str] = {}
    created: int = 0
    livemode: bool = False
    test_clock: Ref | None = None

    @property
    def customer_id(self) -> str:
        """The customer's id, expanded or not."""
        return self.customer if isinstance(self.customer, str) else self.customer.id

    @property
    def period_start(self) -> int:
        """Start of the period that renews first (periods live on items, and may differ)."""
        return min(self.items.data, key=lambda item: item.current_period_end).current_period_start

    @property
    def period_end(self) -> int:
        """The next renewal: the earliest end of any item's period."""
        return min(item.current_period_end for item in self.items.data)


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


class StatusTransitions(StripeStruct, frozen=True, kw_only=True):
    finalized_at: int | None = None
    paid_at: int | None = None
    voided_at: int | None = None
    marked_uncollectible_at: int | None = None


class PaymentError(StripeStruct, frozen=True, kw_only=True):
    code: str | None = None
    decline_code: str | None = None
    message: str | None = None


class PaymentIntent(StripeStruct, frozen=True, kw_only=True):
    id: str
    status: str
    last_payment_error: PaymentError | None = None


class Payment(StripeStruct, frozen=True, kw_only=True):
    type: str
    payment_intent: str | PaymentIntent | None = None


class InvoicePayment(StripeStruct, frozen=True, kw_only=True):
    id: str
    status: str
    payment: Payment


class InvoicePayments(StripeStruct, frozen=True, kw_only=True):
    data: list[InvoicePayment]


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
        details = self.parent.subscription_details if self.parent else None
        return ref_id(details.subscription) if details else None


class InvoiceSettings(StripeStruct, frozen=True, kw_only=True):
    default_payment_method: Ref | None = None


class Customer(StripeStruct, frozen=True, kw_only=True):
    """A customer; a deleted one keeps its id and `deleted=True` and loses the rest."""

    id: str
    deleted: bool = False
    email: str | None = None
    name: str | None = None
    balance: int = 0
    currency: str | None = None
    delinquent: bool | None = None
    default_source: Ref | None = None
    invoice_settings: InvoiceSettings = InvoiceSettings()
    metadata: dict[str, str] = {}
    created: int = 0
    livemode: bool = False
    test_clock: Ref | None = None

    @property
    def has_payment_method(self) -> bool:
        """Whether something can be charged without the customer present."""
        return bool(self.invoice_settings.default_payment_method or self.default_source)


class EventRequest(StripeStruct, frozen=True, kw_only=True):
    id: str | None = None
    idempotency_key: str | None = None


class EventData(StripeStruct, frozen=True, kw_only=True):
    """`object` stays raw bytes until someone knows its type."""

    object: msgspec.Raw
    previous_attributes: dict[str, Any] | None = None


class Event(StripeStruct, frozen=True, kw_only=True):
    """A snapshot event; `request` is null when Stripe itself caused it."""

    id: str
    type: str
    created: int
    data: EventData
    api_version: str | None = None
    livemode: bool = False
    account: str | None = None
    request: EventRequest | None = None
