"""Where flexible and classic billing agree to the cent, and where they do not.

Source: Stripe docs "Compare classic and flexible billing mode": a classic credit is of the item's current
price, a flexible one of the original debits, which were rounded when they were billed; several debits give
several credits.
"""

from __future__ import annotations

import pytest

from tests.twin.api import JSON, MONTH, NOVEMBER, Api, first_item
from tests.twin.golden.formula import at, changed, credit, debit

END = NOVEMBER + MONTH
FIRST, SECOND, THIRD = NOVEMBER + MONTH // 7, NOVEMBER + MONTH // 2, END - MONTH // 11


async def start(api: Api, mode: str, amount: int = 1003, quantity: int = 1) -> JSON:
    """A subscription of one item in a billing mode."""
    customer = await api.frozen_customer()
    price = await api.price(amount)
    return await api.subscribe(customer, (price, quantity), billing_mode={"type": mode})


async def test_three_changes_in_one_period_flexible(api: Api) -> None:
    """Each credit is a share of the line before it, as rounded."""
    subscription, base, begin, quantity = await start(api, "flexible"), 1003, NOVEMBER, 1
    for moment in (FIRST, SECOND, THIRD):
        lines = await changed(api, subscription, moment, quantity=quantity + 1)
        assert lines == [
            credit(base, begin, moment, END),
            debit(1003 * (quantity + 1), NOVEMBER, moment, END),
        ]
        base, begin, quantity = lines[1], moment, quantity + 1


async def test_three_changes_in_one_period_classic(api: Api) -> None:
    """Each credit is a share of the price list, whatever was billed."""
    subscription, quantity = await start(api, "classic"), 1
    for moment in (FIRST, SECOND, THIRD):
        lines = await changed(api, subscription, moment, quantity=quantity + 1)
        old, new = 1003 * quantity, 1003 * (quantity + 1)
        assert lines == [credit(old, NOVEMBER, moment, END), debit(new, NOVEMBER, moment, END)]
        quantity += 1


@pytest.mark.parametrize(("mode", "expected"), [("flexible", -501), ("classic", -502)])
async def test_the_two_modes_can_differ_by_a_cent(api: Api, mode: str, expected: int) -> None:
    """10.03 from a quarter on was billed as 752 (752.25): at half, two thirds of that, or half of 10.03."""
    subscription = await start(api, mode, 500)
    edit = {"price": await api.price(1003), "quantity": 1}
    assert await changed(api, subscription, NOVEMBER + MONTH // 4, **edit) == [-375, 752]
    lines = await changed(api, subscription, NOVEMBER + MONTH // 2, quantity=2)
    assert lines == [expected, 1003]


@pytest.mark.parametrize(("mode", "expected"), [("flexible", [-500, 1000]), ("classic", [-900, 1000])])
async def test_a_price_that_was_never_billed(api: Api, mode: str, expected: list[int]) -> None:
    """Switched with `none` from 10.00 to 18.00, then at half to 20.00: flexible gives back what was paid."""
    subscription = await start(api, mode, 1000)
    item = {"id": first_item(subscription)["id"], "price": await api.price(1800), "quantity": 1}
    await api.change(subscription, item, proration_behavior="none")
    edit = {"price": await api.price(2000), "quantity": 1}
    assert await changed(api, subscription, NOVEMBER + MONTH // 2, **edit) == expected


@pytest.mark.parametrize(("mode", "expected"), [("flexible", [1000]), ("classic", [-500, 1000])])
async def test_an_item_that_was_added_for_nothing(api: Api, mode: str, expected: list[int]) -> None:
    """Added with `none`, it was never debited: flexible has nothing to credit."""
    subscription = await start(api, mode, 5000)
    extra = {"price": await api.price(1000), "quantity": 1}
    after = await api.change(subscription, extra, proration_behavior="none")
    item = {"id": after["items"]["data"][1]["id"], "quantity": 2}
    changed_again = await api.change(subscription, item, proration_date=NOVEMBER + MONTH // 2)
    assert [line["amount"] for line in changed_again["latest_invoice"]["lines"]["data"]] == expected


@pytest.mark.parametrize(
    ("mode", "ends", "lines"),
    [("flexible", at("2027-11-01"), [-1250, 23973]), ("classic", at("2027-11-16"), [-1250, 25000])],
)
async def test_month_to_year(api: Api, mode: str, ends: int, lines: list[int]) -> None:
    """Flexible keeps the start and charges the rest of the year, 350 of 365 days; classic begins anew."""
    customer = await api.frozen_customer()
    price = await api.price(2500)
    subscription = await api.subscribe(customer, (price, 1), billing_mode={"type": mode})
    clock = f"/v1/test_helpers/test_clocks/{customer['test_clock']}/advance"
    await api.post(clock, {"frozen_time": at("2026-11-16")})
    item = {"id": first_item(subscription)["id"], "price": await api.price(25000, "year"), "quantity": 1}
    after = await api.change(subscription, item)
    assert [line["amount"] for line in after["latest_invoice"]["lines"]["data"]] == lines
    assert first_item(after)["current_period_end"] == ends
