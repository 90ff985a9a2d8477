"""Prorations count the real seconds of real periods: short months, leap years, days that do not exist.

Expected lines come from the documented formula in `formula.py`, with the periods written out by hand. Source
of the periods: Stripe docs "Set the subscription billing renewal date" (a day that a month lacks becomes its
last day, and comes back in a longer month).
"""

from __future__ import annotations

import itertools
import time

import pytest

from tests.twin.api import Api, first_item
from tests.twin.golden.formula import advance, at, changed, credit, debit, period

SPANS = [
    # interval, count, start, end, moment
    ("month", 1, "2027-02-01", "2027-03-01", "2027-02-15T06:30:00"),
    ("month", 1, "2028-02-01", "2028-03-01", "2028-02-29T12:00:00"),
    ("month", 1, "2028-02-29", "2028-03-29", "2028-03-01T00:00:01"),
    ("month", 1, "2026-12-31", "2027-01-31", "2027-01-01"),
    ("year", 1, "2027-03-01", "2028-03-01", "2028-02-29T18:00:00"),
    ("year", 1, "2028-03-01", "2029-03-01", "2028-12-31T23:59:59"),
    ("year", 1, "2028-02-29", "2029-02-28", "2028-08-29"),
    ("month", 3, "2026-11-30", "2027-02-28", "2026-12-24T10:00:00"),
    ("week", 1, "2028-02-26", "2028-03-04", "2028-02-29T11:11:11"),
    ("week", 2, "2026-12-25", "2027-01-08", "2027-01-01"),
    ("day", 1, "2026-11-01", "2026-11-02", "2026-11-01T16:00:00"),
]


@pytest.mark.parametrize(("interval", "count", "start", "end", "moment"), SPANS)
async def test_every_period_has_its_own_seconds(
    api: Api, interval: str, count: int, start: str, end: str, moment: str
) -> None:
    """28, 29, 30 or 31 days, 365 or 366: the share is of the actual period."""
    begin, finish, when = at(start), at(end), at(moment)
    price = await api.price(9999, interval, recurring={"interval": interval, "interval_count": count})
    subscription = await api.subscribe(await api.frozen_customer(begin), (price, 3))
    assert period(subscription) == (begin, finish)
    lines = await changed(api, subscription, when, quantity=7)
    expected = [credit(3 * 9999, begin, when, finish), debit(7 * 9999, begin, when, finish)]
    assert lines == expected


@pytest.mark.parametrize(
    "ends",
    [
        ("2027-01-31", "2027-02-28", "2027-03-31", "2027-04-30", "2027-05-31"),
        ("2028-01-31", "2028-02-29", "2028-03-31", "2028-04-30", "2028-05-31"),
        ("2027-01-30", "2027-02-28", "2027-03-30", "2027-04-30", "2027-05-30"),
        ("2028-01-29T13:14:15", "2028-02-29T13:14:15", "2028-03-29T13:14:15", "2028-04-29T13:14:15"),
        ("2027-01-29T13:14:15", "2027-02-28T13:14:15", "2027-03-29T13:14:15", "2027-04-29T13:14:15"),
    ],
    ids=lambda ends: ends[0],
)
async def test_an_anchor_on_a_day_that_months_lack(api: Api, ends: tuple[str, ...]) -> None:
    """Month by month: the day comes back after February, and the proration is of the month it falls in."""
    moments = [at(text) for text in ends]
    customer = await api.frozen_customer(moments[0])
    subscription = await api.subscribe(customer, (await api.price(3100), 1))
    quantity = 1
    for begin, finish in itertools.pairwise(moments):
        if begin != moments[0]:
            await advance(api, customer, begin)
        subscription = await api.get(f"/v1/subscriptions/{subscription['id']}")
        assert period(subscription) == (begin, finish)
        when = begin + (finish - begin) // 3
        lines = await changed(api, subscription, when, quantity=quantity + 1)
        old, new = 3100 * quantity, 3100 * (quantity + 1)
        assert lines == [credit(old, begin, when, finish), debit(new, begin, when, finish)]
        quantity += 1
        await advance(api, customer, when)


@pytest.mark.parametrize("zone", ["UTC", "Europe/Paris", "America/New_York", "Pacific/Apia", "Asia/Kolkata"])
async def test_a_change_of_the_clocks_changes_nothing(
    api: Api, zone: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Months with a daylight saving change keep 31 and 30 whole days wherever the machine stands."""
    monkeypatch.setenv("TZ", zone)
    time.tzset()
    try:
        for start, end, days in (("2027-03-01", "2027-04-01", 31), ("2026-11-01", "2026-12-01", 30)):
            begin, finish = at(start), at(end)
            subscription = await api.subscribe(await api.frozen_customer(begin), (await api.price(3000), 1))
            assert period(subscription) == (begin, begin + days * 86400) == (begin, finish)
            half = begin + days * 43200
            assert await changed(api, subscription, half, quantity=2) == [-1500, 3000]
    finally:
        monkeypatch.undo()
        time.tzset()


async def test_month_to_year_over_a_leap_day(api: Api) -> None:
    """Flexible, anchor unchanged: the debit is of the leap year that began with the month."""
    begin, month_end, year_end = at("2028-02-01"), at("2028-03-01"), at("2029-02-01")
    when = begin + 4
    subscription = await api.subscribe(await api.frozen_customer(begin), (await api.price(2500), 1))
    lines = await changed(api, subscription, when, price=await api.price(25000, "year"), quantity=1)
    assert (
        lines == [credit(2500, begin, when, month_end), debit(25000, begin, when, year_end)] == [-2500, 25000]
    )


async def test_month_to_year_late_in_the_month(api: Api) -> None:
    """The year counts from the month's start: 10 days from its end, 345 of 365 days are charged."""
    begin, month_end, year_end = at("2026-11-01"), at("2026-12-01"), at("2027-11-01")
    when = at("2026-11-21")
    subscription = await api.subscribe(await api.frozen_customer(begin), (await api.price(2500), 1))
    lines = await changed(api, subscription, when, price=await api.price(25000, "year"), quantity=1)
    assert (
        lines == [credit(2500, begin, when, month_end), debit(25000, begin, when, year_end)] == [-833, 23630]
    )


async def test_a_fresh_anchor_on_the_last_of_january(api: Api) -> None:
    """`{type: now}` on the 31st: a credit, a whole month to the 28th, and the 31st again after that."""
    begin, now = at("2027-01-10"), at("2027-01-31")
    customer = await api.frozen_customer(begin)
    subscription = await api.subscribe(customer, (await api.price(3100), 1))
    await advance(api, customer, now)
    item = {"id": first_item(subscription)["id"], "quantity": 2}
    after = await api.change(subscription, item, billing_cycle_anchor={"type": "now"})
    lines = [line["amount"] for line in after["latest_invoice"]["lines"]["data"]]
    assert lines == [credit(3100, begin, now, at("2027-02-10")), 6200]
    assert period(after) == (now, at("2027-02-28"))
    await advance(api, customer, at("2027-02-28"))
    assert period(await api.get(f"/v1/subscriptions/{subscription['id']}"))[1] == at("2027-03-31")
