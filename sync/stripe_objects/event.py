"""Snapshot events: a header, and an object that stays raw until someone knows its type."""

from __future__ import annotations

from typing import Any

import msgspec

from sync.stripe_objects.base import StripeStruct


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
