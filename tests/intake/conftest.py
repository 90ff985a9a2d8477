"""A webhook door on a real socket, and a sender that signs as Stripe does."""

from __future__ import annotations

import hashlib
import hmac
import time
from collections.abc import AsyncIterator

import pytest
from aiohttp import ClientResponse, web
from aiohttp.test_utils import TestClient, TestServer

from handlers.intake import Intake
from handlers.strangers import Strangers
from handlers.webhooks import INTAKE, STRANGERS, WEBHOOK_SECRETS, stripe_webhook
from sync.store.db import Pool

SECRET = "whsec_first"
ROLLED = "whsec_second"
URL = "/webhooks/stripe"


def signature(body: bytes, secret: str = SECRET, *, age_seconds: int = 0) -> str:
    """The header that Stripe would send."""
    stamp = str(int(time.time()) - age_seconds)
    digest = hmac.new(secret.encode(), stamp.encode() + b"." + body, hashlib.sha256).hexdigest()
    return f"t={stamp},v1={digest}"


class Door:
    """The route on a socket."""

    def __init__(self, client: TestClient[web.Request, web.Application], pool: Pool) -> None:
        self.client = client
        self.pool = pool

    async def post(self, body: bytes, header: str | None = None) -> ClientResponse:
        """Deliver a body, signed rightly unless a header is given."""
        headers = {"Stripe-Signature": signature(body) if header is None else header}
        return await self.client.post(URL, data=body, headers=headers)

    async def stored(self) -> int:
        """How many rows the inbox has."""
        count: int = await self.pool.fetchval("SELECT count(*) FROM inbox")
        return count


def application(intake: Intake, *secrets: str) -> web.Application:
    app = web.Application()
    app[WEBHOOK_SECRETS] = secrets
    app[INTAKE] = intake
    app[STRANGERS] = Strangers()
    app.router.add_post(URL, stripe_webhook)
    return app


@pytest.fixture
async def door(pool: Pool) -> AsyncIterator[Door]:
    intake = Intake(pool)
    await intake.start()
    async with TestClient(TestServer(application(intake, SECRET, ROLLED))) as client:
        yield Door(client, pool)
    await intake.stop()
