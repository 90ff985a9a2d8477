"""Terms may change at any time in the cycle; the charge is the share of the period that is left."""

from __future__ import annotations

import pytest

from sync.rules.proration import prorate
from tests.flows.world import MARKETING, World

MINUTE, DAY = 60, 86_400


@pytest.mark.parametrize("after_seconds", [MINUTE, 7 * DAY, 15 * DAY, 29 * DAY + 12 * 3600])
async def test_an_increase_is_the_share_that_is_left(world: World, after_seconds: int) -> None:
    """A minute after the purchase, in the middle, and half a day before the renewal."""
    await world.buy()
    await world.pass_time(after_seconds)
    quote = await world.quote({"seats": 13})
    items = (await world.subscription())["items"]["data"]
    start, end = items[0]["current_period_start"], items[0]["current_period_end"]
    slots = world.billing.catalog.items_for(MARKETING, "usd")
    seat = next(slot for slot in slots if slot.role == "seats")
    left = prorate(10 * world.billing.catalog.amounts[seat], end - quote["proration_date"], end - start)
    change = await world.settled((await world.confirm(quote)).body)
    assert (left, 0) == (change["now"]["charged"]["amount_minor"], change["now"]["difference_minor"])


async def test_not_within_the_last_half_hour(world: World) -> None:
    """What the bank may hold up for minutes must not meet the renewal: a clear no, and nothing is charged."""
    await world.buy()
    end = (await world.subscription())["items"]["data"][0]["current_period_end"]
    await world.control("POST", "clock", {"now": end - 20 * MINUTE})
    quote = await world.quote({"seats": 13})
    assert ["renewal_near"] == [refusal["code"] for refusal in quote["refusals"]]
