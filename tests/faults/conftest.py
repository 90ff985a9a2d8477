"""Worlds in which nobody works by itself."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.faults.hands import HALF_MONTH, Hands
from tests.flows.world import whole_world


@pytest.fixture
async def hands(database_url: str) -> AsyncIterator[Hands]:
    async with whole_world(database_url, work=False) as world:
        world.patience = 0  # here refusals are looked at
        yield Hands(world)


@pytest.fixture
async def mid(hands: Hands) -> Hands:
    """In the middle of a paid month."""
    await hands.buy()
    await hands.world.pass_time(HALF_MONTH)
    return hands
