"""Fixtures of the doors' tests: a billing on the test database, keys of every role, a client."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from handlers.auth import Role, hash_api_key, new_api_key
from handlers.health import AskReady, Readiness
from handlers.intake import Intake
from handlers.registry import HttpSettings
from handlers.routes import build_app
from handlers.server import assemble
from sync.billing import Billing
from sync.gateway import Gateway
from sync.mirror import Mirror
from sync.rules import catalog, policy
from sync.store import api_keys
from sync.store.db import Pool
from sync.store.rate import RateRow
from tests.http.toys import Toys

BOOTSTRAP = "bootstrap-key-of-the-tests"
USUAL = HttpSettings()
Client = TestClient[web.Request, web.Application]
Connect = Callable[[web.Application], Awaitable[Client]]


@pytest.fixture
async def lonely(pool: Pool) -> AsyncIterator[Billing]:
    """A billing whose Stripe is a closed port, for tests that never get that far."""
    gateway = Gateway(api_key="sk_test_lonely", api_base="http://127.0.0.1:9", budget=RateRow(pool, 100))
    yield Billing(pool, gateway, catalog.packaged(), policy.packaged(), Mirror())
    await gateway.close()


@pytest.fixture
async def connect() -> AsyncIterator[Connect]:
    """Serve an application on a free port and return a client for it."""
    clients: list[Client] = []

    async def start(app: web.Application) -> Client:
        client: Client = TestClient(TestServer(app))
        await client.start_server()
        clients.append(client)
        return client

    yield start
    for client in clients:
        await client.close()


@pytest.fixture
async def keys(pool: Pool) -> dict[str, dict[str, str]]:
    """The headers of a caller by role, each with a key of its own in the database."""
    return {role: await make_key(pool, f"key_{role}", [role]) for role in Role}


async def make_key(pool: Pool, key_id: str, roles: list[str]) -> dict[str, str]:
    """Store a key and return the headers that use it."""
    token = new_api_key()
    await api_keys.create(pool, key_id=key_id, name=key_id, key_hash=hash_api_key(token), roles=roles)
    return bearer(token)


def bearer(token: str) -> dict[str, str]:
    """Return the headers of a caller with this token."""
    return {"Authorization": f"Bearer {token}"}


@pytest.fixture
def toys() -> Toys:
    """The toys of this test."""
    return Toys()


@pytest.fixture
async def toy_client(lonely: Billing, toys: Toys, connect: Connect) -> Client:
    """A client of the toys."""
    return await connect(toy_app(lonely, toys))


def toy_app(billing: Billing, toys: Toys, settings: HttpSettings = USUAL) -> web.Application:
    """Return an application that serves the toys."""
    return assemble(billing, toys.routes(), (), bootstrap_key=BOOTSTRAP, settings=settings)


@pytest.fixture
async def client(lonely: Billing, connect: Connect) -> Client:
    """A client of the whole surface, without Stripe."""
    return await connect(real_app(lonely, ready))


async def ready() -> Readiness:
    """Say that everything is fine."""
    return Readiness({"database": "ok"})


def real_app(billing: Billing, ready: AskReady = ready) -> web.Application:
    """Return the application with every route; the intake is there and not started."""
    return build_app(
        billing,
        intake=Intake(billing.pool),
        webhook_secrets=["whsec_test"],
        ready=ready,
        bootstrap_key=BOOTSTRAP,
    )


@pytest.fixture
def boss() -> dict[str, str]:
    """The headers of the bootstrap key, which has every role."""
    return bearer(BOOTSTRAP)


async def problem(response: Any) -> dict[str, Any]:
    """Return a problem document, after checking that it is one."""
    assert response.content_type == "application/problem+json"
    document: dict[str, Any] = await response.json(content_type=None)
    assert document["status"] == response.status
    return document
