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


def charge(charge_id: str = "ch_1", status: str = "succeeded", **changes: Any) -> dict[str, Any]:
    return {
        "id": charge_id,
        "object": "charge",
        "customer": "cus_1",
        "payment_intent": "pi_1",
        "status": status,
        "amount": 1500,
        "amount_captured": 1500 if status == "succeeded" else 0,
        "amount_refunded": 0,
        "captured": status == "succeeded",
        "currency": "usd",
        "disputed": False,
        "failure_code": None,
        "balance_transaction": None,
        "created": SECOND,
    } | changes


def intent(
    intent_id: str = "pi_1", status: str = "requires_payment_method", error: str | None = None, **changes: Any
) -> dict[str, Any]:
    return {
        "id": intent_id,
        "object": "payment_intent",
        "customer": "cus_1",
        "status": status,
        "amount": 1500,
        "currency": "usd",
        "last_payment_error": {"code": "card_declined", "decline_code": error} if error else None,
        "payment_details": {"customer_reference": None, "order_reference": "in_1"},
        "created": SECOND,
    } | changes


def invoice_payment(payment_id: str = "inpay_1", **changes: Any) -> dict[str, Any]:
    return {
        "id": payment_id,
        "object": "invoice_payment",
        "invoice": "in_1",
        "status": "paid",
        "currency": "usd",
        "amount_requested": 1500,
        "amount_paid": 1500,
        "payment": {"type": "payment_intent", "payment_intent": "pi_1"},
        "created": SECOND,
    } | changes


def phase(start: int, *items: tuple[str, int]) -> dict[str, Any]:
    priced = [{"price": price_id, "quantity": quantity} for price_id, quantity in items]
    return {"start_date": SECOND + start, "end_date": SECOND + start + 100, "items": priced}


def schedule(*phases: dict[str, Any], status: str = "active", **changes: Any) -> dict[str, Any]:
    return {
        "id": "sub_sched_1",
        "object": "subscription_schedule",
        "customer": "cus_1",
        "status": status,
        "subscription": "sub_1",
        "released_subscription": None,
        "current_phase": {"start_date": SECOND, "end_date": SECOND + 100},
        "phases": list(phases or [phase(0, ("price_seat", 5))]),
        "end_behavior": "release",
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
    return read_envelope(json.dumps(event_json(shown, event_type, **changes)).encode())


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
