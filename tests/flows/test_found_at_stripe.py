"""Coupons, taxes, credit, trials and small sums that are found at Stripe: shown, and kept as they are."""

from __future__ import annotations

from typing import Any

import pytest

from tests.flows.world import MARKETING, World

DAY = 86_400


@pytest.fixture
async def mid(world: World) -> World:
    await world.buy()
    await world.pass_time(14 * DAY)
    return world


async def edit(world: World, **params: str) -> dict[str, Any]:
    return await world.stripe("POST", f"/v1/subscriptions/{(await world.subscription())['id']}", **params)


async def give_coupon(world: World) -> None:
    coupon = await world.stripe("POST", "/v1/coupons", percent_off="20", duration="forever")
    await edit(world, **{"discounts[0][coupon]": coupon["id"]})


async def give_tax(world: World) -> None:
    rate = await world.stripe("POST", "/v1/tax_rates", display_name="VAT", percentage="20", inclusive="false")
    await edit(world, **{"default_tax_rates[0]": rate["id"]})


async def give_credit(world: World, minor: int = -300) -> None:
    path = f"/v1/customers/{(await world.view())['stripe_customer_id']}/balance_transactions"
    await world.stripe("POST", path, amount=minor, currency="usd")


async def hangs_on_it(world: World) -> tuple[Any, Any, str]:
    """Discounts by id, tax rates by id, and the status."""
    found = await world.subscription()
    rates = [rate["id"] for rate in found["default_tax_rates"] or []]
    return sorted(found["discounts"]), rates, found["status"]


def lines(quote: dict[str, Any], kind: str) -> list[int]:
    return [line["amount_minor"] for line in quote["due_today_lines"] if line["kind"] == kind]


@pytest.mark.parametrize(
    ("give", "own_line"), [(give_coupon, None), (give_tax, "tax"), (give_credit, "balance")]
)
async def test_an_increase_shows_it_and_keeps_it(mid: World, give: Any, own_line: str | None) -> None:
    """The lines add up to what is due, the charge equals it, and nothing is lost.

    Tax and balance have a line each. A discount is inside each prorated line: Stripe has no other number.
    """
    full = (await mid.quote({"seats": 8}))["due_today"]["amount_minor"]
    await give(mid)
    before = await hangs_on_it(mid)
    quote = await mid.quote({"seats": 8})
    due = quote["due_today"]["amount_minor"]
    assert due > full if own_line == "tax" else due < full
    assert [len(lines(quote, kind)) for kind in ("tax", "balance")] == [
        own_line == "tax",
        own_line == "balance",
    ]
    assert sum(line["amount_minor"] for line in quote["due_today_lines"]) == due

    change = await mid.settled((await mid.confirm(quote)).body)
    assert ("settled", 0) == (change["state"], change["now"]["difference_minor"])
    assert change["now"]["charged"] == quote["due_today"]
    assert await hangs_on_it(mid) == before


async def test_all_at_once(mid: World) -> None:
    """A coupon, a tax and a credit together still add up, to the cent."""
    for give in (give_coupon, give_tax, give_credit):
        await give(mid)
    quote = await mid.quote({"seats": 8})
    assert [1, 1] == [len(lines(quote, kind)) for kind in ("tax", "balance")]
    change = await mid.settled((await mid.confirm(quote)).body)
    assert ("settled", 0) == (change["state"], change["now"]["difference_minor"])


@pytest.mark.parametrize("give", [give_coupon, give_tax])
async def test_a_decrease_keeps_it_over_the_renewal(world: World, give: Any) -> None:
    """The next phase repeats what hangs on the subscription, and the renewal costs what was shown."""
    await world.buy(MARKETING)
    assert "settled" == (await world.change({"seats": 8}))["state"]
    await world.pass_time(14 * DAY)
    await give(world)
    before = await hangs_on_it(world)
    quote = await world.quote({"seats": 5})
    assert (await world.confirm(quote)).status == 200

    end = (await world.subscription())["items"]["data"][0]["current_period_end"]
    await world.pass_time(end - (await world.control("GET", "clock"))["now"] + 2 * 3600)
    assert await hangs_on_it(world) == before
    renewal = (await world.invoices())[0]
    assert ("paid", renewal["amount_paid"]) == (
        renewal["status"],
        quote["next_invoice"]["amount"]["amount_minor"],
    )


async def test_a_sum_too_small_to_charge_goes_to_the_balance(mid: World) -> None:
    """Minutes of one more seat cost cents: nothing is charged, the sum is shown, and is owed next time."""
    end = (await mid.subscription())["items"]["data"][0]["current_period_end"]
    await mid.pass_time(end - (await mid.control("GET", "clock"))["now"] - 2 * 3600)
    quote = await mid.quote({"seats": 4})
    owed = quote["to_balance"]["amount_minor"]
    assert (0, True) == (quote["due_today"]["amount_minor"], 0 < owed < 50)
    assert [-owed] == lines(quote, "balance")

    change = await mid.settled((await mid.confirm(quote)).body)
    assert ("settled", 0) == (change["state"], change["now"]["difference_minor"])
    customer = await mid.stripe("GET", f"/v1/customers/{(await mid.view())['stripe_customer_id']}")
    assert (owed, 4) == (customer["balance"], (await mid.view())["terms"]["seats"])


async def test_a_trial_is_left_alone(mid: World) -> None:
    """Refused while it runs, and neither shortened nor prolonged; afterwards the same wish is possible."""
    until = (await mid.control("GET", "clock"))["now"] + 5 * DAY
    await edit(mid, trial_end=str(until), proration_behavior="none")
    quote = await mid.quote({"seats": 8})
    assert ["subscription_trialing"] == [each["code"] for each in quote["refusals"]]
    found = await mid.subscription()
    assert ("trialing", until) == (found["status"], found["trial_end"])

    await mid.pass_time(5 * DAY + 2 * 3600)
    assert "settled" == (await mid.change({"seats": 8}))["state"]
