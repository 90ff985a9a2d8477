"""What the twin knows about an object beyond what the API shows."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import msgspec

from worker.twin.ledger import Origin


class Debit(msgspec.Struct):
    """One charged span of an item: flexible billing credits from these, never from the price list.

    `amount` minor units were billed for `[start, end)`, after `discounts` had taken their part (discount id,
    amount, whether it hung on the item); from `until` on they have been credited already.
    Source: Stripe docs "Compare classic and flexible billing mode".
    """

    amount: int
    start: int
    end: int
    until: int
    price: str
    quantity: int
    tax_rates: list[str]
    invoice: str | None = None
    line: str | None = None
    invoice_item: str | None = None
    discounts: list[tuple[str, int, bool]] = []  # msgspec copies it for each


class Cut(msgspec.Struct):
    """A period that was cut short: where it would have ended, the seconds that a full price stands for."""

    natural: int
    whole: int


class PendingChange(msgspec.Struct):
    """An update that waits for its invoice: its parameters, the moment it counts from, and who asked.

    `new_items`: the ids that its new items will have, as the invoice shows them already.
    """

    params: dict[str, Any]
    at: int
    invoice: str
    origin: Origin
    new_items: list[str] = msgspec.field(default_factory=list)


class SubscriptionFacts(msgspec.Struct):
    """Debits by subscription item, the unpaid change if there is one, and who created the subscription.

    `cuts`: shortened periods by item. `resuming`: the invoice whose payment ends a pause, or, with
    `resumes_on_attempt`, whose first payment attempt does.
    """

    debits: dict[str, list[Debit]] = msgspec.field(default_factory=dict)
    pending: PendingChange | None = None
    origin: Origin = msgspec.field(default_factory=Origin)
    cuts: dict[str, Cut] = msgspec.field(default_factory=dict)
    resuming: str | None = None
    resumes_on_attempt: bool = False


class InvoiceFacts(msgspec.Struct):
    """`balance_moved`: what finalising moved on the customer's balance; voiding gives it back.

    `paid_off_stripe` minor units came another way (the API shows them by expansion only).
    """

    subscription: str | None = None
    payment_intent: str | None = None
    invoice_payment: str | None = None
    balance_moved: int = 0
    balance_type: str | None = None
    retries: int = 0
    overdue: bool = False
    paid_off_stripe: int = 0
    origin: Origin = msgspec.field(default_factory=Origin)


class PriceFacts(msgspec.Struct):
    """Tiers (shown only by expansion) and the legacy plan that Stripe still embeds in items."""

    plan: dict[str, Any]
    tiers: list[dict[str, Any]] | None = None


class CouponFacts(msgspec.Struct):
    """What only expansion shows: the products a coupon is good for (none: all), amounts in other currencies.

    `deleted`: it cannot be redeemed or retrieved any more, but its discounts live on.
    """

    products: list[str] | None = None
    currencies: dict[str, int] = msgspec.field(default_factory=dict)
    deleted: bool = False


class Funds(msgspec.Struct):
    """The account's money in one currency; `unswept` waits for the next automatic payout (transactions)."""

    available: int = 0
    pending: int = 0
    unswept: list[str] = msgspec.field(default_factory=list)


@dataclass
class Facts:
    """All of it, by object id; a file keeps every field."""

    subscriptions: dict[str, SubscriptionFacts] = field(default_factory=dict)
    invoices: dict[str, InvoiceFacts] = field(default_factory=dict)
    prices: dict[str, PriceFacts] = field(default_factory=dict)
    cards: dict[str, str] = field(default_factory=dict)
    sequels: dict[str, str] = field(default_factory=dict)
    # payment methods that can never be attached again, and since when
    detached: dict[str, int] = field(default_factory=dict)
    funds: dict[str, Funds] = field(default_factory=dict)
    # time domain -> day -> the balance transactions that become available on it
    settling: dict[str, dict[str, list[str]]] = field(default_factory=dict)
    # automatic payout -> the balance transactions that it swept
    payouts: dict[str, list[str]] = field(default_factory=dict)
    payout_planned: bool = False
    coupons: dict[str, CouponFacts] = field(default_factory=dict)
    codes: dict[str, dict[str, int]] = field(
        default_factory=dict
    )  # a promotion code's least amounts in other currencies
