"""What adoption reads of a subscription with its customer: more than the mirror keeps of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import msgspec

from sync.rules.adoption import FoundItem, FoundSubscription
from sync.rules.adoption_prices import FoundPrice
from sync.stripe_objects import Customer, Price, StripeStruct, Subscription, SubscriptionItem, ref_id


class _Price(Price, frozen=True, kw_only=True):
    transform_quantity: dict[str, Any] | None = None


class _Item(SubscriptionItem, frozen=True, kw_only=True):
    price: _Price


class _Items(StripeStruct, frozen=True, kw_only=True):
    data: list[_Item]


class _Customer(Customer, frozen=True, kw_only=True):
    preferred_locales: list[str] | None = None


class _Subscription(Subscription, frozen=True, kw_only=True):
    customer: str | _Customer  # type: ignore[assignment]  # expanded, with more of it
    items: _Items  # type: ignore[assignment]  # more of each price


_DECODER = msgspec.json.Decoder(_Subscription)


@dataclass(frozen=True, slots=True)
class FoundCustomer:
    """The customer as read with the subscription; a deleted one has nothing but its id."""

    id: str
    email: str | None = None
    name: str | None = None
    locale: str = "en"
    metadata: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Candidate:
    """A subscription to be looked at, as Stripe had it at the second `read_unix` of its own clock."""

    subscription: FoundSubscription
    customer: FoundCustomer
    read_unix: int


class Prices:
    """Keeps one copy of each price: ten thousand subscriptions share a few dozen of them."""

    def __init__(self) -> None:
        self._known: dict[str, FoundPrice] = {}

    def of(self, price: _Price) -> FoundPrice:
        found = _price(price)
        return self._known.setdefault(found.id, found)


def candidate(body: bytes, read_unix: int, prices: Prices) -> Candidate:
    """Decode a subscription whose customer came expanded. Raises `msgspec.MsgspecError`."""
    read = _DECODER.decode(body)
    customer = read.customer if isinstance(read.customer, _Customer) else _Customer(id=read.customer)
    found = FoundSubscription(
        id=read.id,
        customer_id=customer.id,
        currency=read.currency,
        items=tuple(
            FoundItem(item.id, prices.of(item.price), item.quantity, item.metadata)
            for item in read.items.data
        ),
        status=read.status,
        metadata=read.metadata,
        schedule_id=ref_id(read.schedule),
        has_pending_update=read.pending_update is not None,
        paused=read.pause_collection is not None,
        ends=read.cancel_at_period_end or read.cancel_at is not None,
        pays_by_invoice=read.collection_method != "charge_automatically",
        customer_currency=customer.currency,
        customer_deleted=customer.deleted,
    )
    return Candidate(found, _customer(customer), read_unix)


def with_products(found: Candidate, metadata: Mapping[str, Mapping[str, str]]) -> Candidate:
    """The same with the metadata of its prices' products, by product id."""
    if not any(item.price.product_id in metadata for item in found.subscription.items):
        return found
    items = tuple(
        replace(
            item,
            price=replace(item.price, product_metadata=metadata.get(item.price.product_id, {})),
        )
        for item in found.subscription.items
    )
    return replace(found, subscription=replace(found.subscription, items=items))


def with_siblings(found: Candidate, siblings: tuple[str, ...]) -> Candidate:
    """The same with the customer's other living subscriptions."""
    return replace(found, subscription=replace(found.subscription, siblings=siblings))


def _customer(read: _Customer) -> FoundCustomer:
    french = next(iter(read.preferred_locales or []), "").lower().startswith("fr")
    return FoundCustomer(read.id, read.email, read.name, "fr" if french else "en", read.metadata)


def _price(read: _Price) -> FoundPrice:
    """A price in tiers, in packages or with parts of a cent has no amount for one unit."""
    recurring = read.recurring
    fixed = read.billing_scheme == "per_unit" and read.transform_quantity is None
    return FoundPrice(
        id=read.id,
        product_id=ref_id(read.product) or "",
        currency=read.currency,
        unit_amount_minor=read.unit_amount if fixed else None,
        interval=recurring.interval if recurring else None,
        interval_count=recurring.interval_count if recurring else 1,
        metered=recurring is not None and recurring.usage_type == "metered",
        lookup_key=read.lookup_key,
        metadata=read.metadata,
    )
