"""Contacts, tiers, add-ons, the bundle, and carts that mix them: one call, one invoice, the same items."""

from __future__ import annotations

from typing import Any

import pytest

from sync.rules.terms import Terms
from tests.flows.world import MARKETING, World

WISHES: dict[str, dict[str, Any]] = {
    "contacts": {"contact_limit": 2500},
    "tier": {"tier": "pro"},
    "add-on": {"add_ons": ["sms"]},
    "bundle": {"product": "bundle"},
    "cart": {"tier": "pro", "contact_limit": 5000, "seats": 9, "add_ons": {"sms": 2}},
    "bundle cart": {"product": "bundle", "tier": "enterprise", "contact_limit": 10_000, "seats": 20},
}


@pytest.fixture
async def mid(world: World) -> World:
    """Mid-cycle, with everything on sale that these wishes need."""
    catalog = world.billing.catalog
    await world.sell(
        *(
            Terms(product, tier, band, 20, {"sms": 1})
            for product in ("marketing", "bundle")
            for tier in ("plus", "pro", "enterprise")
            for band in catalog.bands[:5]
        )
    )
    await world.account()
    await world.change(MARKETING.to_json())
    await world.pass_time(13 * 86_400)
    return world


@pytest.mark.parametrize("name", WISHES)
async def test_increase_is_charged_as_quoted(mid: World, name: str) -> None:
    """Quote minus charge is 0, our estimate agrees, and the terms are those of the quote."""
    quote = await mid.quote(WISHES[name])
    change = await mid.settled((await mid.confirm(quote)).body)
    assert ("settled", 0) == (change["state"], change["now"]["difference_minor"])
    assert 0 == quote["estimate_difference_minor"]
    assert quote["now"] == (await mid.view())["terms"]


@pytest.mark.parametrize("name", WISHES)
async def test_stripe_has_exactly_the_wanted_items(mid: World, name: str) -> None:
    """Stripe's items are the catalog's items of the new terms, one each."""
    await mid.change(WISHES[name])
    terms = Terms.from_json((await mid.view())["terms"])
    wanted = mid.billing.catalog.items_for(terms, "usd")
    assert {slot.key: quantity for slot, quantity in wanted.items()} == await mid.items()


async def test_bundle_swaps_prices_on_the_same_items(mid: World) -> None:
    """No item is deleted on the way into the bundle: the ids stay."""
    before = {item["id"] for item in (await mid.subscription())["items"]["data"]}
    await mid.change(WISHES["bundle"])
    assert before == {item["id"] for item in (await mid.subscription())["items"]["data"]}


async def test_cart_is_one_invoice(mid: World) -> None:
    """A cart of four increases makes one invoice and one charge."""
    before = len(await mid.invoices())
    change = await mid.change(WISHES["cart"])
    assert before + 1 == len(await mid.invoices())
    assert 1 == len(await mid.effects(change["id"], "charge"))


async def test_second_increase_credits_what_was_really_billed(mid: World) -> None:
    """Flexible billing credits the first increase's own debit: two increases still end with 0."""
    await mid.change({"contact_limit": 2500})
    await mid.pass_time(3 * 86_400)
    change = await mid.change({"contact_limit": 10_000})
    assert 0 == change["now"]["difference_minor"]


async def test_credit_balance_is_shown_and_drawn(mid: World) -> None:
    """A credit that the customer has lowers what is due today, and the quote says so."""
    customer = (await mid.view())["stripe_customer_id"]
    await mid.stripe("POST", f"/v1/customers/{customer}/balance_transactions", amount=-700, currency="usd")
    quote = await mid.quote({"contact_limit": 5000})
    assert {"amount_minor": 700, "currency": "usd"} == quote["to_balance"]
    change = await mid.settled((await mid.confirm(quote)).body)
    assert ("settled", 0) == (change["state"], change["now"]["difference_minor"])


async def test_estimate_is_the_quote_without_asking_stripe(mid: World) -> None:
    """The slider's estimate equals the quote of the same second."""
    # The quote comes first: Stripe's clock was moved, and only an answer of Stripe's tells.
    quote = await mid.quote(WISHES["cart"])
    said = await mid.call("POST", "/v1/accounts/acme/estimates", {"terms": WISHES["cart"]})
    assert abs(said.body["due_today"]["amount_minor"] - quote["due_today"]["amount_minor"]) <= 1
    assert said.body["from_now_on"] == quote["from_now_on"]
