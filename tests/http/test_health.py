"""Alive, ready, measured: what the machines around us ask."""

from __future__ import annotations

import asyncio

import pytest

from handlers.health import Readiness
from sync.billing import Billing
from tests.http.conftest import Client, Connect, real_app
from tests.http.description import Description
from tests.support.patience import DOOR_SECONDS


async def get_ready(lonely: Billing, connect: Connect, readiness: Readiness | Exception | None) -> Client:
    """Serve an application whose readiness is this; None never answers."""

    async def ready() -> Readiness:
        if isinstance(readiness, Exception):
            raise readiness
        if readiness is None:
            await asyncio.sleep(60)
        return readiness or Readiness({})

    return await connect(real_app(lonely, ready))


async def test_alive_asks_nobody(client: Client) -> None:
    """The answer is the same with and without a database."""
    assert await (await client.get("/livez")).json() == {"status": "ok"}


async def test_ready_when_every_check_is_fine(lonely: Billing, connect: Connect) -> None:
    """The checks are named, and the age of the inbox is told."""
    client = await get_ready(lonely, connect, Readiness({"database": "ok"}, 1.5))

    response = await client.get("/readyz")
    assert await (await Description.of(client)).check("/readyz", response) == {
        "status": "ok",
        "checks": {"database": "ok"},
        "inbox_oldest_seconds": 1.5,
    }


@pytest.mark.parametrize("readiness", [Readiness({"migrations": "2 are missing"}), OSError("secret"), None])
async def test_unready_says_what_is_wrong(
    lonely: Billing, connect: Connect, readiness: Readiness | Exception | None
) -> None:
    """A failed check, a failure and silence are 503, within two seconds, and name no address."""
    client = await get_ready(lonely, connect, readiness)
    async with asyncio.timeout(DOOR_SECONDS):
        response = await client.get("/readyz")

    assert response.status == 503
    assert "secret" not in str(await (await Description.of(client)).check("/readyz", response))


async def test_metrics_are_prometheus_text(client: Client) -> None:
    """The metrics of the contract are there, and no account id."""
    response = await client.get("/metrics")

    assert response.content_type == "text/plain"
    assert "webhook_ack_seconds" in await response.text()
