"""Items that renew at different times in one subscription (flexible mode only).

Sources: Stripe docs "Mixed interval subscriptions" (each interval a multiple of the shortest, one invoice
where renewals meet), "Compare classic and flexible billing mode"; the recorded month-to-year change.
"""

from __future__ import annotations

from typing import Any

import pytest

from tests.twin.api import JSON, MID_NOVEMBER, MONTH, NOVEMBER, Api, amounts, first_item

DECEMBER = NOVEMBER + MONTH
DAY = 86400
CLASSIC: dict[str, Any] = {"billing_mode": {"type": "classic"}}


async def advance(api: Api, subscription: JSON, to: int) -> JSON:
    """Move the customer's test clock and read the subscription with its invoice."""
    await api.post(f"/v1/test_helpers/test_clocks/{subscription['test_clock']}/advance", {"frozen_time": to})
    return await api.get(f"/v1/subscriptions/{subscription['id']}", {"expand": ["latest_invoice"]})


async def every(api: Api, amount: int, interval: str, count: int) -> str:
    """A price per `count` intervals."""
    return await api.price(amount, recurring={"interval": interval, "interval_count": count})


@pytest.mark.parametrize(
    ("intervals", "fits"),
    [
        ((("month", 1), ("year", 1)), True),
        ((("month", 3), ("year", 1)), True),
        ((("day", 1), ("week", 2)), True),
        ((("month", 2), ("month", 3)), False),
        ((("month", 5), ("year", 1)), False),
        ((("week", 1), ("month", 1)), False),
    ],
)
async def test_intervals_are_multiples_of_the_shortest(
    api: Api, intervals: tuple[tuple[str, int], tuple[str, int]], fits: bool
) -> None:
    """On creation and when an item is added."""
    first, second = [await every(api, 1000 + n, *i) for n, i in enumerate(intervals)]
    customer = await api.frozen_customer()
    both = {"customer": customer["id"], "items": [{"price": first}, {"price": second}]}
    await api.post("/v1/subscriptions", both, status=200 if fits else 400)
    alone = await api.subscribe(await api.frozen_customer(), (first, 1))
    path = f"/v1/subscriptions/{alone['id']}"
    await api.post(path, {"items": [{"price": second}]}, status=200 if fits else 400)


async def test_classic_has_one_interval(api: Api) -> None:
    """Month and year together are refused, on creation as in an update."""
    month, year = await api.price(2000), await api.price(20000, "year")
    customer = await api.frozen_customer()
    both = {"customer": customer["id"], "items": [{"price": month}, {"price": year}], **CLASSIC}
    await api.post("/v1/subscriptions", both, status=400)
    alone = await api.subscribe(customer, (month, 1), **CLASSIC)
    await api.post(f"/v1/subscriptions/{alone['id']}", {"items": [{"price": year}]}, status=400)


async def test_each_item_renews_at_its_own_time(api: Api) -> None:
    """A quarter and a month: the month alone in December and January, both on one invoice in February."""
    month, quarter = await api.price(1500), await every(api, 10000, "month", 3)
    subscription = await api.subscribe(
        await api.frozen_customer(), (month, 1), (quarter, 1), expand=["latest_invoice"]
    )
    assert amounts(subscription["latest_invoice"]) == [1500, 10000]
    billed = []
    for _ in range(3):
        due = min(i["current_period_end"] for i in subscription["items"]["data"])
        subscription = await advance(api, subscription, due + 3600)
        billed.append(amounts(subscription["latest_invoice"]))
    assert billed == [[1500], [1500], [1500, 10000]]
    invoices = await api.get("/v1/invoices", {"subscription": subscription["id"]})
    assert {i["status"] for i in invoices["data"]} == {"paid"}


async def test_the_next_invoice_bills_what_ends_first(api: Api) -> None:
    """The preview of the next renewal shows the month only."""
    subscription = await api.subscribe(
        await api.frozen_customer(), (await api.price(1500), 1), (await api.price(12000, "year"), 1)
    )
    seen = await api.post("/v1/invoices/create_preview", {"subscription": subscription["id"]})
    assert amounts(seen) == [1500]
    renewed = await advance(api, subscription, DECEMBER + 3600)
    assert amounts(renewed["latest_invoice"]) == [1500]


