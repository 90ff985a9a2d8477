"""Events, as the list of events shows them, and webhook endpoints."""

from __future__ import annotations

from typing import Any

import stripe

from tests.sandbox.lab import GOOD, MARK, Lab
from tests.sandbox.probe import Seen, probe

UPDATED = "customer.subscription.updated"


@probe(
    "Which events does a paid update make about its invoice?",
    {"types": ["invoice.created", "invoice.finalized", "invoice.paid", "invoice.payment_succeeded"]},
)
async def events_of_a_paid_update(lab: Lab) -> Seen:
    invoice = (await lab.quantity(await lab.seats(), 8))["latest_invoice"]["id"]
    wanted = {"invoice.created", "invoice.finalized", "invoice.paid", "invoice.payment_succeeded"}
    return {"types": sorted({event["type"] for event in await lab.events(invoice, wanted)})}


@probe(
    "Do the previous attributes of an item change show the whole old items?", {"keys": True, "quantity": 5}
)
async def previous_attributes(lab: Lab) -> Seen:
    made = await lab.seats()
    await lab.quantity(made, 8, proration_behavior="none")
    event = (await lab.events(made["id"], {UPDATED}))[-1]
    previous = event["data"]["previous_attributes"]
    old = previous["items"]["data"][0]["quantity"] if "items" in previous else None
    return {"keys": "items" in previous, "quantity": old}


@probe(
    "Does an event name the key of the request that caused it, and the version?",
    {"key": True, "version": True},
)
async def event_names_its_cause(lab: Lab) -> Seen:
    made = await lab.seats()
    await lab.quantity(made, 8, key=lab.key())
    event = (await lab.events(made["id"], {UPDATED}))[-1]
    key = (event["request"] or {}).get("idempotency_key") == lab.key()
    return {"key": key, "version": event["api_version"] == stripe.api_version}


@probe(
    "Is there an event when a pending update is applied?",
    {"types": ["customer.subscription.pending_update_applied"], "quantity": 8},
)
async def event_of_an_applied_update(lab: Lab) -> Seen:
    held = await lab.held()
    await lab.new_card(held["customer"], GOOD)
    await lab.v1.invoices.pay_async(held["latest_invoice"]["id"])
    kind = "customer.subscription.pending_update_applied"
    found = await lab.events(held["id"], {kind})
    quantities = [e["data"]["object"]["items"]["data"][0]["quantity"] for e in found]
    return {"types": [e["type"] for e in found], "quantity": quantities[-1] if quantities else None}


@probe(
    "Is there an event when a pending update expires, and one for its invoice?",
    {"update": ["customer.subscription.pending_update_expired"], "invoice": ["invoice.voided"]},
)
async def event_of_an_expired_update(lab: Lab) -> Seen:
    held = await lab.held()
    await lab.advance(held, 86400)
    expired = await lab.events(held["id"], {"customer.subscription.pending_update_expired"})
    voided = await lab.events(held["latest_invoice"]["id"], {"invoice.voided"})
    return {"update": [e["type"] for e in expired], "invoice": [e["type"] for e in voided]}


@probe("Does an event keep the state of its moment?", {"at_creation": 5, "now": 8})
async def event_keeps_its_moment(lab: Lab) -> Seen:
    made = await lab.seats()
    changed = await lab.quantity(made, 8)
    event = (await lab.events(made["id"], {"customer.subscription.created"}))[-1]
    old = event["data"]["object"]["items"]["data"][0]["quantity"]
    return {"at_creation": old, "now": changed["items"]["data"][0]["quantity"]}


@probe("Is an endpoint's secret shown once only?", {"created": True, "read": False, "status": "enabled"})
async def secret_of_an_endpoint(lab: Lab) -> Seen:
    endpoints = lab.v1.webhook_endpoints
    params: Any = {"url": "https://example.com/prorata-sandbox", "enabled_events": ["invoice.paid"]}
    made = (await endpoints.create_async({**params, "metadata": {MARK: lab.session.run}})).to_dict()
    try:
        read = (await endpoints.retrieve_async(made["id"])).to_dict()
    finally:
        await endpoints.delete_async(made["id"])
    shown = str(made.get("secret") or "").startswith("whsec_")
    return {"created": shown, "read": bool(read.get("secret")), "status": read["status"]}
