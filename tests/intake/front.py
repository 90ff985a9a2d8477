"""The whole front of the product on a socket, and a sender that keeps to no rule."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from aiohttp import web

from handlers.health import Readiness
from handlers.intake import Intake
from handlers.routes import build_app
from handlers.slow_clients import HEAD_SECONDS, Runner
from handlers.strangers import Strangers
from handlers.webhooks import STRANGERS
from sync.billing import Billing
from sync.gateway import Gateway
from sync.mirror import Mirror
from sync.rules import catalog, policy
from sync.store.db import Pool
from sync.store.rate import RateRow
from tests.support.patience import SURELY_SECONDS

SECRET, ROLLED = "whsec_first", "whsec_second"
PATH = "/webhooks/stripe"
NO_ANSWER = 0
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


@dataclass(frozen=True, slots=True)
class Front:
    """A listening server of ours."""

    pool: Pool
    host: str
    port: int
    app: web.Application

    async def send(self, raw: bytes, seconds: float = SURELY_SECONDS) -> int:
        """Send these bytes and return the status of the first answer; 0 when the connection just ends."""
        return status_of(await self.exchange(raw, seconds))

    async def exchange(self, raw: bytes, seconds: float = SURELY_SECONDS) -> bytes:
        """Send these bytes and return what comes back, until the head of an answer is complete."""
        reader, writer = await asyncio.open_connection(self.host, self.port)
        try:
            writer.write(raw)
            async with asyncio.timeout(seconds):
                head = CONTINUE
                while head == CONTINUE:
                    head = await reader.readuntil(b"\r\n\r\n")
                return head
        except asyncio.IncompleteReadError as ended:
            return ended.partial
        except ConnectionError:
            return b""
        finally:
            writer.close()

    async def stored(self) -> int:
        """How many rows the inbox has."""
        count: int = await self.pool.fetchval("SELECT count(*) FROM inbox")
        return count


def status_of(answer: bytes) -> int:
    """The status of an answer, 0 for none."""
    return int(answer[9:12]) if answer.startswith(b"HTTP/1.") else NO_ANSWER


@asynccontextmanager
async def front(
    pool: Pool, *, head_seconds: float = HEAD_SECONDS, strangers: Strangers | None = None
) -> AsyncIterator[Front]:
    """Serve every route, with two webhook secrets and a Stripe that is a closed port."""
    gateway = Gateway(api_key="sk_test_front", api_base="http://127.0.0.1:9", budget=RateRow(pool, 100))
    billing = Billing(pool, gateway, catalog.packaged(), policy.packaged(), Mirror())
    intake = Intake(pool)
    await intake.start()
    app = build_app(
        billing,
        intake=intake,
        webhook_secrets=[SECRET, ROLLED],
        ready=_ready,
        bootstrap_key="prk_bootstrap_of_the_tests",
    )
    if strangers is not None:
        app[STRANGERS] = strangers
    runner = Runner(app, shutdown_timeout=1, head_seconds=head_seconds)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    host, port = runner.addresses[0][:2]
    try:
        yield Front(pool, host, port, app)
    finally:
        await runner.cleanup()
        await intake.stop()
        await gateway.close()


async def _ready() -> Readiness:
    return Readiness({"database": "ok"})


def digest(body: bytes, stamp: str | int, secret: str = SECRET) -> str:
    """What Stripe would write behind `v1=`."""
    return hmac.new(secret.encode(), f"{stamp}.".encode() + body, hashlib.sha256).hexdigest()


def signed(body: bytes, *, secret: str = SECRET, age_seconds: int = 0) -> str:
    """The header that Stripe would send."""
    stamp = int(time.time()) - age_seconds
    return f"t={stamp},v1={digest(body, stamp, secret)}"


def request(body: bytes, signature: str | bytes | None, *lines: str, length: bool = True) -> bytes:
    """A delivery as raw bytes; `lines` are more header lines, sent as they stand."""
    value = signature.encode("utf-8", "surrogateescape") if isinstance(signature, str) else signature
    head = [f"POST {PATH} HTTP/1.1".encode(), b"Host: prorata.example", b"Content-Type: application/json"]
    head += [b"Stripe-Signature: " + value] if value is not None else []
    head += [f"Content-Length: {len(body)}".encode()] if length else []
    head += [line.encode() for line in lines]
    return b"\r\n".join([*head, b"", b""]) + body
