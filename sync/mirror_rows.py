"""What the mirror holds of each Stripe object: one tuple per row, the fields in the order of the columns.

Amounts are in the currency's minor unit, times are Stripe's Unix seconds. The names are those of the
tables; `sync.store.mirror_rows` builds its statements from them.
"""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple

Metadata = dict[str, str]


class Kind(StrEnum):
    """The kinds of Stripe object that are mirrored; the value is Stripe's own `object`."""

    CUSTOMER = "customer"
    SUBSCRIPTION = "subscription"
    INVOICE = "invoice"
    PRICE = "price"
    PRODUCT = "product"
    CHARGE = "charge"
    PAYMENT_INTENT = "payment_intent"
    INVOICE_PAYMENT = "invoice_payment"
    SCHEDULE = "subscription_schedule"


class CustomerRow(NamedTuple):
    id: str
    email: str | None
    name: str | None
    balance_minor: int
    currency: str | None
    delinquent: bool | None
    default_payment_method_id: str | None
    default_source_id: str | None
    test_clock_id: str | None
    metadata: Metadata
    created_unix: int


class SubscriptionRow(NamedTuple):
    """`period_*` are those of the item that renews first; None without items."""

    id: str
    customer_id: str
    status: str
    currency: str
    billing_mode: str
    collection_method: str
    latest_invoice_id: str | None
    schedule_id: str | None
    default_payment_method_id: str | None
    pending_update_expires_unix: int | None
    pending_update_metadata: Metadata
    cancel_at_unix: int | None
    cancel_at_period_end: bool
    canceled_at_unix: int | None
    ended_at_unix: int | None
    trial_end_unix: int | None
    period_start_unix: int | None
    period_end_unix: int | None
    collection_paused: bool
    automatic_tax: bool
    test_clock_id: str | None
    metadata: Metadata
    created_unix: int


class SubscriptionItemRow(NamedTuple):
    """`lookup_key` is the price's as it was rendered then; a key may move to another price later."""

    subscription_id: str
    position: int
    id: str
    price_id: str
    product_id: str
    lookup_key: str | None
    unit_amount_minor: int | None
    currency: str
    interval: str | None
    interval_count: int | None
    usage_type: str | None
    quantity: int | None
    period_start_unix: int
    period_end_unix: int
    metadata: Metadata


class InvoiceRow(NamedTuple):
    id: str
    customer_id: str | None
    subscription_id: str | None
    status: str | None
    currency: str
    total_minor: int
    subtotal_minor: int
    amount_due_minor: int
    amount_paid_minor: int
    amount_remaining_minor: int
    starting_balance_minor: int
    ending_balance_minor: int | None
    tax_minor: int
    discount_minor: int
    pre_payment_credit_minor: int
    post_payment_credit_minor: int
    billing_reason: str | None
    number: str | None
    hosted_invoice_url: str | None
    next_payment_attempt_unix: int | None
    period_start_unix: int
    period_end_unix: int
    finalized_at_unix: int | None
    paid_at_unix: int | None
    voided_at_unix: int | None
    marked_uncollectible_at_unix: int | None
    created_unix: int


class InvoiceLineRow(NamedTuple):
    invoice_id: str
    position: int
    id: str
    amount_minor: int
    currency: str
    description: str | None
    quantity: int | None
    period_start_unix: int
    period_end_unix: int
    proration: bool
    price_id: str | None
    subscription_item_id: str | None
    tax_minor: int
    discount_minor: int


class PriceRow(NamedTuple):
    id: str
    product_id: str
    currency: str
    active: bool
    unit_amount_minor: int | None
    lookup_key: str | None
    interval: str | None
    interval_count: int | None
    usage_type: str | None
    billing_scheme: str
    metadata: Metadata
    created_unix: int


class ProductRow(NamedTuple):
    id: str
    name: str
    active: bool
    metadata: Metadata
    created_unix: int


class ChargeRow(NamedTuple):
    """One taking of money; its invoice is that of the payment with the same payment intent."""

    id: str
    customer_id: str | None
    payment_intent_id: str | None
    status: str
    currency: str
    amount_minor: int
    captured: bool
    amount_captured_minor: int
    amount_refunded_minor: int
    disputed: bool
    failure_code: str | None
    balance_transaction_id: str | None
    created_unix: int


class PaymentIntentRow(NamedTuple):
    """`invoice_id` as far as the intent names it; the invoice's payment is the proof."""

    id: str
    customer_id: str | None
    invoice_id: str | None
    status: str
    currency: str
    amount_minor: int
    last_error_code: str | None
    last_decline_code: str | None
    created_unix: int

    @property
    def untried(self) -> bool:
        """Whether nobody has tried to pay it yet: a state that it never comes back to."""
        return self.status == "requires_payment_method" and self.last_error_code is None


class InvoicePaymentRow(NamedTuple):
    """What pays an invoice: a payment intent or, made outside of one, a charge."""

    id: str
    invoice_id: str
    payment_intent_id: str | None
    charge_id: str | None
    status: str
    currency: str
    amount_requested_minor: int
    amount_paid_minor: int | None
    created_unix: int


class ScheduleRow(NamedTuple):
    """`current_phase_*` are None before the first phase and after the last one."""

    id: str
    customer_id: str | None
    status: str
    subscription_id: str | None
    released_subscription_id: str | None
    current_phase_start_unix: int | None
    current_phase_end_unix: int | None
    end_behavior: str
    test_clock_id: str | None
    metadata: Metadata
    created_unix: int


class ScheduleItemRow(NamedTuple):
    """One item of one phase; phases are counted from 0, and each has at least one item."""

    schedule_id: str
    position: int
    phase: int
    phase_start_unix: int
    phase_end_unix: int
    price_id: str
    quantity: int | None


Row = (
    CustomerRow
    | SubscriptionRow
    | InvoiceRow
    | PriceRow
    | ProductRow
    | ChargeRow
    | PaymentIntentRow
    | InvoicePaymentRow
    | ScheduleRow
)
ChildRow = SubscriptionItemRow | InvoiceLineRow | ScheduleItemRow
