"""Four appliers in two processes over a shuffled burst of the twin: the mirror ends equal to the twin."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import AsyncIterator

import msgspec
import pytest

from handlers import inbox
from handlers.intake import store_listed
from sync.mirror import Mirror
from sync.refresh import Refresh
from sync.store import refresh as wishes
from sync.store.db import Pool
from tests.mirror.burst import KINDS, Burst, differences, objects_told
from worker.twin.server import RunningTwin

LONGEST_SECONDS = 120


@pytest.fixture
async def burst(twin: RunningTwin) -> AsyncIterator[Burst]:
    made = Burst(twin.base_url)
    yield made
    await made.close()


async def applier_process(dsn: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.mirror.applier_process", dsn, stdin=asyncio.subprocess.PIPE
    )


async def settle(pool: Pool, refresh: Refresh) -> int:
    """Read what is doubted until nothing waits any more; returns the number of reads."""
    deadline = time.monotonic() + LONGEST_SECONDS
    reads = 0
    while await inbox.waiting(pool) or (await wishes.backlog(pool))[0]:
        assert time.monotonic() < deadline, "the backlog does not end"
        taken = await refresh.run_once(100)
        reads += taken
        if not taken:
            await asyncio.sleep(0.05)
    return reads


async def deliver_shuffled(pool: Pool, burst: Burst, events: list[bytes]) -> None:
    """Store the events in any order, a tenth of them again, in pieces as they would arrive."""
    stream = events + burst.dice.sample(events, len(events) // 10)
    burst.dice.shuffle(stream)
    store = store_listed(pool)
    for start in range(0, len(stream), 250):
        await store(stream[start : start + 250])


@pytest.mark.parametrize(
    ("subscriptions", "changes", "least"),
    [(50, 550, 2_500), pytest.param(300, 5_500, 20_000, marks=pytest.mark.proof)],
    ids=["small", "full"],
)
async def test_four_appliers_end_equal_to_the_twin(
    pool: Pool, database_url: str, burst: Burst, subscriptions: int, changes: int, least: int
) -> None:
    """Shuffled, doubled and applied by two processes at once, every row ends as Stripe has it."""
    await burst.subscribe(subscriptions)
    await burst.change(changes)
    await burst.pay_and_plan(changes // 20)
    events = await burst.events()
    assert len(events) >= least
    assert set(KINDS) <= {msgspec.json.decode(body)["data"]["object"]["object"] for body in events}

    processes = [await applier_process(database_url) for _ in range(2)]
    started = time.monotonic()
    await deliver_shuffled(pool, burst, events)
    reads = await settle(pool, Refresh(pool, burst.gateway, Mirror()))
    seconds = time.monotonic() - started
    for process in processes:
        await process.communicate(b"")

    print(f"\n{len(events)} events in {seconds:.1f} s, {reads} reads")
    assert [process.returncode for process in processes] == [0, 0]
    assert await inbox.buried(pool) == 0
    mirrored = {row["id"] for row in await pool.fetch("SELECT id FROM stripe_object")}
    assert objects_told(events) <= mirrored
    assert await differences(pool, burst) == []
