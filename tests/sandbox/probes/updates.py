"""Updates of items, and of when a subscription ends."""

from __future__ import annotations

from typing import Any

from tests.sandbox.lab import DAY, MONTH, Lab, amounts, item_id, quantities, refusal, status_of
from tests.sandbox.probe import Seen, probe


@probe("Does a new price without a quantity make it one?", {"quantities": [1], "same_item": True})
async def price_swap_without_quantity(lab: Lab) -> Seen:
    made = await lab.seats()
    changed = await lab.update(made, [{"id": item_id(made), "price": await lab.price(3000)}])
    return {"quantities": quantities(changed), "same_item": item_id(changed) == item_id(made)}


@probe("Does an entry without an id add an item, and do unnamed items stay?", {"quantities": [5, 2]})
async def entry_without_an_id(lab: Lab) -> Seen:
    changed = await lab.update(await lab.seats(), [{"price": await lab.price(700), "quantity": 2}])
    return {"quantities": quantities(changed)}


@probe("What does removing an item bill?", {"quantities": [5], "lines": [-1400], "due": 0})
async def removing_an_item(lab: Lab) -> Seen:
    items = [{"price": await lab.price(2000), "quantity": 5}, {"price": await lab.price(700), "quantity": 2}]
    made = await lab.subscribe(await lab.customer(), items)
    ids = {i["price"]["unit_amount"]: i["id"] for i in made["items"]["data"]}
    changed = await lab.update(made, [{"id": ids[700], "deleted": True}])
    invoice = changed["latest_invoice"]
    return {"quantities": quantities(changed), "lines": amounts(invoice), "due": invoice["amount_due"]}


@probe("May the last item be removed?", {"status": 400})
async def removing_the_last_item(lab: Lab) -> Seen:
    made = await lab.seats()
    return {"status": await status_of(lab.update(made, [{"id": item_id(made), "deleted": True}]))}


@probe("Are inactive and one-time prices refused in items?", {"inactive": 400, "once": 400})
async def prices_that_cannot_recur(lab: Lab) -> Seen:
    made, retired = await lab.seats(), await lab.price(4321)
    await lab.v1.prices.update_async(retired, {"active": False})
    inactive = await status_of(lab.update(made, [{"price": retired}]))
    return {
        "inactive": inactive,
        "once": await status_of(lab.update(made, [{"price": await lab.price(1, "once")}])),
    }


@probe(
    "How is an update of an ended subscription refused?",
    {"status": 400, "code": "invalid_canceled_subscription_fields"},
)
async def update_after_the_end(lab: Lab) -> Seen:
    made = await lab.seats()
    await lab.v1.subscriptions.cancel_async(made["id"])
    refused = await refusal(lab.quantity(made, 6))
    return {"status": refused["status"], "code": refused.get("code")}


@probe("Does `cancel_at_period_end` set and clear the date?", {"set": [True, True], "cleared": [False, True]})
async def end_of_period(lab: Lab) -> Seen:
    made = await lab.seats()
    end = made["items"]["data"][0]["current_period_end"]
    ending = (await lab.v1.subscriptions.update_async(made["id"], {"cancel_at_period_end": True})).to_dict()
    going = (await lab.v1.subscriptions.update_async(made["id"], {"cancel_at_period_end": False})).to_dict()
    return {
        "set": [ending["cancel_at_period_end"], ending["cancel_at"] == end],
        "cleared": [going["cancel_at_period_end"], going["cancel_at"] is None],
    }


@probe(
    "Does a new anchor bill the rest of the old and all of the new period now?",
    {"lines": [-4839, 10000], "new_period": True},
)
async def anchor_now(lab: Lab) -> Seen:
    made = await lab.seats()
    await lab.advance(made, 16 * DAY)
    anchor: Any = {"type": "now"}
    changed = await lab.update(made, [], billing_cycle_anchor=anchor, proration_behavior="create_prorations")
    start = changed["items"]["data"][0]["current_period_start"]
    return {"lines": amounts(changed["latest_invoice"]), "new_period": start == lab.at + 16 * DAY}


@probe(
    "Does a monthly item that becomes yearly keep its start, in flexible mode?",
    {"start_stays": True, "days": 365, "reason": "subscription_update"},
)
async def month_to_year(lab: Lab) -> Seen:
    made = await lab.seats()
    edit = {"id": item_id(made), "price": await lab.price(20000, "year"), "quantity": 5}
    changed = await lab.update(made, [edit])
    item = changed["items"]["data"][0]
    days = (item["current_period_end"] - item["current_period_start"]) // DAY
    reason = changed["latest_invoice"]["billing_reason"]
    return {"start_stays": item["current_period_start"] == lab.at, "days": min(days, 365), "reason": reason}


@probe(
    "Does a renewal begin the next period, with a draft that is paid after an hour?",
    {"at_once": "draft", "later": "paid", "reason": "subscription_cycle", "total": 10000},
)
async def renewal(lab: Lab) -> Seen:
    made = await lab.seats()
    await lab.advance(made, MONTH + 60)
    at_once = (await lab.now(made))["latest_invoice"]["status"]
    await lab.advance(made, MONTH + 3 * 3600)
    invoice = (await lab.now(made))["latest_invoice"]
    seen = {"at_once": at_once, "later": invoice["status"], "reason": invoice["billing_reason"]}
    return {**seen, "total": invoice["total"]}
