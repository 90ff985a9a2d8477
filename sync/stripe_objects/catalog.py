"""Products and prices."""

from __future__ import annotations

from sync.stripe_objects.base import Ref, StripeStruct


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
