"""Thin events (`v2.core.event`): every snapshot event has one, named `v1.` and its type.

A thin event is not kept: its id names the snapshot event, and everything is made from that. The notification
carries no object data; the event itself adds `changes` (before and after) and `snapshot_event`.
Source: the SDK's `v2/core/_event.py` and docs "Thin events"; the inner form of `changes` is UNCONFIRMED.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import msgspec

from worker.twin.errors import invalid, missing
from worker.twin.store import Doc
from worker.twin.world import World

MARK, PLAIN = "evt_thin_", "evt_"
URLS = {
    "customer": "customers",
    "subscription": "subscriptions",
    "subscription_schedule": "subscription_schedules",
    "invoice": "invoices",
    "invoiceitem": "invoiceitems",
    "invoice_payment": "invoice_payments",
    "payment_intent": "payment_intents",
    "payment_method": "payment_methods",
    "charge": "charges",
    "refund": "refunds",
    "credit_note": "credit_notes",
    "dispute": "disputes",
    "product": "products",
    "price": "prices",
    "coupon": "coupons",
    "tax_rate": "tax_rates",
    "payout": "payouts",
    "test_helpers.test_clock": "test_helpers/test_clocks",
}


def iso(moment: int) -> str:
    """`2026-11-01T00:00:00.000Z`."""
    return datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")


def seconds(text: str, param: str) -> float:
    """The reverse, as Unix seconds; 400 for anything else."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise invalid(f"Invalid timestamp: {text}", param) from None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def id_of(snapshot_id: str) -> str:
    """The thin event of a snapshot event."""
    return MARK + snapshot_id.removeprefix(PLAIN)


def snapshot_of(world: World, thin_id: str) -> Doc:
    """The snapshot event behind a thin one, as the API shows it."""
    found = world.store["event"].docs.get(PLAIN + thin_id.removeprefix(MARK))
    if found is None or not thin_id.startswith(MARK):
        raise missing("event", thin_id)
    return world.events.shown(found)


def notification(shown: Doc) -> Doc:
    """What a thin receiver is sent for a snapshot event."""
    request = shown["request"]
    return {
        "id": id_of(shown["id"]),
        "object": "v2.core.event",
        "type": f"v1.{shown['type']}",
        "created": iso(shown["created"]),
        "livemode": False,
        "context": None,
        "reason": {"type": "request", "request": request} if request else None,
        "related_object": _related(_plain(shown["data"]["object"])),
    }


def full(shown: Doc) -> Doc:
    """`GET /v2/core/events/{id}`."""
    before = _plain(shown["data"].get("previous_attributes"))
    after = _plain(shown["data"]["object"]) if before else {}
    changes = {"before": before, "after": {name: after.get(name) for name in before}} if before else None
    return {**notification(shown), "changes": changes, "snapshot_event": shown["id"]}


def _plain(value: Any) -> Any:
    """Event data is kept as JSON text until somebody looks into it."""
    return msgspec.json.decode(msgspec.json.encode(value)) if value is not None else None


def _related(doc: Doc) -> dict[str, str] | None:
    kind = doc["object"]
    if kind == "discount":
        return {"id": doc["id"], "type": kind, "url": f"/v1/customers/{doc['customer']}/discount"}
    if kind not in URLS or "id" not in doc:
        return None
    return {"id": doc["id"], "type": kind, "url": f"/v1/{URLS[kind]}/{doc['id']}"}
