"""The daily round is one worker's, and is known to the queue."""

from __future__ import annotations

from sync.store.db import transaction
from sync.store.jobs import Job, enqueue
from tests.flows.conftest import world
from tests.flows.world import World
from worker.jobs import CRONS

__all__ = ["world"]


def test_every_job_is_asked_for_or_has_its_time() -> None:
    """A name that nobody runs would wait in the queue for ever."""
    assert set(Job) == {Job.ADVANCE_CHANGE, *CRONS}


async def test_worker_keeps_house(world: World) -> None:
    """It is on the queue's timetable, and does what it is for when its time has come."""
    pool = world.billing.pool
    await pool.execute(
        "INSERT INTO idempotency_answer (principal, key, request_hash, claimed_at) "
        "VALUES ('p', 'old', 'h', now() - interval '31 days'), ('p', 'new', 'h', now())"
    )

    async def is_on_the_timetable() -> bool:
        rows = await pool.fetch("SELECT entrypoint, expression FROM queue.pgqueuer_schedules")
        return ("keep_house", "23 3 * * *") in [tuple(row) for row in rows]

    async def is_done() -> bool:
        return ["new"] == [row["key"] for row in await pool.fetch("SELECT key FROM idempotency_answer")]

    await world.eventually(is_on_the_timetable)
    async with transaction(pool) as conn:
        await enqueue(conn, Job.KEEP_HOUSE, [{}])
    await world.eventually(is_done)
