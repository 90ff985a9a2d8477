"""Discounts and tax on prorations."""

from __future__ import annotations

from typing import Any

from tests.sandbox.lab import Lab, amounts, item_id
from tests.sandbox.probe import Seen, probe


@probe(
    "Are prorations net of a percentage coupon, with no discount amounts of their own?",
    {"lines": [-8000, 12800], "discounts": [], "total": 4800},
)
async def prorations_with_a_coupon(lab: Lab) -> Seen:
    made = await lab.seats(discounts=[{"coupon": await lab.coupon(20)}])
    invoice = (await lab.quantity(made, 8))["latest_invoice"]
    off = [d["amount"] for line in invoice["lines"]["data"] for d in line["discount_amounts"] if d["amount"]]
    return {"lines": amounts(invoice), "discounts": off, "total": invoice["total"]}


@probe(
    "Is a first invoice gross with a discount beside it?", {"lines": [10000], "off": [2000], "total": 8000}
)
async def first_invoice_with_a_coupon(lab: Lab) -> Seen:
    made = await lab.seats(discounts=[{"coupon": await lab.coupon(20)}])
    invoice = made["latest_invoice"]
    off = [d["amount"] for d in invoice["total_discount_amounts"]]
    return {"lines": amounts(invoice), "off": off, "total": invoice["total"]}


@probe("Does an empty text clear the discounts, and an absent one keep them?", {"kept": 1, "cleared": 0})
async def clearing_discounts(lab: Lab) -> Seen:
    made = await lab.seats(discounts=[{"coupon": await lab.coupon(20)}])
    kept = await lab.quantity(made, 6)
    cleared: Any = await lab.update(made, [], discounts="")
    return {"kept": len(kept["discounts"]), "cleared": len(cleared["discounts"])}


@probe(
    "Is an exclusive tax added to prorations, on credits and debits?",
    {"lines": [-10000, 16000], "tax": 600, "total": 6600},
)
async def prorations_with_a_tax(lab: Lab) -> Seen:
    made = await lab.seats(default_tax_rates=[await lab.tax_rate(10)])
    invoice = (await lab.quantity(made, 8))["latest_invoice"]
    tax = sum(entry["amount"] for entry in invoice["total_taxes"] or [])
    return {"lines": amounts(invoice), "tax": tax, "total": invoice["total"]}


@probe(
    "Does a credit bear the tax of its day, not today's?",
    {"tax": 1600, "total": 7600},
)
async def credit_with_the_tax_of_its_day(lab: Lab) -> Seen:
    made = await lab.seats()
    rates: Any = {"default_tax_rates": [await lab.tax_rate(10)]}
    await lab.v1.subscriptions.update_async(made["id"], rates)
    invoice = (await lab.quantity(made, 8))["latest_invoice"]
    tax = sum(entry["amount"] for entry in invoice["total_taxes"] or [])
    return {"tax": tax, "total": invoice["total"]}


@probe(
    "Do an item's own discounts and tax rates survive a price swap?",
    {"discounts": 1, "tax_rates": 1},
    open_question="5: they stay on the item",
)
async def item_settings_after_a_swap(lab: Lab) -> Seen:
    item: Any = {"price": await lab.price(2000), "quantity": 5}
    item |= {"discounts": [{"coupon": await lab.coupon(20)}], "tax_rates": [await lab.tax_rate(10)]}
    made = await lab.subscribe(await lab.customer(), [item])
    edit = {"id": item_id(made), "price": await lab.price(3000), "quantity": 5}
    swapped = (await lab.update(made, [edit]))["items"]["data"][0]
    return {"discounts": len(swapped["discounts"]), "tax_rates": len(swapped["tax_rates"])}
