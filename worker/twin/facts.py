"""What the twin knows about an object beyond what the API shows."""

from __future__ import annotations

from typing import Any

import msgspec

from worker.twin.ledger import Origin


class Debit(msgspec.Struct):
    """One charged span of an item: flexible billing credits from these, never from the price list.

    `amount` minor units were billed for `[start, end)`; from `until` on they have been credited already.
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


class PendingChange(msgspec.Struct):
    """An update that waits for its invoice: its parameters, the moment it counts from, and who asked."""

    params: dict[str, Any]
    at: int
    invoice: str
    origin: Origin


class SubscriptionFacts(msgspec.Struct):
    """Debits by subscription item, the unpaid change if there is one, and who created the subscription."""

    debits: dict[str, list[Debit]] = msgspec.field(default_factory=dict)
    pending: PendingChange | None = None
    origin: Origin = msgspec.field(default_factory=Origin)


class InvoiceFacts(msgspec.Struct):
    """`balance_moved`: what finalising moved on the customer's balance; voiding gives it back."""

    subscription: str | None = None
    payment_intent: str | None = None
    invoice_payment: str | None = None
    balance_moved: int = 0
    balance_type: str | None = None
    retries: int = 0
    origin: Origin = msgspec.field(default_factory=Origin)


class PriceFacts(msgspec.Struct):
    """Tiers (shown only by expansion) and the legacy plan that Stripe still embeds in items."""

    plan: dict[str, Any]
    tiers: list[dict[str, Any]] | None = None


class Facts:
    """All of it, by object id."""

    def __init__(self) -> None:
        self.subscriptions: dict[str, SubscriptionFacts] = {}
        self.invoices: dict[str, InvoiceFacts] = {}
        self.prices: dict[str, PriceFacts] = {}
        self.cards: dict[str, str] = {}
