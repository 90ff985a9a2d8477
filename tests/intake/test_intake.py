"""Group commit: acknowledged after the commit, refused in time, never one for another's fault."""

from __future__ import annotations

import asyncio
import time

import asyncpg
import pytest
from aiohttp.test_utils import TestClient, TestServer

from handlers import inbox
from handlers.intake import Intake, IntakeRefused
from sync.store.db import Pool, create_pool
from tests.intake.conftest import SECRET, URL, application, signature
from tests.intake.test_webhooks import EVENT
from tests.mirror.builders import customer, event
from tests.support.patience import DOOR_SECONDS


def some(number: int, **changes: object) -> inbox.InboxEvent:
    return event(customer(), "customer.updated", event_id=f"evt_{number}", **changes)


async def test_what_arrives_together_is_committed_together(pool: Pool) -> None:
    """Many events at once need only a few commits, and all of them are stored."""
    intake = Intake(pool)
    await intake.start()

    await asyncio.gather(*(intake.accept(some(n)) for n in range(1000)))
    await intake.stop()

    assert await inbox.waiting(pool) == 1000
    # Rows of one commit carry one transaction's number.
    assert await pool.fetchval("SELECT count(DISTINCT xmin::text) FROM inbox") <= 3


async def test_the_signal_is_set_after_the_commit(pool: Pool) -> None:
    """The applier of this process is told at once."""
    intake = Intake(pool)
    await intake.start()

    await intake.accept(some(1))

    assert intake.stored.is_set()
    await intake.stop()


async def test_one_bad_event_does_not_fail_its_neighbours(pool: Pool) -> None:
    """A batch with an event that the database refuses is halved until that one is alone."""
    intake = Intake(pool)
    bad = inbox.InboxEvent(id="evt_bad", created=5, type="nul \0", body=b"")

    waiting = [asyncio.create_task(intake_accept(intake, one)) for one in [some(1), bad, some(2), some(3)]]
    await intake.start()
    ended = await asyncio.gather(*waiting)
    await intake.stop()

    assert ended == [True, False, True, True]
    assert await inbox.waiting(pool) == 3


async def intake_accept(intake: Intake, one: inbox.InboxEvent) -> bool:
    """Whether the event was acknowledged; waits for the start so that all are in one batch."""
    await asyncio.sleep(0)
    try:
        await intake.accept(one)
    except IntakeRefused:
        return False
    return True


async def test_a_full_intake_refuses(pool: Pool) -> None:
    """Beyond its capacity it says so at once instead of growing."""
    intake = Intake(pool, capacity=3)
    await intake.start()

    ended = await asyncio.gather(*(intake_accept(intake, some(n)) for n in range(5)))
    await intake.stop()

    assert ended == [True, True, True, False, False]


async def test_stop_stores_what_waits(pool: Pool) -> None:
    """What was taken in before the stop is committed; what comes after is refused."""
    intake = Intake(pool)
    await intake.start()
    waiting = asyncio.create_task(intake.accept(some(1)))
    await asyncio.sleep(0)

    await intake.stop()
    await waiting

    assert await inbox.waiting(pool) == 1
    with pytest.raises(IntakeRefused):
        await intake.accept(some(2))


async def test_a_sender_that_hangs_up_does_not_cancel_the_others(pool: Pool) -> None:
    """Two deliveries of one event share a commit; one of them going away changes nothing."""
    intake = Intake(pool)
    await intake.start()
    first = asyncio.create_task(intake.accept(some(1)))
    second = asyncio.create_task(intake.accept(some(1)))
    await asyncio.sleep(0)

    first.cancel()
    await second
    await intake.stop()

    assert await inbox.waiting(pool) == 1


async def test_a_locked_database_is_503_within_two_seconds(pool: Pool) -> None:
    """A commit that does not come is not waited for; the connection is given up and the next one works."""
    intake = Intake(pool)
    await intake.start()
    async with pool.acquire() as conn, conn.transaction():
        await conn.execute("LOCK TABLE inbox IN ACCESS EXCLUSIVE MODE")
        async with TestClient(TestServer(application(intake, SECRET))) as client:
            started = time.monotonic()
            answer = await client.post(URL, data=EVENT, headers={"Stripe-Signature": signature(EVENT)})
            seconds = time.monotonic() - started

    assert answer.status == 503
    assert seconds < DOOR_SECONDS
    await intake.accept(some(2))
    await intake.stop()


async def test_a_dead_database_is_503_and_comes_back(database_url: str) -> None:
    """Connections that the server cut are replaced; deliveries meanwhile are refused, not lost."""
    pool = await create_pool(database_url)
    intake = Intake(pool)
    await intake.start()
    await intake.accept(some(1))

    admin = await asyncpg.connect(database_url)
    await admin.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
        "WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'"
    )
    refused = not await intake_accept(intake, some(2))
    await intake.accept(some(3))
    await intake.stop()

    assert refused
    assert await admin.fetchval("SELECT count(*) FROM inbox") == 2
    await admin.close()
    await pool.close()
