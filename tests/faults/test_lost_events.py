"""Row 33 with the worker's own timetable: nobody asks for catch-up, and it finds what was lost."""

from __future__ import annotations

from datetime import timedelta

from sync.store.jobs import Job
from tests.flows.world import World, whole_world
from worker.app import started

# Found within a quarter of an hour is the promise, one minute the timetable.
MOST = timedelta(seconds=61)


async def test_row_33_an_event_that_is_dropped_is_found_by_the_timetable(database_url: str) -> None:
    """Catch-up is due within a minute of the start of a worker; what is due runs, and fills the mirror."""
    async with whole_world(database_url, work=False) as world:
        async with started(world.settings, doors=False, work=True):
            await world.eventually(lambda: _is_planned(world))
        due, now = await world.billing.pool.fetchrow(DUE, str(Job.CATCH_UP))
        assert due <= now + MOST
        await world.control("POST", "delivery", {"mode": "drop"})
        await world.account()
        assert 0 == await world.billing.pool.fetchval("SELECT count(*) FROM inbox")

        # As if that minute were over.
        await world.billing.pool.execute("UPDATE queue.pgqueuer_schedules SET next_run = now()")
        async with started(world.settings, doors=False, work=True):
            await world.eventually(lambda: _is_known(world))


DUE = "SELECT next_run, now() FROM queue.pgqueuer_schedules WHERE entrypoint = $1"


async def _is_planned(world: World) -> bool:
    return await world.billing.pool.fetchval(DUE, str(Job.CATCH_UP)) is not None


async def _is_known(world: World) -> bool:
    """Whether the mirror has the customer that no event told of."""
    found = "SELECT count(*) FROM stripe_object WHERE id = $1"
    customer = (await world.view())["stripe_customer_id"]
    return bool(await world.billing.pool.fetchval(found, customer))
