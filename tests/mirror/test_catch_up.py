"""Catch-up: what was never delivered is found in Stripe's own list."""

from __future__ import annotations

import json

import pytest

from handlers import inbox
from handlers.dispatch import EVENT_TYPES
from handlers.intake import store_listed
from sync.catch_up import OVERLAP_SECONDS, RETENTION_SECONDS, CatchUp
from sync.gateway import EventPage
from sync.store import progress
from sync.store.db import Pool
from tests.mirror.builders import customer, event_json
from tests.mirror.burst import Burst
from tests.mirror.conftest import Bench
from worker.twin.server import RunningTwin

NOW = 1_795_000_000


class Listed:
    """Stripe's list of events, two to a page, newest first; it may break before a page."""

    def __init__(self, *seconds_ago: int, breaks_at: int | None = None) -> None:
        self.seconds_ago = sorted(seconds_ago)
        self.asked: list[int] = []
        self.breaks_at = breaks_at

    def stripe_now(self) -> int:
        return NOW

    async def list_events(
        self, *, created_gte: int, starting_after: str | None = None, limit: int = 100
    ) -> EventPage:
        self.asked.append(created_gte)
        if self.breaks_at == len(self.asked):
            raise TimeoutError
        wanted = [age for age in self.seconds_ago if NOW - age >= created_gte]
        start = wanted.index(int(starting_after)) + 1 if starting_after else 0
        page = wanted[start : start + 2]
        events = [
            json.dumps(event_json(customer(), "customer.updated", created=NOW - age, event_id=f"evt_{age}"))
            for age in page
        ]
        last = str(page[-1]) if page else None
        return EventPage([text.encode() for text in events], len(wanted) > start + 2, last, NOW)


def catch_up(pool: Pool, listed: Listed) -> CatchUp:
    return CatchUp(pool, listed, store_listed(pool), types=EVENT_TYPES)


async def test_the_first_walk_lists_everything_to_the_end(pool: Pool) -> None:
    """All pages are read, all unknown events are stored, and the position is where the walk began."""
    found = await catch_up(pool, Listed(10, 20, 30, 40, 50)).run_once()

    assert (found.listed, found.missing, found.gap) == (5, 5, False)
    assert await inbox.waiting(pool) == 5
    assert await progress.position(pool, "catch_up") == {"created": NOW}


async def test_the_next_walk_overlaps_and_stores_nothing_twice(pool: Pool) -> None:
    """It begins minutes before the position; what is known stays as it is."""
    listed = Listed(10, 20, 5_000)
    await catch_up(pool, listed).run_once()

    again = await catch_up(pool, listed).run_once()

    assert listed.asked[-1] == NOW - OVERLAP_SECONDS
    assert (again.listed, again.missing) == (2, 0)


async def test_a_broken_walk_starts_again_from_the_same_place(pool: Pool) -> None:
    """Newest first: a walk that did not reach the end has left out the oldest."""
    with pytest.raises(TimeoutError):
        await catch_up(pool, Listed(10, 20, 30, breaks_at=2)).run_once()

    assert await progress.position(pool, "catch_up") is None


async def test_a_pause_beyond_stripes_memory_is_told(pool: Pool) -> None:
    """Events older than a month are gone: only a sweep finds what they said."""
    await progress.save(pool, "catch_up", {"created": NOW - 40 * 86_400})

    found = await catch_up(pool, Listed(10)).run_once()

    assert found.gap
    assert found.since_unix == NOW - RETENTION_SECONDS


async def test_a_lost_event_of_the_twin_is_found(bench: Bench, twin: RunningTwin) -> None:
    """Nothing was delivered; after catch-up the mirror has the subscriptions, and a second walk adds none."""
    burst = Burst(twin.base_url)
    await burst.subscribe(3)
    walk = CatchUp(bench.pool, burst.gateway, store_listed(bench.pool), types=EVENT_TYPES)

    first = await walk.run_once()
    await bench.applier.drain()
    second = await walk.run_once()
    await burst.close()

    assert first.missing == first.listed > 3
    assert second.missing == 0
    assert await bench.pool.fetchval("SELECT count(*) FROM stripe_subscription") == 3
