"""The world that most stories begin in."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.flows.world import World, whole_world


@pytest.fixture
async def world(database_url: str) -> AsyncIterator[World]:
    """Our process, a fresh database and a fresh local Stripe."""
    async with whole_world(database_url) as made:
        yield made
