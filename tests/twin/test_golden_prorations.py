"""Prorations to the cent: worked examples of a month and of a year, and what was recorded from real Stripe.

Month: 2026-11-01 to 2026-12-01, 2,592,000 s; the change at 2026-11-16T12:00:00Z leaves 1,252,800 s, at
12:34:56 1,250,704 s. Year: 2026-03-01 to 2027-03-01, 31,536,000 s; at 2026-11-23T09:00:00Z 8,434,800 s are
left.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import pytest

from tests.twin.api import MID_NOVEMBER, MONTH, NOVEMBER, Api, amounts, first_item
from worker.twin.billing.money import round_minor

LATER = MID_NOVEMBER + 2096  # 12:34:56
MARCH = 1772323200  # 2026-03-01T00:00:00Z
IN_THE_YEAR = MARCH + 31536000 - 8434800
TIERS = [
    {"up_to": 5, "unit_amount": 2000},
    {"up_to": 10, "unit_amount": 1500},
    {"up_to": "inf", "unit_amount": 1200},
]


def tiered(mode: str) -> dict[str, Any]:
    """A price of 20.00 up to 5, 15.00 up to 10, 12.00 beyond."""
    return {"billing_scheme": "tiered", "tiers_mode": mode, "tiers": TIERS}


Price = tuple[int, dict[str, Any]]
PLAIN, UP_TO, SLICES = (2000, {}), (1, tiered("volume")), (1, tiered("graduated"))
SMALL, LARGE = (8000, {}), (18000, {})
CASES: list[tuple[str, Price, int, Price, int, int, list[int], int]] = [
    # name, old price and quantity, new price and quantity, moment, lines, next renewal
    ("seats 5 -> 8", PLAIN, 5, PLAIN, 8, MID_NOVEMBER, [-4833, 7733], 16000),
    ("seats 5 -> 8, later", PLAIN, 5, PLAIN, 8, LATER, [-4825, 7720], 16000),
    ("band 80 -> 180", SMALL, 1, LARGE, 1, MID_NOVEMBER, [-3867, 8700], 18000),
    ("band 80 -> 180, later", SMALL, 1, LARGE, 1, LATER, [-3860, 8685], 18000),
    ("volume tiers 5 -> 8", UP_TO, 5, UP_TO, 8, MID_NOVEMBER, [-4833, 5800], 12000),
    ("volume cliff 5 -> 6", UP_TO, 5, UP_TO, 6, MID_NOVEMBER, [-4833, 4350], 9000),
    ("graduated 5 -> 8", SLICES, 5, SLICES, 8, MID_NOVEMBER, [-4833, 7008], 14500),
    ("down 180 -> 80", LARGE, 1, SMALL, 1, MID_NOVEMBER, [-8700, 3867], 8000),
]


@pytest.mark.parametrize("mode", ["flexible", "classic"])
@pytest.mark.parametrize(
    ("name", "old", "before", "new", "after", "at", "lines", "renewal"), CASES, ids=[c[0] for c in CASES]
)
async def test_worked_examples_of_a_month(
    api: Api,
    name: str,
    old: Price,
    before: int,
    new: Price,
    after: int,
    at: int,
    lines: list[int],
    renewal: int,
    mode: str,
) -> None:
    """A credit for the old and a debit for the new, and a surplus is drawn at the next renewal."""
    terms = {"billing_mode": {"type": mode}}
    customer = await api.frozen_customer()
    subscription = await api.subscribe(customer, (await api.price(old[0], **old[1]), before), **terms)
    price = await api.price(new[0], **new[1])
    item = {"id": first_item(subscription)["id"], "price": price, "quantity": after}
    changed = await api.change(subscription, item, proration_date=at)
    assert amounts(changed["latest_invoice"]) == lines, name
    following = await api.post("/v1/invoices/create_preview", {"subscription": subscription["id"]})
    assert (following["total"], following["amount_due"]) == (renewal, renewal + min(0, sum(lines)))


async def test_move_to_the_bundle_in_one_call(api: Api) -> None:
    """Two items swapped and one added: credits come before debits, 77.33 in all."""
    prices = [await api.price(a) for a in (8000, 2000, 15000, 2001, 3000)]
    customer = await api.frozen_customer()
    subscription = await api.subscribe(customer, (prices[0], 1), (prices[1], 5))
    base, seats = subscription["items"]["data"]
    changed = await api.change(
        subscription,
        {"id": base["id"], "price": prices[2], "quantity": 1},
        {"id": seats["id"], "quantity": 8},
        {"price": prices[4], "quantity": 1},
        proration_date=MID_NOVEMBER,
    )
    assert amounts(changed["latest_invoice"]) == [-3867, -4833, 7250, 7733, 1450]
    assert changed["latest_invoice"]["total"] == 7733


@pytest.mark.parametrize("mode", ["flexible", "classic"])
@pytest.mark.parametrize(
    ("old", "before", "new", "after", "lines"),
    [(20000, 5, 20000, 8, [-26747, 42795]), (120000, 1, 60000, 1, [-32096, 16048])],
)
async def test_worked_examples_of_a_year(
    api: Api, old: int, before: int, new: int, after: int, lines: list[int], mode: str
) -> None:
    """The same over the actual seconds of a year."""
    terms = {"billing_mode": {"type": mode}}
    customer = await api.frozen_customer(MARCH)
    subscription = await api.subscribe(customer, (await api.price(old, "year"), before), **terms)
    item = {"id": first_item(subscription)["id"], "price": await api.price(new, "year"), "quantity": after}
    changed = await api.change(subscription, item, proration_date=IN_THE_YEAR)
    assert amounts(changed["latest_invoice"]) == lines
    balance = (await api.get(f"/v1/customers/{customer['id']}"))["balance"]
    assert balance == min(0, sum(lines))


async def test_month_to_year_keeps_the_start(api: Api) -> None:
    """Flexible, anchor unchanged: the item's period becomes a year from its start (recorded: 4 s in,
    25000).
    """
    subscription = await api.subscribe(await api.frozen_customer(), (await api.price(2500), 1))
    item = {"id": first_item(subscription)["id"], "price": await api.price(25000, "year"), "quantity": 1}
    changed = await api.change(subscription, item, proration_date=NOVEMBER + 4)
    assert amounts(changed["latest_invoice"]) == [-2500, 25000]
    period = first_item(changed)
    assert (period["current_period_start"], period["current_period_end"]) == (
        NOVEMBER,
        NOVEMBER + 365 * 86400,
    )


async def test_month_to_year_with_a_fresh_anchor(api: Api) -> None:
    """`{type: now}`: a credit for the rest of the month and the whole year at once, 1713.00."""
    customer = await api.frozen_customer()
    subscription = await api.subscribe(customer, (await api.price(18000), 1))
    clock = f"/v1/test_helpers/test_clocks/{customer['test_clock']}/advance"
    await api.post(clock, {"frozen_time": MID_NOVEMBER})
    item = {"id": first_item(subscription)["id"], "price": await api.price(180000, "year"), "quantity": 1}
    changed = await api.change(subscription, item, billing_cycle_anchor={"type": "now"})
    assert (amounts(changed["latest_invoice"]), changed["latest_invoice"]["total"]) == (
        [-8700, 180000],
        171300,
    )
    assert changed["billing_cycle_anchor"] == MID_NOVEMBER


async def test_descriptions_and_shape_of_a_proration(api: Api) -> None:
    """The texts, the period, no unit amount, not discountable, and the credit names what it credits
    (recorded).
    """
    subscription = await api.seats(1)
    item = {"id": first_item(subscription)["id"], "quantity": 3}
    credit, debit = (await api.change(subscription, item, proration_date=MID_NOVEMBER))["latest_invoice"][
        "lines"
    ]["data"]
    assert credit["description"] == "Unused time on P2000 after 16 Nov 2026"
    assert debit["description"] == "Remaining time on 3 × P2000 after 16 Nov 2026"
    assert credit["period"] == {"start": MID_NOVEMBER, "end": NOVEMBER + MONTH}
    assert (debit["discountable"], debit["pricing"]["unit_amount_decimal"]) == (False, None)
    details = credit["parent"]["subscription_item_details"]
    first = await api.get(f"/v1/invoices/{subscription['latest_invoice']}")
    named = {"invoice": first["id"], "invoice_line_items": [first["lines"]["data"][0]["id"]]}
    assert (details["proration"], details["proration_details"]["credited_items"]) == (True, named)
    assert debit["parent"]["subscription_item_details"]["proration_details"]["credited_items"] is None


@pytest.mark.parametrize(
    ("half_cents", "expected"), [(-5, -3), (9, 4), (15, 7), (-3, -2), (3, 1), (1, 0), (-1, -1), (4, 2)]
)
def test_ties_go_toward_minus_infinity(half_cents: int, expected: int) -> None:
    """Recorded from real Stripe: -2.5 -> -3, +4.5 -> +4, +7.5 -> +7."""
    assert round_minor(Fraction(half_cents, 2)) == expected


@pytest.mark.parametrize(("cents", "expected"), [("-166.35", -166), ("540.96", 541), ("24999.997", 25000)])
def test_everything_else_goes_to_the_nearest(cents: str, expected: int) -> None:
    """Documented and recorded examples, which exclude plain flooring."""
    assert round_minor(Fraction(cents)) == expected
