"""Customer credit: where negative totals go, and how they come back."""

from __future__ import annotations

from tests.sandbox.lab import DAY, MONTH, Lab, item_id
from tests.sandbox.probe import Seen, probe


async def _balance(lab: Lab, customer: str) -> int:
    return (await lab.v1.customers.retrieve_async(customer)).to_dict()["balance"]


async def _kinds(lab: Lab, customer: str) -> list[str]:
    rows = await lab.v1.customers.balance_transactions.list_async(customer)
    return [row.type for row in rows.data]


@probe(
    "Does a negative total become credit, on a paid invoice without a payment?",
    {
        "total": -6000,
        "due": 0,
        "status": "paid",
        "attempts": 0,
        "balance": -6000,
        "kinds": ["applied_to_invoice"],
    },
)
async def negative_total(lab: Lab) -> Seen:
    made = await lab.seats()
    invoice = (await lab.quantity(made, 2))["latest_invoice"]
    seen = {"total": invoice["total"], "due": invoice["amount_due"], "status": invoice["status"]}
    kinds = await _kinds(lab, made["customer"])
    balance = await _balance(lab, made["customer"])
    return {**seen, "attempts": invoice["attempt_count"], "balance": balance, "kinds": kinds}


@probe("Does the next invoice draw the credit?", {"start": -6000, "total": 4000, "due": 0, "end": -2000})
async def credit_is_drawn(lab: Lab) -> Seen:
    made = await lab.seats()
    await lab.quantity(made, 2)
    await lab.advance(made, MONTH + 3 * 3600)
    invoice = (await lab.now(made))["latest_invoice"]
    seen = {"start": invoice["starting_balance"], "total": invoice["total"], "due": invoice["amount_due"]}
    return {**seen, "end": invoice["ending_balance"]}


@probe("Does a preview show credit that waits?", {"total": 6000, "start": -2500, "due": 3500})
async def preview_with_credit(lab: Lab) -> Seen:
    made = await lab.seats()
    await lab.v1.customers.balance_transactions.create_async(
        made["customer"], {"amount": -2500, "currency": "usd"}
    )
    shown = await lab.preview(made, [{"id": item_id(made), "quantity": 8}])
    return {"total": shown["total"], "start": shown["starting_balance"], "due": shown["amount_due"]}


@probe(
    "Is a total under the minimum charge put on the balance?",
    {"total": 30, "status": "paid", "attempts": 0, "balance": 30, "kinds": ["invoice_too_small"]},
    open_question="3: an upgrade of cents is not charged; the next invoice collects it",
)
async def total_under_the_minimum(lab: Lab) -> Seen:
    made = await lab.seats(1, 2000)
    edit = {"id": item_id(made), "price": await lab.price(2030), "quantity": 1}
    invoice = (await lab.update(made, [edit]))["latest_invoice"]
    balance, kinds = await _balance(lab, made["customer"]), await _kinds(lab, made["customer"])
    seen = {"total": invoice["total"], "status": invoice["status"], "attempts": invoice["attempt_count"]}
    return {**seen, "balance": balance, "kinds": kinds}


@probe(
    "Does an end with proration give its credit to the customer?", {"status": "canceled", "balance": -4839}
)
async def credit_at_the_end(lab: Lab) -> Seen:
    made = await lab.seats()
    await lab.advance(made, 16 * DAY)
    ended = await lab.v1.subscriptions.cancel_async(made["id"], {"prorate": True, "invoice_now": True})
    return {"status": ended.status, "balance": await _balance(lab, made["customer"])}
