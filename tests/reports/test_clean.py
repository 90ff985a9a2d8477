"""What we sold and billed ourselves, in many ways, has no difference: not one false alarm."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from sync.reports.span import Span
from sync.rules.proration import prorate
from sync.rules.terms import Interval
from tests.flows.test_found_at_stripe import give_coupon, give_credit, give_tax
from tests.flows.world import MARKETING, World
from tests.reports.conftest import WHOLE, Told, approved, audited, told

DAY = 86_400
MORE = replace(MARKETING, contact_limit=2500, seats=5)


async def test_a_year_of_honest_billing_has_no_difference(world: World) -> None:
    """First purchase, increases, a cart, a renewal with less, a declined card: each line as expected."""
    await world.sell(MORE)
    await world.buy()
    await world.pass_time(10 * DAY)
    await world.change({"seats": 5, "contact_limit": 2500})
    await world.pass_time(3 * DAY)
    await world.change({"seats": 7})
    await world.change({"seats": 4})
    await world.pass_time(20 * DAY)
    await renewed(world, 4)
    await world.card("pm_card_chargeDeclined")
    assert 402 == (await world.confirm(await world.quote({"seats": 9}))).status
    await world.card("pm_card_visa")
    await world.pass_time(31 * DAY)

    report = await audited(world)

    assert {} == report.reasons()
    assert_adds_up(report)
    assert {"now", "at_renewal"} == {row["leg"] for row in report.rows}
    assert {"void", "paid"} <= {row["invoice_status"] for row in report.rows}
    assert [] == [row for row in report.rows if row["recomputed_minor"] != row["invoiced_minor"]]
    assert_each_line_is_described(report)


async def renewed(world: World, seats: int) -> None:
    async def smaller() -> bool:
        return bool((await world.view())["terms"]["seats"] == seats)

    await world.eventually(smaller)


def assert_adds_up(report: Told) -> None:
    assert report.totals is not None
    assert report.totals["ok"], report.totals
    assert len(report.where(row="line")) == report.totals["currencies"][0]["invoices"]["lines"]


def assert_each_line_is_described(report: Told) -> None:
    """The seats of the cart: who, what, before and after, and the arithmetic."""
    credit, charge = report.where(item="seats", invoice_status="paid", proration=True, old_quantity=2)
    assert (4, 4) == (credit["new_quantity"], charge["new_quantity"])
    assert ("ada", "now") == (charge["actor"], charge["leg"])
    assert charge["lookup_key"].startswith("prorata:seats:marketing:plus")
    share = prorate(charge["base_minor"], charge["seconds_remaining"], charge["seconds_total"])
    assert share == charge["invoiced_minor"] == charge["recomputed_minor"]
    assert f"{charge['invoiced_minor'] / 100:.2f}" == charge["invoiced"]


async def test_coupon_tax_and_credit_are_no_difference(world: World) -> None:
    """What hangs on a subscription at Stripe is quoted, billed and carried on: nothing to explain."""
    await world.sell(MORE)
    await world.buy()
    await world.pass_time(10 * DAY)
    for give in (give_coupon, give_tax, give_credit):
        await give(world)
    await world.change({"seats": 5, "contact_limit": 2500})
    await world.pass_time(31 * DAY)

    report = await audited(world)

    assert {} == report.reasons()
    assert_adds_up(report)
    assert any(row["discount_minor"] for row in report.rows)
    assert any(row["tax_minor"] for row in report.rows)


async def test_bundle_add_ons_and_years_are_no_difference(world: World) -> None:
    """An add-on, a month that becomes a year, the bundle, the year's renewal: our arithmetic says the same.

    And a report of a part of the time says of it what the report of all the time says.
    """
    await sell_all(world)
    await world.buy(replace(MARKETING, seats=5))
    await world.pass_time(3 * DAY + 12_345)
    await world.change({"add_ons": {"sms": 1}})
    await world.pass_time(4 * DAY + 777)
    await to_year(world)
    await world.pass_time(50 * DAY)
    await world.change(BUNDLE.to_json() | {"interval": "year"})
    await world.pass_time(320 * DAY)

    report = await audited(world)

    assert {} == report.reasons()
    assert_adds_up(report)
    assert [] == [row for row in report.rows if row["recomputed_minor"] != row["invoiced_minor"]]
    for created in sorted({row["invoice_created_at"] for row in report.rows}):
        parts = [Span(WHOLE.start, moment(created)), Span(moment(created), WHOLE.end)]
        found = [row for part in parts for row in (await told(world.billing, "proration-audit", part)).rows]
        assert report.rows == found


BUNDLE = replace(MARKETING, product="bundle", tier="pro", contact_limit=5000, seats=12, add_ons={"sms": 2})


async def sell_all(world: World) -> None:
    monthly = replace(MARKETING, seats=5, add_ons={"sms": 1})
    await world.sell(*(replace(each, interval=every) for each in (monthly, BUNDLE) for every in Interval))


async def to_year(world: World) -> None:
    """Support approves it, and the admin confirms what it costs."""
    wish = {"terms": {"interval": "year"}, "effective": "now", "reason": "cheaper"}
    said = await world.confirm({"id": (await approved(world, wish))["quote_id"]})
    assert said.status == 200, said.body
    await world.settled(said.body)


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text)
