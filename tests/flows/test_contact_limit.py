"""Contact limit: a slider over the published bands; up is charged now, in proportion to what is left."""

from __future__ import annotations

from tests.flows.bought import assert_bought
from tests.flows.world import ADMIN, World


async def test_a_higher_band_is_charged_as_quoted(stocked: World) -> None:
    """Up: paid today for the rest of the period, in force at once."""
    quote = await assert_bought(stocked, {"contact_limit": 2500})
    assert quote["due_today"]["amount_minor"] > 0
    assert 2500 == (await stocked.view())["terms"]["contact_limit"]


async def test_a_second_increase_credits_what_was_really_billed(stocked: World) -> None:
    """The unused rest of the first increase is given back to the cent by the second one."""
    await stocked.change({"contact_limit": 2500})
    await stocked.pass_time(3 * 86_400)
    change = await stocked.change({"contact_limit": 10_000})
    assert 0 == change["now"]["difference_minor"]


async def test_a_credit_is_shown_and_drawn(stocked: World) -> None:
    """A credit that the customer has lowers what is due today, and the quote says so."""
    customer = (await stocked.view())["stripe_customer_id"]
    await stocked.stripe(
        "POST", f"/v1/customers/{customer}/balance_transactions", amount=-700, currency="usd"
    )
    quote = await assert_bought(stocked, {"contact_limit": 5000})
    assert {"amount_minor": 700, "currency": "usd"} == quote["to_balance"]


async def test_only_published_bands_are_sold(stocked: World) -> None:
    """A limit between two bands is no limit that we sell; nothing is stored."""
    said = await stocked.call(
        "POST", "/v1/accounts/acme/quotes", {"terms": {"contact_limit": 2501}, "actor": ADMIN}
    )
    assert (422, "not_in_catalog") == (said.status, said.body["code"])
