"""Subscription schedules: what a subscription will be, phase by phase."""

from __future__ import annotations

from sync.stripe_objects.base import Ref, StripeStruct


class Span(StripeStruct, frozen=True, kw_only=True):
    start_date: int
    end_date: int


class PhaseItem(StripeStruct, frozen=True, kw_only=True):
    price: Ref
    quantity: int | None = None


class Phase(Span, frozen=True, kw_only=True):
    items: list[PhaseItem]


class Schedule(StripeStruct, frozen=True, kw_only=True):
    """`current_phase` is None before the first and after the last one."""

    id: str
    status: str
    subscription: Ref | None = None
    current_phase: Span | None = None
    phases: list[Phase]
    end_behavior: str = "release"
