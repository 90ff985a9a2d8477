"""A client for the twin that the shared fixture starts."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
import stripe

from tests.twin.api import Api
from worker.twin.server import RunningTwin


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Without a published specification there is nothing to compare with, and nothing to skip either."""
    return True if collection_path.name == "test_spec.py" and not config.getoption("--spec") else None


@pytest.fixture
async def api(twin: RunningTwin) -> AsyncIterator[Api]:
    """Raw HTTP to a fresh twin."""
    async with aiohttp.ClientSession() as session:
        yield Api(twin.base_url, session)


@pytest.fixture
async def sdk(twin: RunningTwin) -> AsyncIterator[stripe.StripeClient]:
    """The SDK's own client on a fresh twin, with two retries."""
    http = stripe.AIOHTTPClient()
    yield stripe.StripeClient(
        "sk_test_twin", base_addresses={"api": twin.base_url}, http_client=http, max_network_retries=2
    )
    await http.close_async()  # type: ignore[no-untyped-call]  # the SDK has no annotation there
