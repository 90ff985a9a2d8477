"""Subscriptions with their items and the change that may wait for its payment."""

from __future__ import annotations

from typing import Any

from sync.stripe_objects.base import Ref, Reference, StripeStruct
from sync.stripe_objects.catalog import Price
from sync.stripe_objects.invoice import Invoice


class SubscriptionItem(StripeStruct, frozen=True, kw_only=True):
    id: str
    price: Price
    quantity: int | None = None
    current_period_start: int = 0
    current_period_end: int = 0
    discounts: list[Any] = []
    tax_rates: list[Reference] | None = None
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


class CancellationDetails(StripeStruct, frozen=True, kw_only=True):
    """`reason` says who ended it: somebody (`cancellation_requested`), or Stripe's own rules."""

    reason: str | None = None


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
    cancellation_details: CancellationDetails | None = None
    trial_end: int | None = None
    collection_method: str = "charge_automatically"
    default_payment_method: Ref | None = None
    default_source: Ref | None = None
    discounts: list[Any] = []
    default_tax_rates: list[Reference] | None = None
    pause_collection: dict[str, Any] | None = None
    automatic_tax: AutomaticTax = AutomaticTax()
    metadata: dict[str, str] = {}
    created: int = 0
    livemode: bool = False
    test_clock: Ref | None = None

    @property
    def has_payment_method(self) -> bool:
        """Whether it has a card of its own, which Stripe charges before the customer's."""
        return bool(self.default_payment_method or self.default_source)

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
