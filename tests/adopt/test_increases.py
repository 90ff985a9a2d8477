"""After an adoption an account is like any other: quotes hold to the cent, and renewals keep promises."""

from __future__ import annotations

import pytest

from sync.rules.adoption_prices import MapLine
from sync.store import catalog_prices
from tests.adopt.builders import BASE, CONTACTS, SEATS, slot
from tests.adopt.shop import Shop
from tests.flows.golden import Golden
from tests.flows.world import MARKETING, World

HALF_MONTH = 14 * 86_400
CATALOG_MONTH = 4900 + 2000  # marketing plus with 1,000 contacts
OLD_SEAT = 1250  # an old price, below the catalog's 1500


async def sold_long_ago(shop: Shop, mode: str) -> str:
    """Marketing plus with two extra seats at an old price, half a month ago; returns the subscription."""
    await shop.tagged(BASE, CONTACTS)
    await shop.price(SEATS, OLD_SEAT)
    customer = await shop.customer(account_id="acme")
    subscription_id = await shop.subscribe(customer, {BASE: 1, CONTACTS: 1, SEATS: 2}, mode)
    await shop.world.pass_time(HALF_MONTH)
    return subscription_id


@pytest.mark.parametrize("mode", ["flexible", "classic"])
async def test_increase_after_adoption_is_charged_as_quoted(shop: Shop, world: World, mode: str) -> None:
    """At the price that the account always had: it is kept, and due today is Stripe's arithmetic."""
    subscription_id = await sold_long_ago(shop, mode)
    result = await shop.adopted(subscription_id, lines={shop.prices[SEATS]: MapLine(SEATS, OLD_SEAT)})
    quote = await world.quote({"seats": 8})
    item = (await world.subscription())["items"]["data"][0]
    start, end = item["current_period_start"], item["current_period_end"]
    golden = Golden({SEATS: (SEATS, 2)}, {SEATS: OLD_SEAT}, start, end)
    lines = golden.change({SEATS: (SEATS, 5)}, quote["proration_date"])
    done = await world.settled((await world.confirm(quote)).body)
    after = {each["price"]["id"]: each["quantity"] for each in (await world.subscription())["items"]["data"]}

    assert "acme" == result.account_id
    assert sum(amount * count for (_, amount), count in lines.items()) == quote["due_today"]["amount_minor"]
    assert ("settled", 0) == (done["now"]["state"], done["now"]["difference_minor"])
    assert quote["due_today"] == done["now"]["charged"]
    assert 5 == after[shop.prices[SEATS]]


async def test_promise_for_the_renewal_is_kept_after_adoption(shop: Shop, world: World) -> None:
    """Fewer seats from the next period on, with the foreign prices and without a proration."""
    subscription_id = await sold_long_ago(shop, "flexible")
    await shop.adopted(subscription_id, lines={shop.prices[SEATS]: MapLine(SEATS, OLD_SEAT)})
    change = (await world.confirm(await world.quote({"seats": 4}))).body

    async def renewed() -> bool:
        return bool((await world.view())["terms"]["seats"] == 4)

    assert "scheduled" == (await world.settled(change))["at_renewal"]["state"]
    await world.pass_time(18 * 86_400)
    await world.eventually(renewed)
    [invoice, *_] = await world.invoices()
    assert CATALOG_MONTH + OLD_SEAT == invoice["total"]


async def test_foreign_price_is_a_version_of_its_slot_that_is_never_sold(shop: Shop, world: World) -> None:
    """The planner keeps it, a new account does not get it, and a later push loses nothing."""
    subscription_id = await sold_long_ago(shop, "flexible")
    await shop.adopted(subscription_id, lines={shop.prices[SEATS]: MapLine(SEATS, OLD_SEAT)})
    before = await catalog_prices.book(world.billing.pool)
    await world.sell(MARKETING)
    book = await catalog_prices.book(world.billing.pool)

    for known in (before, book):
        assert slot(SEATS) == known.slot_of(shop.prices[SEATS])
        assert OLD_SEAT == known.amount_of(shop.prices[SEATS])
    assert shop.prices[SEATS] != book.sold_now(slot(SEATS))
    assert [1, 1_000_001] == list(book.versions(slot(SEATS)))


async def test_foreign_price_that_gets_our_lookup_key_can_be_sold(shop: Shop, world: World) -> None:
    """An operator may give an adopted price the catalog's key: a push then knows it by that, and sells it."""
    await shop.tagged(BASE, CONTACTS, SEATS)
    customer = await shop.customer(account_id="acme")
    await shop.adopted(await shop.subscribe(customer, {BASE: 1, CONTACTS: 1, SEATS: 2}))
    price_id = shop.prices[SEATS]
    await world.stripe("POST", f"/v1/prices/{price_id}", lookup_key=slot(SEATS).lookup_key(1))
    await world.sell(MARKETING)
    book = await catalog_prices.book(world.billing.pool)

    assert price_id == book.sold_now(slot(SEATS))
    assert {1: price_id} == book.versions(slot(SEATS))


async def test_price_of_another_installation_keeps_its_version(shop: Shop, world: World) -> None:
    """A price with a lookup key of our grammar is that version, also where the catalog costs more by now."""
    await shop.tagged(BASE, CONTACTS)
    await shop.price(SEATS, OLD_SEAT, lookup_key=slot(SEATS).lookup_key(3))
    subscription_id = await shop.subscribe(await shop.customer(), {BASE: 1, CONTACTS: 1, SEATS: 2})
    result = await shop.adopted(subscription_id)
    book = await catalog_prices.book(world.billing.pool)

    assert {3: shop.prices[SEATS]} == book.versions(slot(SEATS))
    assert result.mapped is not None
    assert ["other_amount"] == [str(each.code) for each in result.mapped.remarks]
