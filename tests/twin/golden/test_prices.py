"""Prorations of every kind of price: what a whole period costs, and that share of it.

The full amounts are written out by hand from Stripe docs "Recurring pricing models", "Tiered pricing" and
"Transform quantities", "Supported currencies" and "Decimal amounts"; the share is of `formula.py`.
"""

from __future__ import annotations

from typing import Any

import pytest

from tests.twin.api import MID_NOVEMBER, MONTH, NOVEMBER, Api, amounts
from tests.twin.golden.formula import changed, credit, debit

END = NOVEMBER + MONTH
VOLUME = {"billing_scheme": "tiered", "tiers_mode": "volume"}
GRADUATED = {"billing_scheme": "tiered", "tiers_mode": "graduated"}
TIERS = [
    {"up_to": 5, "unit_amount": 2000},
    {"up_to": 10, "unit_amount": 1500},
    {"up_to": "inf", "unit_amount": 1200},
]
FLAT = [
    {"up_to": 2, "flat_amount": 5000},
    {"up_to": 10, "unit_amount": 700, "flat_amount": 300},
    {"up_to": "inf", "unit_amount_decimal": "0.5"},
]
TENS: dict[str, Any] = {"unit_amount": 700, "transform_quantity": {"divide_by": 10, "round": "up"}}
WHOLE_TENS: dict[str, Any] = {"unit_amount": 700, "transform_quantity": {"divide_by": 10, "round": "down"}}
KINDS: list[tuple[str, dict[str, Any], int, str, int, str]] = [
    # kind, price, quantity and its full amount before, quantity and its full amount after
    ("per unit", {"unit_amount": 333}, 1, "333", 2, "666"),
    ("down to none", {"unit_amount": 1999}, 7, "13993", 0, "0"),
    ("up from none", {"unit_amount": 1999}, 0, "0", 7, "13993"),
    ("many", {"unit_amount": 1}, 999_999, "999999", 999_998, "999998"),
    ("free", {"unit_amount": 0}, 3, "0", 9, "0"),
    ("half cents", {"unit_amount_decimal": "0.5"}, 1001, "500.5", 2003, "1001.5"),
    ("twelve decimals", {"unit_amount_decimal": "0.000000000001"}, 5, "0.000000000005", 10**8, "0.0001"),
    ("dollars and parts of cents", {"unit_amount_decimal": "1999.95"}, 3, "5999.85", 4, "7999.8"),
    ("yen", {"unit_amount": 980, "currency": "jpy"}, 1, "980", 3, "2940"),
    ("volume", {**VOLUME, "tiers": TIERS}, 5, "10000", 8, "12000"),
    ("volume, over the cliff", {**VOLUME, "tiers": TIERS}, 5, "10000", 6, "9000"),
    ("volume, back over it", {**VOLUME, "tiers": TIERS}, 11, "13200", 10, "15000"),
    ("volume, the last tier", {**VOLUME, "tiers": TIERS}, 10, "15000", 100, "120000"),
    ("volume with flat amounts", {**VOLUME, "tiers": FLAT}, 2, "5000", 3, "2400"),
    ("volume with decimals", {**VOLUME, "tiers": FLAT}, 10, "7300", 11, "5.5"),
    ("graduated", {**GRADUATED, "tiers": TIERS}, 5, "10000", 8, "14500"),
    ("graduated, every tier", {**GRADUATED, "tiers": TIERS}, 10, "17500", 13, "21100"),
    ("graduated with flat amounts", {**GRADUATED, "tiers": FLAT}, 2, "5000", 3, "6000"),
    ("graduated with decimals", {**GRADUATED, "tiers": FLAT}, 3, "6000", 21, "10905.5"),
    ("in tens, rounded up", TENS, 11, "1400", 21, "2100"),
    ("in tens, inside one", TENS, 11, "1400", 20, "1400"),
    ("in whole tens", WHOLE_TENS, 9, "0", 29, "1400"),
]


