"""A client for the twin that the shared fixture starts."""

from __future__ import annotations

from collections.abc import AsyncIterator

import aiohttp
import pytest

from tests.twin.api import Api
from worker.twin.server import RunningTwin


@pytest.fixture
async def api(twin: RunningTwin) -> AsyncIterator[Api]:
    """Raw HTTP to a fresh twin."""
    async with aiohttp.ClientSession() as session:
        yield Api(twin.base_url, session)
