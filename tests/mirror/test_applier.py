"""The applier: poison stands alone, nothing is lost by a stop, several work side by side."""

from __future__ import annotations

import asyncio
from collections.abc import Collection

import asyncpg
import pytest

from handlers import inbox
from handlers.dispatch import Dispatcher
from handlers.inbox import retries
from sync.mirror import Mirror
from sync.store.db import Connection, Pool
from tests.mirror.builders import VERSION, customer, event, subscription
from tests.mirror.conftest import Bench
from tests.support.patience import SURELY_SECONDS
from worker.applier import Applier
from worker.single_tries import ATTEMPTS


def healthy(number: int) -> inbox.InboxEvent:
    return event(customer(f"cus_{number}"), "customer.created", event_id=f"evt_{number:03}")


async def all_applied(pool: Pool) -> None:
    """Return when nothing waits; the loop under test tells nobody, so its table is asked."""
    async with asyncio.timeout(SURELY_SECONDS):
        while await inbox.waiting(pool):  # noqa: ASYNC110  the table has no bell
            await asyncio.sleep(0.01)


# Listed, signed, and of a shape that its type does not promise.
POISON = event(
    {"id": "sub_x", "object": "subscription"}, "customer.subscription.updated", event_id="evt_005x"
)


async def test_poison_is_buried_and_its_neighbours_are_applied_at_once(bench: Bench) -> None:
    """The first pass applies everything else; the bad event is tried alone, then buried."""
    await inbox.insert(bench.pool, [*(healthy(n) for n in range(12)), POISON])

    await bench.applier.run_once()
    assert await bench.pool.fetchval("SELECT count(*) FROM stripe_customer") == 12

    await bench.applier.drain()
    row = await bench.pool.fetchrow("SELECT state, attempts, last_error FROM inbox WHERE id = $1", POISON.id)
    assert row is not None
    assert tuple(row)[:2] == ("buried", ATTEMPTS)
    assert row["last_error"].startswith("ValidationError")


async def test_rubbish_is_buried_without_a_try(bench: Bench) -> None:
    """A signed body that is no event needs a person, not another attempt."""
    junk = inbox.InboxEvent(id="junk_1", created=1, type="junk", body=b"[]")

    await bench.deliver(junk, healthy(1))

    assert await bench.state("junk_1") == "buried"
    assert await bench.state("evt_001") == "finished"


async def test_an_attempt_is_counted_before_it_is_made(bench: Bench) -> None:
    """A try that never comes back still counts, so that it cannot kill the process for ever."""
    await inbox.insert(bench.pool, [healthy(1)])
    key = inbox.Key(healthy(1).created, "evt_001")
    for _ in range(ATTEMPTS):
        await retries.count_attempt(bench.pool, key, None, 0)

    await bench.applier.drain()

    assert await bench.state("evt_001") == "buried"


async def test_a_database_failure_burns_no_attempt(pool: Pool) -> None:
    """What is not the event's fault is raised, and the event waits as it was."""

    async def lost(conn: Connection, *, customer_ids: Collection[str]) -> None:
        raise asyncpg.ConnectionDoesNotExistError

    await inbox.insert(pool, [event(subscription(), "customer.subscription.created")])
    applier = Applier(pool, Dispatcher(VERSION), Mirror(wake=lost))

    with pytest.raises(asyncpg.ConnectionDoesNotExistError):
        await applier.run_once()

    row = await pool.fetchrow("SELECT state, attempts FROM inbox")
    assert row is not None
    assert tuple(row) == ("waiting", 0)


async def test_waiting_events_survive_a_restart(bench: Bench) -> None:
    """What was stored before the process began is applied by the loop, which then stops when told."""
    await inbox.insert(bench.pool, [healthy(n) for n in range(5)])
    stop = asyncio.Event()

    loop = asyncio.create_task(bench.applier.run(stop))
    await all_applied(bench.pool)
    stop.set()
    await loop

    assert await bench.pool.fetchval("SELECT count(*) FROM stripe_customer") == 5


async def test_a_signal_saves_the_poll(pool: Pool) -> None:
    """The loop wakes by the intake's signal, long before its poll."""
    signal, stop = asyncio.Event(), asyncio.Event()
    applier = Applier(pool, Dispatcher(VERSION), Mirror(), signal=signal, poll_seconds=60)
    loop = asyncio.create_task(applier.run(stop))
    await asyncio.sleep(0.05)

    await inbox.insert(pool, [healthy(1)])
    signal.set()

    await all_applied(pool)
    stop.set()
    await loop


async def test_appliers_side_by_side_never_deadlock(pool: Pool) -> None:
    """Four at once over few objects, in small batches: everything is finished, nothing is buried."""
    events = [
        event(
            customer(f"cus_{n % 7}", name=f"v{n}"), "customer.updated", event_id=f"evt_{n}", created=1000 + n
        )
        for n in range(400)
    ]
    await inbox.insert(pool, events)
    appliers = [Applier(pool, Dispatcher(VERSION), Mirror(), batch=10) for _ in range(4)]

    async with asyncio.timeout(30):
        await asyncio.gather(*(applier.drain() for applier in appliers))

    assert await pool.fetchval("SELECT count(*) FROM inbox WHERE state <> 'finished'") == 0
    names = {row["id"]: row["name"] for row in await pool.fetch("SELECT id, name FROM stripe_customer")}
    assert names == {f"cus_{n % 7}": f"v{n}" for n in range(393, 400)}