@pytest.mark.parametrize(("kind", "terms", "before", "old", "after", "new"), KINDS, ids=[k[0] for k in KINDS])
async def test_a_change_of_quantity(
    api: Api, kind: str, terms: dict[str, Any], before: int, old: str, after: int, new: str
) -> None:
    """A credit for the whole old quantity, a debit for the whole new one, whatever the price's scheme."""
    terms = dict(terms)
    price = await api.price(terms.pop("unit_amount", 0), **terms)
    subscription = await api.subscribe(await api.frozen_customer(), (price, before))
    # Flexible billing credits the debit, and the debit was rounded when it was billed.
    first = await api.get(f"/v1/invoices/{subscription['latest_invoice']}")
    assert amounts(first) == [debit(old, NOVEMBER, NOVEMBER, END)]
    lines = await changed(api, subscription, MID_NOVEMBER, quantity=after)
    billed = amounts(first)[0]
    assert lines == [credit(billed, NOVEMBER, MID_NOVEMBER, END), debit(new, NOVEMBER, MID_NOVEMBER, END)]


async def test_classic_credits_the_exact_price(api: Api) -> None:
    """Classic billing takes the price list: 500.5 was billed as 500, and 500.5 is what is credited from."""
    price = await api.price(0, unit_amount_decimal="0.5")
    mode = {"billing_mode": {"type": "classic"}}
    subscription = await api.subscribe(await api.frozen_customer(), (price, 1001), **mode)
    moment = END - MONTH // 1001  # 2589 s of 2592000: 0.49991 or 0.49941 of a cent
    lines = await changed(api, subscription, moment, quantity=0)
    assert lines == [credit("500.5", NOVEMBER, moment, END), 0]


async def test_an_item_that_joins_has_a_debit_only(api: Api) -> None:
    """Added in mid-period it takes the others' period."""
    subscription = await api.seats(5)
    extra = {"price": await api.price(3000), "quantity": 2}
    after = await api.change(subscription, extra, proration_date=MID_NOVEMBER)
    assert amounts(after["latest_invoice"]) == [debit(6000, NOVEMBER, MID_NOVEMBER, END)] == [2900]
    assert {i["current_period_end"] for i in after["items"]["data"]} == {END}


async def test_an_item_that_leaves_has_a_credit_only(api: Api) -> None:
    """Removed in mid-period, the rest of its time goes to the balance."""
    customer = await api.frozen_customer()
    subscription = await api.subscribe(customer, (await api.price(2000), 5), (await api.price(3000), 2))
    gone = {"id": subscription["items"]["data"][1]["id"], "deleted": True}
    after = await api.change(subscription, gone, proration_date=MID_NOVEMBER)
    assert amounts(after["latest_invoice"]) == [credit(6000, NOVEMBER, MID_NOVEMBER, END)] == [-2900]
    assert (await api.get(f"/v1/customers/{customer['id']}"))["balance"] == -2900


async def test_items_that_do_not_change_have_no_line(api: Api) -> None:
    """One of three items changes: two lines, and the same price and quantity again is no change."""
    customer = await api.frozen_customer()
    prices = [await api.price(n) for n in (1000, 2000, 3000)]
    subscription = await api.subscribe(customer, *((p, 1) for p in prices))
    first, second, _ = subscription["items"]["data"]
    edits = ({"id": first["id"], "price": prices[0], "quantity": 1}, {"id": second["id"], "quantity": 2})
    after = await api.change(subscription, *edits, proration_date=MID_NOVEMBER)
    assert amounts(after["latest_invoice"]) == [-967, 1933]


async def test_deleting_and_adding_is_a_swap_by_another_name(api: Api) -> None:
    """The same lines as a price swap, with a new item id."""
    subscription = await api.seats(1, 8000)
    old = first_id = subscription["items"]["data"][0]["id"]
    edits = ({"id": old, "deleted": True}, {"price": await api.price(18000), "quantity": 1})
    after = await api.change(subscription, *edits, proration_date=MID_NOVEMBER)
    assert amounts(after["latest_invoice"]) == [-3867, 8700]
    assert [i["id"] for i in after["items"]["data"]] != [first_id]
