"""Pending updates: what is held back, what ends it, and what it takes with it."""

from __future__ import annotations

from typing import Any

from tests.sandbox.lab import DAY, DECLINES, GOOD, Lab, amounts, item_id, quantities, refusal, status_of
from tests.sandbox.probe import Seen, probe

HOLD: dict[str, Any] = {"payment_behavior": "pending_if_incomplete"}


@probe(
    "Does a decline hold the change back, for 23 hours?",
    {"now": [5], "wanted": [8], "status": "active", "invoice": "open", "seconds": 82800},
)
async def decline_holds_back(lab: Lab) -> Seen:
    held = await lab.held()
    update = held["pending_update"]
    wanted = [item["quantity"] for item in update["subscription_items"]]
    seen = {"now": quantities(held), "wanted": wanted, "status": held["status"]}
    return {**seen, "invoice": held["latest_invoice"]["status"], "seconds": update["expires_at"] - lab.at}


@probe(
    "Does paying apply the change and its metadata?", {"quantities": [8], "pending": False, "metadata": "1"}
)
async def paying_applies(lab: Lab) -> Seen:
    held = await lab.held(metadata={"change": "1"})
    await lab.new_card(held["customer"], GOOD)
    await lab.v1.invoices.pay_async(held["latest_invoice"]["id"])
    now = await lab.now(held)
    pending = now["pending_update"] is not None
    return {"quantities": quantities(now), "pending": pending, "metadata": now["metadata"].get("change")}


@probe("Does voiding discard the change?", {"quantities": [5], "pending": False, "pay": 400})
async def voiding_discards(lab: Lab) -> Seen:
    held = await lab.held()
    invoice = held["latest_invoice"]["id"]
    await lab.v1.invoices.void_invoice_async(invoice)
    now = await lab.now(held)
    pay = await status_of(lab.v1.invoices.pay_async(invoice))
    return {"quantities": quantities(now), "pending": now["pending_update"] is not None, "pay": pay}


@probe("Does it expire, and is its invoice voided?", {"quantities": [5], "pending": False, "invoice": "void"})
async def it_expires(lab: Lab) -> Seen:
    held = await lab.held()
    await lab.advance(held, DAY)
    now, invoice = await lab.now(held), await lab.invoice(held["latest_invoice"]["id"])
    pending = now["pending_update"] is not None
    return {"quantities": quantities(now), "pending": pending, "invoice": invoice["status"]}


@probe("Does a second change replace the first?", {"wanted": [12], "first": "void"})
async def second_replaces_first(lab: Lab) -> Seen:
    held = await lab.held()
    second = await lab.quantity(held, 12, **HOLD)
    first = await lab.invoice(held["latest_invoice"]["id"])
    wanted = [item["quantity"] for item in second["pending_update"]["subscription_items"]]
    return {"wanted": wanted, "first": first["status"]}


@probe("Are parameters that cannot wait refused?", {"card": 400, "collection": 400})
async def parameters_that_cannot_wait(lab: Lab) -> Seen:
    made = await lab.seats()
    card = await lab.new_card(made["customer"], GOOD)
    with_card = await status_of(lab.quantity(made, 8, default_payment_method=card, **HOLD))
    other = lab.quantity(made, 8, collection_method="send_invoice", days_until_due=7, **HOLD)
    return {"card": with_card, "collection": await status_of(other)}


@probe("Without an invoice, does the change apply at once?", {"quantities": [8], "pending": False})
async def nothing_to_wait_for(lab: Lab) -> Seen:
    made = await lab.seats()
    await lab.new_card(made["customer"], DECLINES)
    changed = await lab.quantity(made, 8, proration_behavior="create_prorations", **HOLD)
    return {"quantities": quantities(changed), "pending": changed["pending_update"] is not None}


@probe(
    "May a pending update remove an item?",
    {"status": 400},
    open_question="4: refused, so such a change is sent with another payment behaviour",
)
async def removal_that_waits(lab: Lab) -> Seen:
    made = await lab.seats()
    await lab.new_card(made["customer"], DECLINES)
    edits = [{"id": item_id(made), "deleted": True}, {"price": await lab.price(3000), "quantity": 9}]
    return {"status": await status_of(lab.update(made, edits, **HOLD))}


@probe(
    "Are `add_invoice_items` billed with a pending update, in flexible mode?",
    {"lines": [-10000, 900, 16000]},
    open_question="4: they ride on the pending update's invoice",
)
async def added_items_that_wait(lab: Lab) -> Seen:
    extra = [{"price": await lab.price(900, "once")}]
    held = await lab.held(add_invoice_items=extra)
    return {"lines": amounts(held["latest_invoice"])}


@probe(
    "Do older waiting items return when a pending update's invoice is voided?",
    {"before": 2, "after": 0},
    open_question="7: they do not; what rode on the voided invoice is not billed again",
)
async def waiting_items_after_a_void(lab: Lab) -> Seen:
    made = await lab.seats()
    await lab.quantity(made, 6, proration_behavior="create_prorations")
    before = await lab.v1.invoice_items.list_async({"customer": made["customer"], "pending": True})
    await lab.new_card(made["customer"], DECLINES)
    held = await lab.quantity(made, 8, **HOLD)
    await lab.v1.invoices.void_invoice_async(held["latest_invoice"]["id"])
    after = await lab.v1.invoice_items.list_async({"customer": made["customer"], "pending": True})
    return {"before": len(before.data), "after": len(after.data)}


@probe(
    "Does a coupon that lasts once come back when its invoice is voided?",
    {"after": 0},
    open_question="7: it does not; it is spent when the invoice is finalised",
)
async def coupon_after_a_void(lab: Lab) -> Seen:
    made = await lab.seats()
    discounts: Any = {"discounts": [{"coupon": await lab.coupon(20, "once")}]}
    await lab.v1.subscriptions.update_async(made["id"], discounts)
    await lab.new_card(made["customer"], DECLINES)
    held = await lab.quantity(made, 8, **HOLD)
    await lab.v1.invoices.void_invoice_async(held["latest_invoice"]["id"])
    return {"after": len((await lab.now(made))["discounts"])}


@probe("Does the end of a period come before 23 hours?", {"seconds": 3600})
async def expiry_at_the_period_s_end(lab: Lab) -> Seen:
    made = await lab.seats()
    end = made["items"]["data"][0]["current_period_end"]
    await lab.advance(made, end - 3600 - lab.at)
    await lab.new_card(made["customer"], DECLINES)
    held = await lab.quantity(made, 2000, **HOLD)
    return {"seconds": held["pending_update"]["expires_at"] - (end - 3600)}


@probe("How is a void of a paid invoice refused?", {"status": 400, "code": "status_transition_invalid"})
async def void_of_a_paid_invoice(lab: Lab) -> Seen:
    made = await lab.seats()
    refused = await refusal(lab.v1.invoices.void_invoice_async(made["latest_invoice"]["id"]))
    return {"status": refused["status"], "code": refused.get("code")}
