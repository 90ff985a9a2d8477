"""The way from our SDK to the local Stripe, without a socket: what a client and a door do between them.

A request may be lost before it arrives, its answer may be lost, either may take until somebody lets it go on.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from email.utils import formatdate
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import stripe

from worker.twin.errors import ApiError
from worker.twin.exchange import Reply, Twin, perform, refusal, route
from worker.twin.faults import Fault

READ_SECONDS, WRITE_SECONDS = 10, 60


@dataclass
class Hold:
    """The next request like this waits: before Stripe has executed it, or with the answer on its way."""

    method: str
    part: str
    before: bool
    reached: asyncio.Event = field(default_factory=asyncio.Event)
    go_on: asyncio.Event = field(default_factory=asyncio.Event)


class Wire(stripe.HTTPClient):
    """An HTTP client of the SDK's. `pass_time` moves the clock while somebody waits for nothing."""

    name = "simulation"

    def __init__(self, twin: Callable[[], Twin], pass_time: Callable[[float], Awaitable[None]]) -> None:
        super().__init__()
        self._twin = twin
        self._pass_time = pass_time
        self.holds: list[Hold] = []
        self.now: Callable[[], float] = lambda: 0.0

    async def close_async(self) -> None:
        """There is no connection."""

    async def request_async(
        self, method: str, url: str, headers: Mapping[str, str], post_data: Any = None
    ) -> tuple[bytes, int, Mapping[str, str]]:
        """One request with its faults. Raises the SDK's APIConnectionError, as for a real connection."""
        method, split, twin = method.upper(), urlsplit(url), self._twin()
        fault = twin.faults.next_for(method, split.path, twin.draws.chance()) if twin.faults.planned else None
        if fault is not None and fault.when == "before" and fault.cuts:
            return await self._cut(fault, method)
        hold = self._held(method, split.path)
        if hold is not None and hold.before:
            await self._wait(hold, method)
        pairs = parse_qsl(
            post_data if method == "POST" and post_data else split.query, keep_blank_values=True
        )
        request_id = twin.draws.new("req")
        reply = await _answered(twin, method, split.path, pairs, headers, request_id, fault)
        if hold is not None and not hold.before:
            await self._wait(hold, method)
        if fault is not None and fault.cuts:
            return await self._cut(fault, method)
        return reply.body, reply.status, _headers(twin, method, reply, request_id)

    def _held(self, method: str, path: str) -> Hold | None:
        for hold in self.holds:
            if hold.method == method and hold.part in path:
                self.holds.remove(hold)
                return hold
        return None

    async def _wait(self, hold: Hold, method: str) -> None:
        """Wait to be let go on; a client that waits for too long hangs up."""
        since = self.now()
        hold.reached.set()
        await hold.go_on.wait()
        if self.now() - since >= (READ_SECONDS if method == "GET" else WRITE_SECONDS):
            raise _lost(TimeoutError())

    async def _cut(self, fault: Fault, method: str) -> tuple[bytes, int, Mapping[str, str]]:
        if fault.garbage:
            return b"<html><body><h1>502 Bad Gateway</h1></body></html>", fault.status or 502, {}
        if fault.timeout:
            await self._pass_time(READ_SECONDS if method == "GET" else WRITE_SECONDS)
            raise _lost(TimeoutError())
        raise _lost(ConnectionResetError())


async def _answered(
    twin: Twin,
    method: str,
    path: str,
    pairs: list[tuple[str, str]],
    headers: Mapping[str, str],
    request_id: str,
    fault: Fault | None,
) -> Reply:
    key = headers.get("Idempotency-Key") if method == "POST" else None
    try:
        found = route(method, path, pairs, request_id=request_id, key=key, version=headers["Stripe-Version"])
        return await perform(twin, found, fault)
    except ApiError as error:
        return refusal(error, request_id, twin.world.clock.now())


def _headers(twin: Twin, method: str, reply: Reply, request_id: str) -> dict[str, str]:
    headers = {"Request-Id": request_id, "Date": formatdate(twin.world.clock.now(), usegmt=True)}
    if method == "POST" and reply.status < 500 and reply.status != 409:
        headers["Stripe-Should-Retry"] = "false"
    return {**headers, **reply.headers}


def _lost(why: Exception) -> stripe.APIConnectionError:
    error = stripe.APIConnectionError("The connection was lost.", should_retry=True)
    error.__cause__ = why
    return error
