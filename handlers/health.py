"""Is the process alive, is it ready, and what does it measure.

Alive never asks the database: a restart does not cure a database that is away. Ready does. A full inbox
is shown, but it is no reason to turn requests away.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Final

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from handlers.endpoint import SETTINGS
from handlers.patience import within
from handlers.registry import Answer
from sync import telemetry

OK: Final = "ok"


@dataclass(frozen=True, slots=True)
class Readiness:
    """The checks by name: `ok`, or a sentence that says what is wrong. The age is in seconds."""

    checks: Mapping[str, str]
    inbox_oldest_seconds: float | None = None

    @property
    def is_ready(self) -> bool:
        """Return whether every check is fine."""
        return all(said == OK for said in self.checks.values())


AskReady = Callable[[], Awaitable[Readiness]]
READY: Final[web.AppKey[AskReady]] = web.AppKey("READY")


async def livez(request: web.Request) -> web.Response:
    """Answer 200 as long as the event loop turns."""
    return Answer.json({"status": OK}).response()


async def readyz(request: web.Request) -> web.Response:
    """Answer 200 when requests can be served, else 503; both name every check."""
    readiness = await _ask(request.app[READY], request.app[SETTINGS].database_seconds)
    document = {
        "status": OK if readiness.is_ready else "unready",
        "checks": dict(readiness.checks),
        "inbox_oldest_seconds": readiness.inbox_oldest_seconds,
    }
    return Answer.json(document, 200 if readiness.is_ready else 503).response()


async def metrics(request: web.Request) -> web.Response:
    """Answer with the metrics of this process in Prometheus's text format."""
    body = generate_latest(telemetry.REGISTRY)
    return web.Response(body=body, headers={"Content-Type": CONTENT_TYPE_LATEST})


async def _ask(ready: AskReady, seconds: float) -> Readiness:
    async def ask() -> Readiness:
        return await ready()

    try:
        return await within(seconds, ask())
    except Exception as error:  # whatever it is, we are not ready
        return Readiness({"database": f"no answer ({type(error).__name__})"})
