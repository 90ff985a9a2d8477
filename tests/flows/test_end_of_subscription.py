"""A subscription that will end, or has ended."""

from __future__ import annotations

import pytest

from tests.flows.world import MARKETING, World


@pytest.fixture
async def mid(world: World) -> World:
    await world.buy()
    await world.pass_time(14 * 86_400)
    return world


async def test_account_can_buy_again_after_its_subscription_ended(mid: World) -> None:
    """The ended subscription is history: a new first purchase is quoted, confirmed and settled."""
    ended = await _cancel(mid)
    quote = await mid.quote(MARKETING.to_json())
    assert ([], None) == (quote["refusals"], quote["current"])
    change = await mid.settled((await mid.confirm(quote)).body)
    assert ("settled", 0) == (change["state"], change["now"]["difference_minor"])
    assert ended != (await mid.subscription())["id"]


async def test_estimate_after_the_end_is_that_of_a_first_purchase(mid: World) -> None:
    """The slider shows a whole interval, as the quote will."""
    await _cancel(mid)

    async def is_over() -> bool:
        said = await mid.call("POST", "/v1/accounts/acme/estimates", {"terms": MARKETING.to_json()})
        return said.body["current"] is None and said.body["due_today"] == said.body["from_now_on"]["amount"]

    await mid.eventually(is_over)


async def test_quote_of_a_subscription_that_cancels_at_its_end(mid: World) -> None:
    """An increase now is priced; no next invoice comes, and the quote says why."""
    await _cancel_at_the_end(mid)
    quote = await mid.quote({"seats": 8})
    assert [] == quote["refusals"]
    assert quote["due_today"]["amount_minor"] > 0
    assert (0, "subscription_ends") == (
        quote["next_invoice"]["amount"]["amount_minor"],
        quote["next_invoice"]["why"],
    )


async def test_increase_keeps_the_end_that_was_set(mid: World) -> None:
    """More seats until the end are paid as quoted, and it still ends then."""
    await _cancel_at_the_end(mid)
    change = await mid.change({"seats": 8})
    assert ("settled", 0) == (change["state"], change["now"]["difference_minor"])
    assert True is (await mid.subscription())["cancel_at_period_end"]


async def _cancel(world: World) -> str:
    """Somebody cancels at once, on Stripe's page; returns the id of what has ended."""
    subscription_id = str((await world.subscription())["id"])
    path = f"/v1/subscriptions/{subscription_id}"
    await world.control("POST", "dashboard", {"method": "DELETE", "path": path})
    return subscription_id


async def _cancel_at_the_end(world: World) -> None:
    path = f"/v1/subscriptions/{(await world.subscription())['id']}"
    await world.stripe("POST", path, cancel_at_period_end="true")


async def test_account_promises_no_renewal_of_what_ends(world: World) -> None:
    """A subscription that ends with its period has no next invoice."""
    await world.buy()
    path = f"/v1/subscriptions/{(await world.subscription())['id']}"
    await world.stripe("POST", path, cancel_at_period_end="true")

    async def knows() -> bool:
        return (await world.view())["next_invoice"] is None

    await world.eventually(knows)
