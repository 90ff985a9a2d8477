"""How long people wait for a price, and for what they bought: our own time, on the local Stripe."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from tests.benchmarks import quotes
from tests.flows.world import MARKETING, World, whole_world

pytestmark = pytest.mark.benchmark

ESTIMATE_SECONDS = 0.005
SETTLE_SECONDS = 1.0
WAVES = 3.0
ACCOUNTS = [f"bench{number}" for number in range(40)]


@pytest.fixture
async def mid(database_url: str) -> AsyncIterator[World]:
    """An account in the middle of its first period."""
    async with whole_world(database_url) as world:
        await world.buy(replace(MARKETING, seats=4))
        await world.sell(replace(MARKETING, contact_limit=2500, seats=9))
        await world.pass_time(14 * 86_400)
        yield world


async def test_estimates(mid: World) -> None:
    """A slider asks for one at every move."""
    await quotes.estimates(mid, 50)
    quick_before, all_before = quotes.quickly_served(ESTIMATE_SECONDS)
    found = await quotes.estimates(mid, 1000)
    quick, total = quotes.quickly_served(ESTIMATE_SECONDS)
    share = (quick - quick_before) / (total - all_before)
    print(f"\nestimates, with the client's own time: {found}; {share:.1%} served within 5 ms")
    assert share >= 0.99


async def test_quotes(mid: World) -> None:
    """Our own share of a quote, and how many round trips to Stripe it waits for."""
    found = await quotes.quotes(mid, 100)
    more = [await quotes.waves(mid, {"seats": 5 + number}) for number in range(5)]
    await mid.confirm(await mid.quote({"seats": 3}))
    fewer = [await quotes.waves(mid, {"seats": 5 + number}) for number in range(5)]
    print(f"\nquotes: {found}; waits for {max(more):.2f} round trips, {max(fewer):.2f} beside a promise")
    assert max(more + fewer) < WAVES


async def test_confirms(mid: World) -> None:
    """From the click to the settled change."""
    for account in ACCOUNTS:
        await mid.account(account)
        await mid.change(replace(MARKETING, seats=4).to_json(), account)
    await mid.pass_time(86_400)
    found = await quotes.settlements(mid, ACCOUNTS)
    print(f"\nconfirm to settled: {found}")
    assert found.percentile(0.95) < SETTLE_SECONDS
