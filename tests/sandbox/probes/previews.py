"""Previews: what they show, and that they equal the update."""

from __future__ import annotations

import asyncio
from typing import Any

import stripe

from tests.sandbox.lab import DAY, Lab, amounts, is_proration, item_id, refusal, status_of
from tests.sandbox.probe import Seen, probe


@probe(
    "Is the preview of an invoiced update what the update charges?",
    {"lines": True, "due": True, "total": 2903},
)
async def preview_equals_update(lab: Lab) -> Seen:
    made = await lab.seats()
    await lab.advance(made, 16 * DAY)
    edit, moment = {"id": item_id(made), "quantity": 8}, lab.at + 16 * DAY
    shown = await lab.preview(made, [edit], proration_date=moment)
    real = (await lab.update(made, [edit], proration_date=moment))["latest_invoice"]
    same = shown["amount_due"] == real["amount_due"]
    return {"lines": amounts(shown) == amounts(real), "due": same, "total": real["total"]}


@probe(
    "Is a preview's id unlike an invoice's, and can it be read again?",
    {"prefix": "upcoming_in_", "read": 200},
)
async def id_of_a_preview(lab: Lab) -> Seen:
    made = await lab.seats()
    shown = await lab.preview(made, [{"id": item_id(made), "quantity": 8}])
    prefix = shown["id"][: len("upcoming_in_")]
    return {"prefix": prefix, "read": await status_of(lab.invoice(shown["id"]))}


@probe(
    "Does a preview with waiting prorations show the next renewal with them?",
    {"lines": [-10000, 16000, 16000], "prorations": 2},
)
async def preview_of_the_next_renewal(lab: Lab) -> Seen:
    made = await lab.seats()
    edit = {"id": item_id(made), "quantity": 8}
    shown = await lab.preview(made, [edit], proration_behavior="create_prorations")
    return {"lines": amounts(shown), "prorations": sum(map(is_proration, shown["lines"]["data"]))}


@probe(
    "What does `preview_mode=recurring` of an update contain?",
    {"lines": [16000], "prorations": 0, "total": 16000},
    open_question="1: whole periods of the items after the change, and nothing else",
)
async def recurring_preview(lab: Lab) -> Seen:
    made = await lab.seats()
    waiting: Any = {"customer": made["customer"], "amount": 500, "currency": "usd"}
    await lab.v1.invoice_items.create_async(waiting)
    shown = await lab.preview(made, [{"id": item_id(made), "quantity": 8}], mode="recurring")
    prorations = sum(map(is_proration, shown["lines"]["data"]))
    return {"lines": amounts(shown), "prorations": prorations, "total": shown["total"]}


@probe(
    "How is the preview of an ended subscription refused?", {"status": 404, "code": "invoice_upcoming_none"}
)
async def preview_after_the_end(lab: Lab) -> Seen:
    made = await lab.seats()
    await lab.v1.subscriptions.cancel_async(made["id"])
    params: Any = {"subscription": made["id"]}
    refused = await refusal(lab.v1.invoices.create_preview_async(params))
    return {"status": refused["status"], "code": refused.get("code")}


@probe(
    "Is a proration date outside the period, or without proration, refused?", {"outside": 400, "none": 400}
)
async def preview_at_an_impossible_date(lab: Lab) -> Seen:
    made = await lab.seats()
    edit = [{"id": item_id(made), "quantity": 8}]
    outside = await status_of(lab.preview(made, edit, proration_date=lab.at - DAY))
    none = lab.preview(made, edit, proration_date=lab.at, proration_behavior="none")
    return {"outside": outside, "none": await status_of(none)}


@probe("Does a preview without a subscription show a first purchase?", {"lines": [10000], "due": 10000})
async def preview_of_a_first_purchase(lab: Lab) -> Seen:
    customer, item = await lab.customer(), {"price": await lab.price(2000), "quantity": 5}
    params: Any = {"customer": customer["id"], "subscription_details": {"items": [item]}}
    shown = (await lab.v1.invoices.create_preview_async(params)).to_dict()
    return {"lines": amounts(shown), "due": shown["amount_due"]}


@probe(
    "Do previews hold up an update of the same subscription?",
    {"previews": [200, 200, 200], "update": 200},
    open_question="6: previews take no lock; 25 a second are counted as the limit",
)
async def previews_beside_an_update(lab: Lab) -> Seen:
    made = await lab.seats()
    edit = [{"id": item_id(made), "quantity": 8}]
    attempts = [status_of(lab.preview(made, edit)) for _ in range(3)]
    *shown, updated = await asyncio.gather(*attempts, status_of(lab.update(made, edit)))
    return {"previews": shown, "update": updated}


@probe(
    "Are the items of a preview honoured while a schedule is attached?",
    {"status": 200, "lines": [-10000, 16000]},
    open_question="7: they are honoured, as without a schedule",
)
async def preview_beside_a_schedule(lab: Lab) -> Seen:
    made = await lab.seats()
    await lab.v1.subscription_schedules.create_async({"from_subscription": made["id"]})
    try:
        shown = await lab.preview(made, [{"id": item_id(made), "quantity": 8}])
    except stripe.StripeError as error:
        return {"status": error.http_status}
    return {"status": 200, "lines": amounts(shown)}
