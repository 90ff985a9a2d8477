"""The world, with an old shop at its Stripe."""

from __future__ import annotations

import pytest

from tests.adopt.shop import Shop
from tests.flows.conftest import world
from tests.flows.world import World

__all__ = ["world"]


@pytest.fixture
def shop(world: World) -> Shop:
    return Shop(world)
