"""The world that most stories begin in."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from sync.rules.terms import Terms
from tests.faults.hands import HALF_MONTH, Hands
from tests.flows.world import MARKETING, World, whole_world


@pytest.fixture
async def world(database_url: str) -> AsyncIterator[World]:
    """Our process, a fresh database and a fresh local Stripe."""
    async with whole_world(database_url) as made:
        yield made


@pytest.fixture
async def slow(database_url: str) -> AsyncIterator[Hands]:
    """In the middle of a paid month, and nobody works by itself."""
    async with whole_world(database_url, work=False) as world:
        hands = Hands(world)
        await hands.buy()
        await world.pass_time(HALF_MONTH)
        yield hands


@pytest.fixture
async def stocked(world: World) -> World:
    """An account at mid-cycle, and every increase of the stories is on sale."""
    await world.sell(
        *(
            Terms(product, tier, band, 20, {"sms": 1})
            for product in ("marketing", "bundle")
            for tier in ("plus", "pro", "enterprise")
            for band in world.billing.catalog.bands[:5]
        )
    )
    await world.account()
    await world.change(MARKETING.to_json())
    await world.pass_time(13 * 86_400)
    return world
