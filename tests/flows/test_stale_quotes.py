"""Something moved between quote and confirm: refused with the new amounts, nothing charged."""

from __future__ import annotations

import pytest

from sync.rules.terms import Terms
from tests.flows.world import World

MORE_CONTACTS = Terms("marketing", "plus", 2500, 3)


@pytest.fixture
async def mid(world: World) -> World:
    await world.buy()
    await world.pass_time(14 * 86_400)
    return world


async def test_edited_subscription(mid: World) -> None:
    """Somebody changed a quantity by hand: stale."""
    quote = await mid.quote({"seats": 8})
    seats = next(
        item for item in (await mid.subscription())["items"]["data"] if "seats" in item["price"]["lookup_key"]
    )
    edit = {"items[0][id]": seats["id"], "items[0][quantity]": 2, "proration_behavior": "none"}
    await mid.stripe("POST", f"/v1/subscriptions/{(await mid.subscription())['id']}", **edit)
    said = await mid.confirm(quote)
    assert (409, "quote_stale") == (said.status, said.body["code"])
    assert [] == [change for change in await _changes(mid) if change["quote_id"] == quote["id"]]


async def test_balance_moved(mid: World) -> None:
    """A credit given meanwhile changes what is due: stale, with a new quote that knows it."""
    quote = await mid.quote({"seats": 8})
    customer = (await mid.view())["stripe_customer_id"]
    await mid.stripe("POST", f"/v1/customers/{customer}/balance_transactions", amount=-500, currency="usd")
    said = await mid.confirm(quote)
    assert (409, "quote_stale") == (said.status, said.body["code"])
    assert said.body["new_quote"]["due_today"]["amount_minor"] == quote["due_today"]["amount_minor"] - 500


async def test_renewal_passed(mid: World) -> None:
    """The period of the quote is over: stale."""
    quote = await mid.quote({"seats": 8})
    await mid.pass_time(20 * 86_400)
    said = await mid.confirm(quote)
    assert (409, "quote_stale") == (said.status, said.body["code"])


async def test_expired_quote_offers_a_new_one(mid: World) -> None:
    """A quote that is too old is refused, with a fresh one for the same wish."""
    quote = await mid.quote({"seats": 8})
    await mid.billing.pool.execute("UPDATE quote SET expires_at = now() WHERE id = $1", quote["id"])
    said = await mid.confirm(quote)
    assert (409, "quote_expired") == (said.status, said.body["code"])
    fresh = await mid.confirm(said.body["new_quote"])
    assert 200 == fresh.status


async def test_stale_quote_repeats_only_what_was_wished(mid: World) -> None:
    """The new quote is for the same wish, not for the old value of everything that changed meanwhile."""
    await mid.sell(MORE_CONTACTS)
    quote = await mid.quote({"contact_limit": MORE_CONTACTS.contact_limit})
    assert "settled" == (await mid.change({"seats": 8}))["state"]
    said = await mid.confirm(quote)
    assert (409, "quote_stale") == (said.status, said.body["code"])
    fresh = said.body["new_quote"]
    assert ([], None) == (fresh["refusals"], fresh["at_renewal"])
    assert (MORE_CONTACTS.contact_limit, 8) == (fresh["now"]["contact_limit"], fresh["now"]["seats"])


async def test_wish_that_makes_no_sense_any_more(mid: World) -> None:
    """The subscription ended, and "8 seats" is no first purchase: stale, in words, without a new quote."""
    quote = await mid.quote({"seats": 8})
    path = f"/v1/subscriptions/{(await mid.subscription())['id']}"
    await mid.control("POST", "dashboard", {"method": "DELETE", "path": path})
    said = await mid.confirm(quote)
    assert (409, "quote_stale") == (said.status, said.body["code"])
    assert "new_quote" not in said.body


async def _changes(world: World) -> list[dict[str, object]]:
    return list((await world.call("GET", "/v1/changes")).body["data"])
