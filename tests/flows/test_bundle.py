"""Bundle: from marketing to marketing and sales together, in one configuration and one charge."""

from __future__ import annotations

from tests.flows.bought import assert_bought
from tests.flows.world import World


async def test_the_bundle_is_charged_as_quoted(stocked: World) -> None:
    """Amount today and total from now on, both in the quote, both true."""
    quote = await assert_bought(stocked, {"product": "bundle"})
    assert quote["from_now_on"]["amount"]["amount_minor"] > 0


async def test_tier_contacts_and_seats_are_chosen_on_the_way(stocked: World) -> None:
    """The configuration step: everything in one wish."""
    wish = {"product": "bundle", "tier": "enterprise", "contact_limit": 10_000, "seats": 20}
    await assert_bought(stocked, wish)


async def test_prices_are_swapped_on_the_same_items(stocked: World) -> None:
    """No item is deleted on the way into the bundle: the ids stay."""
    before = {item["id"] for item in (await stocked.subscription())["items"]["data"]}
    await stocked.change({"product": "bundle"})
    assert before == {item["id"] for item in (await stocked.subscription())["items"]["data"]}


async def test_a_lower_tier_on_the_way_is_not_self_serve(stocked: World) -> None:
    """The bundle's tier is at least the present one."""
    quote = await stocked.quote({"product": "bundle", "tier": "starter"})
    assert ["needs_request"] == [refusal["code"] for refusal in quote["refusals"]]
    assert 422 == (await stocked.confirm(quote)).status