async def test_a_yearly_item_joins_a_monthly_subscription(api: Api) -> None:
    """Its period begins with the running one; the rest of the year is charged, as previewed."""
    subscription = await api.seats()
    year = await api.price(36500, "year")
    asked: dict[str, Any] = {
        "items": [{"price": year, "quantity": 1}],
        "proration_behavior": "always_invoice",
    }
    dated = {**asked, "proration_date": NOVEMBER + 15 * DAY}
    seen = await api.post(
        "/v1/invoices/create_preview", {"subscription": subscription["id"], "subscription_details": dated}
    )
    changed = await api.change(subscription, *dated.pop("items"), **dated)
    assert amounts(seen) == amounts(changed["latest_invoice"]) == [35000]
    added = changed["items"]["data"][1]
    assert (added["current_period_start"], added["current_period_end"]) == (NOVEMBER, NOVEMBER + 365 * DAY)


async def test_a_changed_item_is_prorated_over_its_own_period(api: Api) -> None:
    """Two yearly seats instead of one, after 15 of 365 days; the monthly item is not touched."""
    month, year = await api.price(1500), await api.price(36500, "year")
    subscription = await api.subscribe(await api.frozen_customer(), (month, 1), (year, 1))
    item = {"id": subscription["items"]["data"][1]["id"], "quantity": 2}
    changed = await api.change(subscription, item, proration_date=NOVEMBER + 15 * DAY)
    assert amounts(changed["latest_invoice"]) == [-35000, 70000]


async def test_month_to_year_as_recorded(api: Api) -> None:
    """4 s into the month: -2500 and +25000; the start stays, the end is a year later, the anchor too."""
    subscription = await api.subscribe(await api.frozen_customer(), (await api.price(2500), 1))
    item = {"id": first_item(subscription)["id"], "price": await api.price(25000, "year"), "quantity": 1}
    changed = await api.change(subscription, item, proration_date=NOVEMBER + 4)
    assert amounts(changed["latest_invoice"]) == [-2500, 25000]
    period = first_item(changed)
    assert (period["current_period_start"], period["current_period_end"]) == (
        NOVEMBER,
        NOVEMBER + 365 * DAY,
    )
    assert changed["billing_cycle_anchor"] == NOVEMBER


async def test_classic_resets_with_another_interval(api: Api) -> None:
    """Month to year: the rest of the month back, the whole year at once, from now on."""
    subscription = await api.seats(1, 18000, **CLASSIC)
    await advance(api, subscription, MID_NOVEMBER)
    item = {"id": first_item(subscription)["id"], "price": await api.price(180000, "year"), "quantity": 1}
    changed = await api.change(subscription, item)
    assert amounts(changed["latest_invoice"]) == [-8700, 180000]
    assert changed["billing_cycle_anchor"] == first_item(changed)["current_period_start"] == MID_NOVEMBER


@pytest.mark.parametrize(("mode", "lines"), [("classic", [0, 3000]), ("flexible", [0, 1450])])
async def test_from_nothing_to_something(api: Api, mode: str, lines: list[int]) -> None:
    """Zero to paid: classic starts afresh and bills a whole month; flexible charges the rest of this one."""
    customer = await api.frozen_customer()
    free = await api.subscribe(customer, (await api.price(0), 1), billing_mode={"type": mode})
    await advance(api, free, MID_NOVEMBER)
    item = {"id": first_item(free)["id"], "price": await api.price(3000), "quantity": 1}
    changed = await api.change(free, item)
    assert amounts(changed["latest_invoice"]) == lines
    assert changed["billing_cycle_anchor"] == (MID_NOVEMBER if mode == "classic" else NOVEMBER)


async def test_an_anchor_reset_is_asked_for_by_an_object(api: Api) -> None:
    """`{type: now}`; the string of older versions is refused."""
    subscription = await api.seats()
    await advance(api, subscription, MID_NOVEMBER)
    path = f"/v1/subscriptions/{subscription['id']}"
    await api.post(path, {"billing_cycle_anchor": "now"}, status=400)
    params = {"billing_cycle_anchor": {"type": "now"}, "expand": ["latest_invoice"]}
    fresh = await api.post(path, params)
    assert amounts(fresh["latest_invoice"]) == [-4833, 10000]
    assert first_item(fresh)["current_period_start"] == MID_NOVEMBER


async def test_a_change_in_a_cut_first_period_is_priced_by_whole_months(api: Api) -> None:
    """An anchor in half a month: half is paid for, and five more seats cost half a month, too."""
    subscription = await api.seats(billing_cycle_anchor=NOVEMBER + 15 * DAY)
    changed = await api.change(subscription, {"id": first_item(subscription)["id"], "quantity": 10})
    assert amounts(changed["latest_invoice"]) == [-5000, 10000]
