"""Small Stripe-shaped objects and events with defaults; a test writes only what matters to it."""

from __future__ import annotations

import json
from typing import Any

from handlers.envelope import read_envelope
from handlers.inbox import InboxEvent

VERSION = "2026-10-28.endive"
SECOND = 1_790_000_000


def price(price_id: str = "price_seat", **changes: Any) -> dict[str, Any]:
    return {
        "id": price_id,
        "object": "price",
        "product": "prod_seat",
        "currency": "usd",
        "active": True,
        "unit_amount": 1500,
        "lookup_key": "prorata:seats:crm:pro:-:month:usd:v1",
        "recurring": {"interval": "month", "interval_count": 1, "usage_type": "licensed"},
        "billing_scheme": "per_unit",
        "metadata": {},
        "created": SECOND,
    } | changes


def item(item_id: str = "si_1", quantity: int | None = 1, **changes: Any) -> dict[str, Any]:
    return {
        "id": item_id,
        "object": "subscription_item",
        "price": price(),
        "quantity": quantity,
        "current_period_start": SECOND,
        "current_period_end": SECOND + 2_592_000,
        "metadata": {},
    } | changes


def subscription(
    subscription_id: str = "sub_1", *items: dict[str, Any], more: bool = False, **changes: Any
) -> dict[str, Any]:
    return {
        "id": subscription_id,
        "object": "subscription",
        "customer": "cus_1",
        "status": "active",
        "currency": "usd",
        "items": {"object": "list", "data": list(items or (item(),)), "has_more": more},
        "billing_mode": {"type": "flexible"},
        "latest_invoice": None,
        "metadata": {},
        "created": SECOND,
        "livemode": False,
    } | changes


def invoice(invoice_id: str = "in_1", status: str = "draft", **changes: Any) -> dict[str, Any]:
    line = {
        "id": "il_1",
        "amount": 1500,
        "currency": "usd",
        "description": "Seats",
        "quantity": 1,
        "period": {"start": SECOND, "end": SECOND + 2_592_000},
    }
    return {
        "id": invoice_id,
        "object": "invoice",
        "customer": "cus_1",
        "status": status,
        "currency": "usd",
        "total": 1500,
        "amount_due": 1500,
        "lines": {"object": "list", "data": [line], "has_more": False},
        "created": SECOND,
    } | changes


def customer(customer_id: str = "cus_1", **changes: Any) -> dict[str, Any]:
    return {
        "id": customer_id,
        "object": "customer",
        "email": "ada@example.com",
        "name": "Ada",
        "balance": 0,
        "metadata": {},
        "created": SECOND,
    } | changes


def event_json(
    shown: dict[str, Any],
    event_type: str,
    *,
    created: int = SECOND,
    event_id: str = "evt_1",
    previous: dict[str, Any] | None = None,
    **changes: Any,
) -> dict[str, Any]:
    data: dict[str, Any] = {"object": shown}
    if previous is not None:
        data["previous_attributes"] = previous
    return {
        "id": event_id,
        "object": "event",
        "api_version": VERSION,
        "created": created,
        "livemode": False,
        "type": event_type,
        "data": data,
        "request": {"id": None, "idempotency_key": None},
    } | changes


def event(shown: dict[str, Any], event_type: str, **changes: Any) -> InboxEvent:
    """A stored event; the arguments are those of `event_json`."""
    return read_envelope(json.dumps(event_json(shown, event_type, **changes)).encode(), received_unix=SECOND)


def updated(event_id: str, second: int, now: int, was: int | None = None) -> InboxEvent:
    """The quantity of sub_1's only item went from `was` to `now`, `second` seconds after the start."""
    previous = None if was is None else {"items": {"data": [item(quantity=was)]}}
    return event(
        subscription("sub_1", item(quantity=now)),
        "customer.subscription.updated",
        created=SECOND + second,
        event_id=event_id,
        previous=previous,
    )
