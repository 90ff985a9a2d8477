"""Events that fail, kill, hang or find a lock: set apart, told once, and nobody waits for them."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass
from typing import Any

import asyncpg
import pytest
import structlog

from handlers import inbox
from handlers.dispatch import Dispatcher
from handlers.inbox import InboxEvent
from sync.mirror import Mirror
from sync.store.db import Connection, Pool, prepare_connection
from tests.mirror.builders import SECOND, VERSION, customer, event, subscription
from tests.support.patience import SURELY_SECONDS
from worker.applier import Applier
from worker.single_tries import ATTEMPTS

POISON = event({"id": "sub_x", "object": "subscription"}, "customer.subscription.updated", event_id="evt_bad")
JUNK = InboxEvent(id="junk_1", created=SECOND, type="junk", body=b"[]")
# Beside the poison, a wait of this length would be the poison's; on top of what 400 of them take.
UNDISTURBED_SECONDS = 1.0


def healthy(number: int, created: int = SECOND) -> InboxEvent:
    return event(customer(f"cus_{number}"), "customer.created", event_id=f"evt_{number:04}", created=created)


def applier(pool: Pool, mirror: Mirror | None = None, **options: Any) -> Applier:
    settings: dict[str, Any] = {"poll_seconds": 0.01, "retry_seconds": 0.01, **options}
    return Applier(pool, Dispatcher(VERSION, livemode=False), mirror or Mirror(), **settings)


@dataclass
class Alarms:
    """The lines of this test that wake somebody."""

    lines: list[Any]

    def of(self, event_id: str | None) -> list[str]:
        """The names of those about an event, or about none."""
        errors = [line for line in self.lines if line["log_level"] == "error"]
        return [line["event"] for line in errors if line.get("event_id") == event_id]


@pytest.fixture
def alarms() -> Any:
    with structlog.testing.capture_logs() as lines:
        yield Alarms(lines)


async def until(check: Callable[[], Awaitable[Any]], seconds: float = SURELY_SECONDS) -> float:
    """Wait until something is so in the database; returns how long that took."""
    started = time.monotonic()
    async with asyncio.timeout(seconds):
        while not await check():  # noqa: ASYNC110  the database has no bell
            await asyncio.sleep(0.01)
    return time.monotonic() - started


def finished(pool: Pool, count: int) -> Callable[[], Awaitable[bool]]:
    async def check() -> bool:
        found: int = await pool.fetchval("SELECT count(*) FROM inbox WHERE state = 'finished'")
        return found >= count

    return check


async def test_poison_costs_one_alarm_and_nobody_waits(pool: Pool, alarms: Alarms) -> None:
    """Three appliers meet it in their batches; it is buried once, told once, and the others are through."""
    await inbox.insert(pool, [*(healthy(n) for n in range(400)), POISON])
    stop = asyncio.Event()
    loops = [asyncio.create_task(applier(pool, retry_seconds=0.2).run(stop)) for _ in range(3)]

    seconds = await until(finished(pool, 400))
    await inbox.insert(pool, [healthy(1000, SECOND + 1)])
    beside = await until(finished(pool, 401))

    async def is_buried() -> bool:
        return bool(await inbox.buried(pool))

    await until(is_buried)
    stop.set()
    await asyncio.gather(*loops)
    assert alarms.of(POISON.id) == ["inbox.buried"]
    assert beside < seconds + UNDISTURBED_SECONDS, f"{beside:.1f} s, first {seconds:.1f} s"
    assert await pool.fetchval("SELECT attempts FROM inbox WHERE id = $1", POISON.id) == ATTEMPTS


async def test_rubbish_beside_poison_is_told_once(pool: Pool, alarms: Alarms) -> None:
    """A batch that is rolled back and tried again in halves repeats its work, not its alarms."""
    await inbox.insert(pool, [JUNK, POISON, healthy(1), healthy(2)])

    await applier(pool).drain()

    assert alarms.of(JUNK.id) == ["inbox.buried"]
    assert alarms.of(POISON.id) == ["inbox.buried"]


async def test_strays_are_one_alarm_for_a_batch(pool: Pool, alarms: Alarms) -> None:
    """Events of the other mode and of another account change nothing, stay findable, and are told of."""
    live = [event(customer(), "customer.updated", event_id=f"evt_live{n}", livemode=True) for n in range(9)]
    other = event(customer(), "customer.updated", event_id="evt_other", account="acct_other")
    unsaid = event(customer(), "customer.updated", event_id="evt_unsaid", livemode=None)
    await inbox.insert(pool, [*live, other, unsaid])

    await applier(pool).drain()

    assert [len(alarms.of(each)) for each in ("evt_live0", "evt_live1", "evt_other")] == [1, 0, 1]
    rows = await pool.fetch("SELECT DISTINCT state, last_error FROM inbox")
    assert {tuple(row) for row in rows} == {
        ("ignored", "of the other mode (test or live)"),
        ("ignored", "of another account"),
    }
    assert await pool.fetchval("SELECT count(*) FROM stripe_object") == 0


async def poisoned(dsn: str, event_id: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.intake.poisoned_process", dsn, event_id, stdin=asyncio.subprocess.PIPE
    )


async def test_an_event_that_kills_is_buried_in_the_end(pool: Pool, database_url: str) -> None:
    """It dies in the batch, where nothing is counted; the next process begins with care, and counts."""
    deadly = healthy(7).id
    await inbox.insert(pool, [healthy(n) for n in range(30)])
    deaths = 0

    process = await poisoned(database_url, deadly)
    started = time.monotonic()
    while await inbox.waiting(pool):
        assert time.monotonic() - started < 120, f"it goes on after {deaths} deaths"
        if process.returncode is not None:
            deaths += 1
            process = await poisoned(database_url, deadly)
        await asyncio.sleep(0.05)
    await process.communicate(b"")

    assert deaths <= ATTEMPTS + 1
    row = await pool.fetchrow("SELECT state, attempts, last_error FROM inbox WHERE id = $1", deadly)
    assert row is not None
    assert tuple(row) == ("buried", ATTEMPTS + 1, "the process died in every try")
    assert await pool.fetchval("SELECT count(*) FROM stripe_customer") == 29


async def test_an_event_that_kills_in_a_batch_is_counted_by_the_next_process(
    pool: Pool, database_url: str
) -> None:
    """It comes while the worker is at full speed; whoever comes after finds it among the oldest."""
    process = await poisoned(database_url, "evt_0003")
    await inbox.insert(pool, [healthy(1, SECOND)])
    await until(finished(pool, 1))
    await inbox.insert(pool, [healthy(n, SECOND + 1) for n in range(2, 6)])
    await process.wait()
    died_uncounted = await pool.fetchval("SELECT attempts FROM inbox WHERE id = 'evt_0003'")

    second = await poisoned(database_url, "evt_0003")
    await second.wait()
    counted = await pool.fetchval("SELECT attempts FROM inbox WHERE id = 'evt_0003'")

    assert (died_uncounted, counted) == (0, 1)
    await pool.execute("UPDATE inbox SET retry_at = now() + interval '1 hour' WHERE id = 'evt_0003'")
    third = await poisoned(database_url, "evt_0003")
    await until(finished(pool, 4))
    await third.communicate(b"")
    assert third.returncode == 0


async def test_an_event_that_hangs_is_taken_out_of_its_batch(pool: Pool, alarms: Alarms) -> None:
    """What never comes back is given up; the others of its batch are applied, and it is buried."""

    async def hang(conn: Connection, *, customer_ids: Collection[str]) -> None:
        if "cus_hung" in customer_ids:
            await asyncio.Event().wait()

    hung = event(subscription(customer="cus_hung"), "customer.subscription.created", event_id="evt_hung")
    await inbox.insert(pool, [*(healthy(n) for n in range(20)), hung])
    work = applier(pool, Mirror(wake=hang), longest_seconds=1.0)

    await work.run_once()
    applied_at_once = await pool.fetchval("SELECT count(*) FROM stripe_customer")
    await work.drain()

    assert applied_at_once == 20
    assert alarms.of("evt_hung") == ["inbox.buried"]
    row = await pool.fetchrow("SELECT attempts, last_error FROM inbox WHERE id = 'evt_hung'")
    assert row is not None
    assert tuple(row) == (ATTEMPTS, "StuckError: it took more than 1 s")
    assert await pool.fetchval("SELECT count(*) FROM stripe_subscription") == 0


async def test_a_lock_that_somebody_keeps_holds_up_one_object(
    pool: Pool, database_url: str, alarms: Alarms
) -> None:
    """Its event waits for as long as it takes, without burning a try; all others are applied."""
    await inbox.insert(pool, [healthy(n) for n in range(5)])
    await applier(pool).drain()
    update = event(customer("cus_1", name="new"), "customer.updated", event_id="evt_u", created=SECOND + 9)
    await inbox.insert(pool, [update, *(healthy(n, SECOND + 9) for n in range(100, 120))])

    # Our own limit is ten seconds: long for a test.
    hurried = asyncpg.create_pool(
        database_url, init=prepare_connection, server_settings={"lock_timeout": "100ms"}
    )
    async with hurried, pool.acquire() as holder, holder.transaction():
        await holder.fetch("SELECT 1 FROM stripe_object WHERE id = 'cus_1' FOR UPDATE")
        work = applier(hurried)
        for _ in range(2 * ATTEMPTS):
            await work.run_once()
            await asyncio.sleep(0.05)
        applied = await pool.fetchval("SELECT count(*) FROM stripe_customer")
        held_up = await pool.fetchrow("SELECT state, attempts FROM inbox WHERE id = 'evt_u'")

    await applier(pool).drain()

    assert held_up is not None
    assert (applied, *held_up) == (25, "waiting", 1)
    assert await pool.fetchval("SELECT name FROM stripe_customer WHERE id = 'cus_1'") == "new"
    assert not alarms.of("evt_u")


async def test_a_wrong_set_up_buries_nothing_and_is_told_once(pool: Pool, alarms: Alarms) -> None:
    """A column of another release, or a right that is missing, is no event's fault: all of them wait."""
    await inbox.insert(pool, [healthy(n) for n in range(60)])
    await pool.execute("ALTER TABLE stripe_customer RENAME COLUMN name TO full_name")
    work, stop = applier(pool, batch=10), asyncio.Event()
    loop = asyncio.create_task(work.run(stop))

    async def is_told() -> bool:
        return "inbox.halted" in alarms.of(None)

    async def is_tried_again() -> bool:
        return await pool.fetchval("SELECT count(*) > 1 FROM inbox WHERE attempts > 0")  # type: ignore[no-any-return]

    await until(is_told)
    await until(is_tried_again)
    assert (60, 0) == (await inbox.waiting(pool), await inbox.buried(pool))
    assert ["inbox.halted"] == alarms.of(None)
    # One that is being tried at this moment has its try counted, and gets it back.
    assert 2 >= await pool.fetchval("SELECT max(attempts) FROM inbox")

    await pool.execute("ALTER TABLE stripe_customer RENAME COLUMN full_name TO name")
    await until(finished(pool, 60))
    stop.set()
    await loop
    assert ["inbox.halted"] == alarms.of(None)
