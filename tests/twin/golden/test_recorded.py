"""Numbers that real Stripe has answered, and numbers of Stripe's documentation, end to end.

Recorded: exchanges with real Stripe published with the test-suites of pay-rails/pay and of a public simulator
of Stripe (API 2026-08-26.dahlia). Documented: Stripe docs "Prorations".
"""

from __future__ import annotations

import pytest

from tests.twin.api import MONTH, NOVEMBER, Api, amounts, first_item
from tests.twin.golden.formula import changed

END = NOVEMBER + MONTH
LAST_400TH = END - MONTH // 400
LAST_THIRD = END - MONTH // 3
HALF = END - MONTH // 2
RECORDED = [
    # source, old price and quantity, new price and quantity, moment, lines
    ("recorded: -2.5 and +4.5 both go down", (1000, 1), (1800, 1), LAST_400TH, [-3, 4]),
    ("recorded: 1 -> 3, the whole item anew", (1000, 1), (1000, 3), LAST_400TH, [-3, 7]),
    ("recorded and documented: -334 in all", (2000, 1), (1000, 1), LAST_THIRD, [-667, 333]),
    ("documented: 10 to 20 USD at half", (1000, 1), (2000, 1), HALF, [-500, 1000]),
    ("recorded: -2499.996 four seconds in", (2500, 1), (2500, 2), NOVEMBER + 4, [-2500, 5000]),
    ("a line of nothing is a line", (1000, 1), (1800, 1), END - 60, [0, 0]),
]


@pytest.mark.parametrize("mode", ["flexible", "classic"])
@pytest.mark.parametrize(("source", "old", "new", "moment", "lines"), RECORDED, ids=[c[0] for c in RECORDED])
async def test_lines_as_real_stripe_answers_them(
    api: Api,
    source: str,
    old: tuple[int, int],
    new: tuple[int, int],
    moment: int,
    lines: list[int],
    mode: str,
) -> None:
    """The first change in a period is the same in both billing modes."""
    price = await api.price(old[0])
    customer = await api.frozen_customer()
    subscription = await api.subscribe(customer, (price, old[1]), billing_mode={"type": mode})
    edit = {"price": await api.price(new[0]), "quantity": new[1]}
    assert await changed(api, subscription, moment, **edit) == lines


async def test_the_documented_preview_of_an_upgrade(api: Api) -> None:
    """Docs "Preview a proration": 10.00 to 32.52 on 1 Sep 2020, -1.66, +5.41 and the next month, 36.27."""
    start, moment, end = 1596749288, 1598982148, 1599427688
    customer = await api.frozen_customer(start)
    silver = await api.price(1000, product_data={"name": "Silver plan"})
    subscription = await api.subscribe(customer, (silver, 1))
    gold = await api.price(3252, product_data={"name": "Gold plan"})
    items = [{"id": first_item(subscription)["id"], "price": gold, "quantity": 1}]
    details = {"items": items, "proration_date": moment}
    asked = {"subscription": subscription["id"], "subscription_details": details}
    preview = await api.post("/v1/invoices/create_preview", asked)
    lines = preview["lines"]["data"]
    assert amounts(preview) == [-166, 541, 3252]
    assert (preview["total"], preview["amount_due"]) == (3627, 3627)
    assert [line["description"] for line in lines[:2]] == [
        "Unused time on Silver plan after 1 Sep 2020",
        "Remaining time on Gold plan after 1 Sep 2020",
    ]
    assert [line["period"] for line in lines[:2]] == [{"start": moment, "end": end}] * 2
    assert lines[2]["period"] == {"start": end, "end": 1602019688}


async def test_a_switch_without_proration_is_credited_at_the_billed_price(api: Api) -> None:
    """Recorded: `none`, then a prorated cancellation: one pending credit, at 10.00 and not at 18.00."""
    customer = await api.frozen_customer()
    subscription = await api.subscribe(customer, (await api.price(1000), 1))
    item = {"id": first_item(subscription)["id"], "price": await api.price(1800), "quantity": 1}
    path = f"/v1/subscriptions/{subscription['id']}"
    await api.post(path, {"items": [item], "proration_behavior": "none"})
    clock = f"/v1/test_helpers/test_clocks/{customer['test_clock']}/advance"
    await api.post(clock, {"frozen_time": LAST_THIRD})
    await api.delete(path, {"prorate": True})
    waiting = await api.get("/v1/invoiceitems", {"customer": customer["id"], "pending": True})
    assert [i["amount"] for i in waiting["data"]] == [-333]


async def test_pending_items_are_listed_newest_first(api: Api) -> None:
    """Recorded: the debit was made after the credit, so it stands before it in the list of pending items."""
    subscription = await api.seats(1, 1000)
    item = {"id": first_item(subscription)["id"], "quantity": 3}
    change = {"items": [item], "proration_date": LAST_400TH}
    await api.post(f"/v1/subscriptions/{subscription['id']}", change)
    waiting = await api.get("/v1/invoiceitems", {"customer": subscription["customer"], "pending": True})
    assert [(i["amount"], i["quantity"]) for i in waiting["data"]] == [(7, 3), (-3, 1)]


async def test_credits_of_all_items_come_before_all_debits(api: Api) -> None:
    """Recorded order of an `always_invoice` invoice, with two items changed at once."""
    customer = await api.frozen_customer()
    subscription = await api.subscribe(customer, (await api.price(1000), 1), (await api.price(2000), 1))
    edits = [{"id": i["id"], "quantity": 2} for i in subscription["items"]["data"]]
    invoice = (await api.change(subscription, *edits, proration_date=HALF))["latest_invoice"]
    assert amounts(invoice) == [-500, -1000, 1000, 2000]
