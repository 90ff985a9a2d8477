"""One lane per webhook endpoint: what waits for it, when to try, and how many at once.

Each delivery is retried with its own back-off after an answer that is not 2xx. When nobody listens at all,
the lane waits as a whole and lets one delivery probe, so that ten thousand waiting deliveries cost nothing.
"""

from __future__ import annotations

import asyncio
import heapq
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

RETRY_SECONDS = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 60.0, 120.0, 300.0)
PROBE_SECONDS = (0.2, 0.4, 0.8, 1.6, 3.0)
MAX_TRIES = 50
AT_ONCE = 16


@dataclass(slots=True)
class Delivery:
    """One event on its way to one endpoint. `answers` are HTTP statuses or names of connection errors.

    `answered_at` is the wall time of the last one.
    """

    event: str
    type: str
    endpoint: str
    url: str
    status: str = "waiting"
    tries: int = 0
    answers: list[int | str] = field(default_factory=list)
    spoilt: str | None = None
    answered_at: float | None = None


# An HTTP status, the name of a connection error, or None when there is nobody to deliver to any more.
Post = Callable[[Delivery], Awaitable[int | str | None]]


class Lane:
    """The deliveries of one endpoint. Must be made inside the running event loop."""

    def __init__(self, post: Post, delivered: Callable[[Delivery], None]) -> None:
        self._post, self._delivered = post, delivered
        self._waiting: list[tuple[float, int, Delivery]] = []
        self._number = 0
        self._news = asyncio.Event()
        self._sending: set[asyncio.Task[None]] = set()
        self._down_until, self._failures = 0.0, 0
        self._loop = asyncio.get_running_loop()
        self._runner = self._loop.create_task(self._run())

    def put(self, delivery: Delivery, wait_seconds: float = 0.0) -> None:
        """Send `delivery` after `wait_seconds`."""
        self._number += 1
        heapq.heappush(self._waiting, (self._loop.time() + wait_seconds, self._number, delivery))
        self._news.set()

    async def _run(self) -> None:
        while True:
            self._news.clear()
            self._start_due()
            try:
                await asyncio.wait_for(self._news.wait(), self._pause())
            except TimeoutError:
                continue

    def _limit(self) -> int:
        return 1 if self._failures else AT_ONCE

    def _start_due(self) -> None:
        now = self._loop.time()
        while self._waiting and self._waiting[0][0] <= now and now >= self._down_until:
            if len(self._sending) >= self._limit():
                return
            _, _, delivery = heapq.heappop(self._waiting)
            task = self._loop.create_task(self._try(delivery))
            self._sending.add(task)
            task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._sending.discard(task)
        self._news.set()

    def _pause(self) -> float | None:
        if not self._waiting or len(self._sending) >= self._limit():
            return None
        return max(0.0, max(self._waiting[0][0], self._down_until) - self._loop.time())

    async def _try(self, delivery: Delivery) -> None:
        delivery.status = "sending"
        delivery.tries += 1
        answer = await self._post(delivery)
        if answer is None:
            delivery.status = "given up"
            return
        delivery.answers.append(answer)
        delivery.answered_at = time.time()
        if isinstance(answer, str):
            self._nobody_there(delivery)
            return
        self._failures = 0
        if 200 <= answer < 300:
            delivery.status = "delivered"
            self._delivered(delivery)
        elif delivery.tries >= MAX_TRIES:
            delivery.status = "failed"
        else:
            delivery.status = "retrying"
            self.put(delivery, RETRY_SECONDS[min(delivery.tries, len(RETRY_SECONDS)) - 1])

    def _nobody_there(self, delivery: Delivery) -> None:
        self._down_until = self._loop.time() + PROBE_SECONDS[min(self._failures, len(PROBE_SECONDS) - 1)]
        self._failures += 1
        delivery.status = "retrying"
        self.put(delivery)

    async def close(self) -> None:
        """Stop sending."""
        tasks = [self._runner, *self._sending]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
