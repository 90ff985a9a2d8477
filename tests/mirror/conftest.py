"""What the tests of the mirror share: a mirror that remembers whom it woke, and an applier on it."""

from __future__ import annotations

from collections.abc import Collection

import pytest

from handlers import inbox
from handlers.dispatch import Dispatcher
from handlers.inbox import InboxEvent
from sync.mirror import Mirror
from sync.store.db import Connection, Pool
from tests.mirror.builders import VERSION
from worker.applier import Applier


class Bench:
    """A pool, a mirror, an applier, and short ways to use them."""

    def __init__(self, pool: Pool) -> None:
        self.pool = pool
        self.woken: list[str] = []
        self.mirror = Mirror(wake=self._wake)
        self.applier = Applier(
            pool, Dispatcher(VERSION, livemode=False), self.mirror, poll_seconds=0.01, retry_seconds=0.01
        )

    async def _wake(self, conn: Connection, *, customer_ids: Collection[str]) -> None:
        self.woken += customer_ids

    async def deliver(self, *events: InboxEvent) -> None:
        """Store these events and apply everything that waits, in a batch for each call."""
        await inbox.insert(self.pool, events)
        await self.applier.drain()

    async def quantity(self) -> int | None:
        """The quantity of the only item that is mirrored."""
        value: int | None = await self.pool.fetchval("SELECT quantity FROM stripe_subscription_item")
        return value

    async def doubts(self) -> dict[str, str]:
        """The refresh list: object id and reason."""
        return {row[0]: row[1] for row in await self.pool.fetch("SELECT object_id, reason FROM refresh")}

    async def state(self, event_id: str) -> str:
        """What became of an event."""
        value: str = await self.pool.fetchval("SELECT state FROM inbox WHERE id = $1", event_id)
        return value


@pytest.fixture
def bench(pool: Pool) -> Bench:
    return Bench(pool)
