"""The first purchase: creating a subscription, paid or not."""

from __future__ import annotations

from tests.sandbox.lab import ASKS, DAY, DECLINES, GOOD, Lab, amounts, refusal
from tests.sandbox.probe import Seen, probe


@probe("In which billing mode is a new subscription?", {"mode": "flexible", "discounts": "included"})
async def billing_mode_by_default(lab: Lab) -> Seen:
    mode = (await lab.seats())["billing_mode"]
    return {"mode": mode["type"], "discounts": (mode.get("flexible") or {}).get("proration_discounts")}


@probe(
    "Is a first invoice finalised and paid at once?",
    {"status": "active", "invoice": "paid", "reason": "subscription_create", "lines": [10000]},
)
async def first_invoice(lab: Lab) -> Seen:
    made = await lab.seats()
    invoice = made["latest_invoice"]
    seen = {"status": made["status"], "invoice": invoice["status"], "reason": invoice["billing_reason"]}
    return {**seen, "lines": amounts(invoice)}


@probe(
    "Where does the period stand, on the item or on the subscription?", {"item": True, "subscription": False}
)
async def place_of_the_period(lab: Lab) -> Seen:
    made = await lab.seats()
    item = made["items"]["data"][0]
    on_item = item["current_period_end"] - item["current_period_start"] == 31 * DAY
    return {"item": on_item, "subscription": "current_period_end" in made}


@probe("What becomes of a first payment that is declined?", {"status": "incomplete", "invoice": "open"})
async def first_payment_declined(lab: Lab) -> Seen:
    item = {"price": await lab.price(2000), "quantity": 5}
    made = await lab.subscribe(await lab.customer(DECLINES), [item], payment_behavior="allow_incomplete")
    return {"status": made["status"], "invoice": made["latest_invoice"]["status"]}


@probe(
    "Does `error_if_incomplete` on creation leave nothing behind?",
    {"status": 402, "type": "card_error", "code": "card_declined", "left": 0},
)
async def strict_creation(lab: Lab) -> Seen:
    item, customer = {"price": await lab.price(2000)}, await lab.customer(DECLINES)
    refused = await refusal(lab.subscribe(customer, [item], payment_behavior="error_if_incomplete"))
    left = await lab.v1.subscriptions.list_async({"customer": customer["id"], "status": "all"})
    kept = {name: refused.get(name) for name in ("status", "type", "code")}
    return {**kept, "left": len(left.data)}


@probe(
    "Does `default_incomplete` wait with a secret for the customer?",
    {"status": "incomplete", "invoice": "open", "secret": True},
)
async def creation_that_waits(lab: Lab) -> Seen:
    item = {"price": await lab.price(2000)}
    paths = ["latest_invoice.confirmation_secret"]
    made = await lab.subscribe(
        await lab.customer(), [item], payment_behavior="default_incomplete", expand=paths
    )
    invoice = made["latest_invoice"]
    secret = bool((invoice.get("confirmation_secret") or {}).get("client_secret"))
    return {"status": made["status"], "invoice": invoice["status"], "secret": secret}


@probe("Is `pending_if_incomplete` refused on creation?", {"status": 400, "param": "payment_behavior"})
async def pending_creation(lab: Lab) -> Seen:
    item = {"price": await lab.price(2000)}
    refused = await refusal(
        lab.subscribe(await lab.customer(), [item], payment_behavior="pending_if_incomplete")
    )
    return {"status": refused["status"], "param": refused.get("param")}


@probe("Are two items with one price refused?", {"creation": 400, "update": 400})
async def one_price_twice(lab: Lab) -> Seen:
    entry = {"price": await lab.price(2000)}
    creation = await refusal(lab.subscribe(await lab.customer(), [entry, dict(entry)]))
    update = await refusal(lab.update(await lab.seats(), [entry]))
    return {"creation": creation["status"], "update": update["status"]}


@probe("Are more than 20 items refused?", {"twenty": 200, "more": 400})
async def more_than_twenty_items(lab: Lab) -> Seen:
    entries = [{"price": await lab.price(100 + n)} for n in range(21)]
    seen = [
        (await refusal(lab.subscribe(await lab.customer(), entries[:count])))["status"] for count in (20, 21)
    ]
    return {"twenty": seen[0], "more": seen[1]}


@probe(
    "Does an unpaid first purchase end after 23 hours?",
    {"before": "incomplete", "after": "incomplete_expired", "invoice": "void"},
)
async def first_purchase_expires(lab: Lab) -> Seen:
    item = {"price": await lab.price(2000)}
    made = await lab.subscribe(await lab.customer(DECLINES), [item], payment_behavior="allow_incomplete")
    await lab.advance(made, DAY + 3600)
    now = await lab.now(made)
    return {"before": made["status"], "after": now["status"], "invoice": now["latest_invoice"]["status"]}


@probe("Does paying a waiting first invoice activate?", {"paid": "paid", "status": "active"})
async def paying_the_first_invoice(lab: Lab) -> Seen:
    item = {"price": await lab.price(2000)}
    made = await lab.subscribe(await lab.customer(ASKS), [item], payment_behavior="allow_incomplete")
    await lab.new_card(made["customer"], GOOD)
    paid = await lab.v1.invoices.pay_async(made["latest_invoice"]["id"])
    return {"paid": paid.status, "status": (await lab.now(made))["status"]}
