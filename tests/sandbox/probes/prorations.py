"""Proration arithmetic. January has 31 days; after 16 of them 15/31 of a period are left."""

from __future__ import annotations

from tests.sandbox.lab import DAY, MONTH, Lab, amounts, is_proration, item_id
from tests.sandbox.probe import Seen, probe

HALF = 16 * DAY
TIERS = [{"up_to": 5, "unit_amount": 2000}, {"up_to": "inf", "unit_amount": 1500}]


@probe(
    "Is a change prorated to the second, credit and debit rounded each by itself?",
    {"lines": [-4813, 7701], "total": 2888},
)
async def to_the_second(lab: Lab) -> Seen:
    made = await lab.seats()
    await lab.advance(made, HALF + 6789)
    invoice = (await lab.quantity(made, 8))["latest_invoice"]
    return {"lines": amounts(invoice), "total": invoice["total"]}


@probe("Is `proration_date` honoured to the second?", {"lines": [-9677, 15484], "start": True})
async def proration_date_counts(lab: Lab) -> Seen:
    made = await lab.seats()
    await lab.advance(made, HALF)
    changed = await lab.quantity(made, 8, proration_date=lab.at + DAY)
    starts = {line["period"]["start"] - lab.at for line in changed["latest_invoice"]["lines"]["data"]}
    return {"lines": amounts(changed["latest_invoice"]), "start": starts == {DAY}}


@probe("Is a half of a cent rounded toward minus infinity?", {"lines": [-3, 4]})
async def half_cents(lab: Lab) -> Seen:
    made = await lab.seats(1, 5)
    await lab.advance(made, MONTH // 2)
    # A balance would hide totals under the minimum charge; the lines are what counts.
    edit = {"id": item_id(made), "price": await lab.price(9), "quantity": 1}
    return {"lines": amounts((await lab.update(made, [edit]))["latest_invoice"])}


@probe(
    "Does a quantity increase bill two whole lines, or the difference?",
    {"lines": [-10000, 16000]},
    open_question="2: two whole lines in flexible mode too",
)
async def shape_of_an_increase(lab: Lab) -> Seen:
    return {"lines": amounts((await lab.quantity(await lab.seats(), 8))["latest_invoice"])}


@probe(
    "Are the quantities of a volume price all at the tier that they reach?",
    {"first": [10000], "lines": [-10000, 9000]},
)
async def volume_tiers(lab: Lab) -> Seen:
    price = await lab.price(0, billing_scheme="tiered", tiers_mode="volume", tiers=TIERS)
    made = await lab.subscribe(await lab.customer(), [{"price": price, "quantity": 5}])
    changed = await lab.quantity(made, 6)
    return {"first": amounts(made["latest_invoice"]), "lines": amounts(changed["latest_invoice"])}


@probe("Is each tier of a graduated price billed by itself?", {"first": [11500]})
async def graduated_tiers(lab: Lab) -> Seen:
    price = await lab.price(0, billing_scheme="tiered", tiers_mode="graduated", tiers=TIERS)
    made = await lab.subscribe(await lab.customer(), [{"price": price, "quantity": 6}])
    return {"first": [made["latest_invoice"]["total"]]}


@probe(
    "Is a second credit in one period a share of the rounded first debit?",
    {"lines": [-3871, 4839]},
)
async def credit_of_an_earlier_debit(lab: Lab) -> Seen:
    made = await lab.seats()
    await lab.advance(made, HALF)
    await lab.quantity(made, 4)
    again = await lab.quantity(made, 5)
    return {"lines": amounts(again["latest_invoice"])}


@probe(
    "After a change without proration, is the credit at the price that was billed?",
    {"lines": [-4839, 5806]},
)
async def credit_after_no_proration(lab: Lab) -> Seen:
    made = await lab.seats()
    await lab.quantity(made, 9, proration_behavior="none")
    await lab.advance(made, HALF)
    return {"lines": amounts((await lab.quantity(made, 6))["latest_invoice"])}


@probe(
    "Are prorations that wait collected by the next invoiced change?",
    {"waiting": 2, "lines": [-12000, -10000, 12000, 16000], "left": 0},
)
async def waiting_items_ride_along(lab: Lab) -> Seen:
    made = await lab.seats()
    await lab.quantity(made, 6, proration_behavior="create_prorations")
    waiting = await lab.v1.invoice_items.list_async({"customer": made["customer"], "pending": True})
    changed = await lab.quantity(made, 8)
    left = await lab.v1.invoice_items.list_async({"customer": made["customer"], "pending": True})
    lines = amounts(changed["latest_invoice"])
    return {"waiting": len(waiting.data), "lines": lines, "left": len(left.data)}


@probe(
    "Do credits name the billed invoice, and are proration lines not discountable and without a unit price?",
    {"credit": [True, False, None], "debit": [False, False, None], "credits_first": True},
)
async def marks_of_proration_lines(lab: Lab) -> Seen:
    made = await lab.seats()
    first = made["latest_invoice"]["id"]
    lines = (await lab.quantity(made, 8))["latest_invoice"]["lines"]["data"]
    seen: Seen = {"credits_first": lines[0]["amount"] < 0}
    for line in lines:
        details = line["parent"].get("subscription_item_details") or line["parent"]["invoice_item_details"]
        credited = (details.get("proration_details") or {}).get("credited_items") or {}
        names = credited.get("invoice") == first and is_proration(line)
        marks = [names, line["discountable"], line["pricing"]["unit_amount_decimal"]]
        seen["credit" if line["amount"] < 0 else "debit"] = marks
    return seen


@probe(
    "How do proration lines describe themselves?",
    {"texts": ["Remaining time on 8 ×", "Unused time on 5 ×"]},
)
async def texts_of_proration_lines(lab: Lab) -> Seen:
    lines = (await lab.quantity(await lab.seats(), 8))["latest_invoice"]["lines"]["data"]
    return {"texts": sorted(line["description"].partition("×")[0] + "×" for line in lines)}
