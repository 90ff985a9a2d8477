"""What we read of Stripe's objects: typed, tolerant of everything we do not use.

One Struct per Stripe object, in the shape of API version 2026-10-28.endive (the version the SDK pins).
Amounts are integers in the currency's minor unit, times are Unix seconds. Fields that we never look at
are absent on purpose: a webhook of eight kilobytes decodes in microseconds. Enumerations are plain text,
because Stripe may add values at any time.
"""

from __future__ import annotations

from sync.stripe_objects.base import (
    Ref,
    Reference,
    StripeStruct,
    ref_id,
)
from sync.stripe_objects.catalog import (
    Price,
    Product,
    Recurring,
)
from sync.stripe_objects.corrections import (
    InvoiceItem,
)
from sync.stripe_objects.customer import (
    Customer,
    InvoiceSettings,
)
from sync.stripe_objects.event import (
    Event,
    EventData,
    EventRequest,
)
from sync.stripe_objects.invoice import (
    DiscountAmount,
    Invoice,
    InvoiceItemParent,
    InvoiceLine,
    InvoiceLines,
    InvoiceParent,
    LineParent,
    LinePricing,
    Period,
    PriceDetails,
    StatusTransitions,
    SubscriptionItemParent,
    SubscriptionParent,
    TaxAmount,
    exclusive_minor,
)
from sync.stripe_objects.payments import (
    AboutCharge,
    Charge,
    InvoicePayment,
    InvoicePayments,
    Payment,
    PaymentDetails,
    PaymentError,
    PaymentIntent,
)
from sync.stripe_objects.schedule import (
    Phase,
    PhaseDiscount,
    PhaseItem,
    Schedule,
    Span,
)
from sync.stripe_objects.subscription import (
    AutomaticTax,
    BillingMode,
    PendingUpdate,
    Subscription,
    SubscriptionItem,
    SubscriptionItems,
)

__all__ = [
    "AboutCharge",
    "AutomaticTax",
    "BillingMode",
    "Charge",
    "Customer",
    "DiscountAmount",
    "Event",
    "EventData",
    "EventRequest",
    "Invoice",
    "InvoiceItem",
    "InvoiceItemParent",
    "InvoiceLine",
    "InvoiceLines",
    "InvoiceParent",
    "InvoicePayment",
    "InvoicePayments",
    "InvoiceSettings",
    "LineParent",
    "LinePricing",
    "Payment",
    "PaymentDetails",
    "PaymentError",
    "PaymentIntent",
    "PendingUpdate",
    "Period",
    "Phase",
    "PhaseDiscount",
    "PhaseItem",
    "Price",
    "PriceDetails",
    "Product",
    "Recurring",
    "Ref",
    "Reference",
    "Schedule",
    "Span",
    "StatusTransitions",
    "StripeStruct",
    "Subscription",
    "SubscriptionItem",
    "SubscriptionItemParent",
    "SubscriptionItems",
    "SubscriptionParent",
    "TaxAmount",
    "exclusive_minor",
    "ref_id",
]
