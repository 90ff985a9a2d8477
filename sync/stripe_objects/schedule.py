"""Subscription schedules: what a subscription will be, phase by phase."""

from __future__ import annotations

from sync.stripe_objects.base import Ref, Reference, StripeStruct


class Span(StripeStruct, frozen=True, kw_only=True):
    start_date: int
    end_date: int


class PhaseDiscount(StripeStruct, frozen=True, kw_only=True):
    """`discount` goes on with one that runs; a coupon or a code begins a new one."""

    discount: Ref | None = None
    coupon: Ref | None = None
    promotion_code: Ref | None = None


class PhaseItem(StripeStruct, frozen=True, kw_only=True):
    price: Ref
    quantity: int | None = None
    discounts: list[PhaseDiscount] | None = None
    tax_rates: list[Reference] | None = None


class Phase(Span, frozen=True, kw_only=True):
    items: list[PhaseItem]
    discounts: list[PhaseDiscount] | None = None
    default_tax_rates: list[Reference] | None = None
    proration_behavior: str | None = None


class Schedule(StripeStruct, frozen=True, kw_only=True):
    """`current_phase` is None before the first and after the last one; once released, `subscription` is."""

    id: str
    status: str
    created: int = 0
    customer: Ref | None = None
    subscription: Ref | None = None
    released_subscription: Ref | None = None
    current_phase: Span | None = None
    phases: list[Phase]
    end_behavior: str = "release"
    test_clock: Ref | None = None
    metadata: dict[str, str] = {}

    @property
    def is_attached(self) -> bool:
        """Whether it drives a subscription, or will."""
        return self.status in ("active", "not_started")
