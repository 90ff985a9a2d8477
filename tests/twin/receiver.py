"""A webhook receiver that can be told how to answer."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

from aiohttp import web

from tests.support.patience import SURELY_SECONDS


class Receiver:
    """Keeps what arrives: (event, raw body, signature header), and answers the next of `statuses`, then
    200.
    """

    def __init__(self) -> None:
        self.got: list[tuple[dict[str, Any], bytes, str]] = []
        self.statuses: list[int] = []
        self.slow: list[float] = []  # seconds before the next answers
        self._news = asyncio.Event()
        self._runner: web.AppRunner | None = None
        self.port = 0

    async def start(self, port: int = 0) -> Receiver:
        """Listen on a port (0 picks one)."""
        app = web.Application()
        app.add_routes([web.post("/hook", self._take)])
        self._runner = web.AppRunner(app)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", port).start()
        self.port = self._runner.addresses[0][1]
        return self

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.port}/hook"

    async def _take(self, request: web.Request) -> web.Response:
        raw = await request.read()
        self.got.append((json.loads(raw), raw, request.headers["Stripe-Signature"]))
        self._news.set()
        if self.slow:
            await asyncio.sleep(self.slow.pop(0))
        return web.Response(status=self.statuses.pop(0) if self.statuses else 200)

    async def until(self, wanted: Callable[[], bool], seconds: float = SURELY_SECONDS) -> None:
        """Wait for arrivals until `wanted` holds."""
        async with asyncio.timeout(seconds):
            while not wanted():
                self._news.clear()
                await self._news.wait()

    def types(self) -> list[str]:
        """What arrived, in order."""
        return [event["type"] for event, _, _ in self.got]

    def ids(self) -> list[str]:
        """Event ids in order of arrival."""
        return [event["id"] for event, _, _ in self.got]

    async def close(self) -> None:
        """Stop listening."""
        if self._runner is not None:
            await self._runner.cleanup()
