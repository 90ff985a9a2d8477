"""Everything that calls outside: the queue's entrypoints, its schedule, and the safety net behind it.

The queue only nudges. A sweep over our own tables enqueues what is due, so a lost job costs seconds.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Final

import asyncpg
import msgspec
import structlog
from pgqueuer.adapters.drivers.asyncpg import AsyncpgDriver
from pgqueuer.core.applications import PgQueuer

from sync import changes, clock, request_decisions, usage
from sync.advance import advance
from sync.billing import Billing
from sync.reconcile import freshness, repair_send
from sync.store.jobs import QUEUE_SETTINGS, Job, know_types, queries
from sync.telemetry import JOB_SECONDS
from worker.failures import log_failure

if TYPE_CHECKING:
    from pgqueuer.domain.models import Job as QueuedJob
    from pgqueuer.domain.models import Schedule

log = structlog.get_logger()

Handler = Callable[[dict[str, str]], Awaitable[None]]

# A worker that died is noticed after this long, and its jobs are run by another one.
HEARTBEAT_SECONDS: Final = 10
# How often the queue is looked at without a notification, for jobs that are due later.
POLL_SECONDS: Final = 2
JOBS_AT_ONCE: Final = 32
SWEEP_SECONDS: Final = 1.0
# How often repairs are taken up that their own process left behind.
REPAIR_SECONDS: Final = 2.0
# How often promised decreases are compared with what is in use: they are warned of by the day.
LOOK_AHEAD_SECONDS: Final = 30.0
# How often it is asked whether catch-up and the sweep still come to their end.
FRESHNESS_SECONDS: Final = 300.0
RECONNECT_SECONDS: Final = 1.0
# One begins after the other: all at once they would open a connection each at every start.
APART_SECONDS: Final = 0.03
# When one worker of all does what nobody asked for.
CRONS: Final = {Job.CATCH_UP: "* * * * *", Job.SWEEP: "* * * * *", Job.KEEP_HOUSE: "23 3 * * *"}


class Jobs:
    """Runs the queue until told to stop. Of `scheduled` each is run by one worker of all, as CRONS says."""

    def __init__(
        self, dsn: str, billing: Billing, *, scheduled: Mapping[Job, Callable[[], Awaitable[object]]]
    ) -> None:
        self._dsn = dsn
        self._billing = billing
        self._scheduled = scheduled

    def handlers(self) -> dict[Job, Handler]:
        """One handler for every name of the queue."""
        asked = {job: _without_payload(work) for job, work in self._scheduled.items()}
        return {Job.ADVANCE_CHANGE: self._advance_change, **asked}

    def rounds(self) -> dict[str, tuple[Callable[[], Awaitable[object]], float]]:
        """What is looked for in our own tables every so many seconds, by every worker.

        Changes that are due: the queue may have lost them, or their worker died. Decreases that no longer
        fit, and requests that nobody decided: nothing but a notice comes of either. Repairs whose process
        died, or that wait.
        """
        return {
            "sweep": (partial(changes.enqueue_due, self._billing), SWEEP_SECONDS),
            "repairs": (partial(repair_send.resume_due, self._billing), REPAIR_SECONDS),
            "freshness": (partial(freshness.watch, self._billing.pool), FRESHNESS_SECONDS),
            "usage": (partial(usage.warn_of_decreases, self._billing), LOOK_AHEAD_SECONDS),
            "requests": (partial(request_decisions.expire_due, self._billing), LOOK_AHEAD_SECONDS),
        }

    async def run(self, stop: asyncio.Event) -> None:
        """Run until `stop` is set; a lost database connection is opened again."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._run_queue(stop))
            for place, (name, (work, seconds)) in enumerate(self.rounds().items()):
                group.create_task(_repeat(stop, name, work, seconds, place * APART_SECONDS))

    async def _run_queue(self, stop: asyncio.Event) -> None:
        while not stop.is_set():
            try:
                await self._run_connected(stop)
            except Exception as error:  # of a dead connection the queue's own library makes many things
                log_failure(error, kind="queue")
                await _pause(stop, RECONNECT_SECONDS)

    async def _run_connected(self, stop: asyncio.Event) -> None:
        connection = await asyncpg.connect(self._dsn, server_settings={"application_name": "prorata-queue"})
        try:
            await know_types(connection)
            driver = AsyncpgDriver(connection)
            queue = PgQueuer(driver, channel=QUEUE_SETTINGS.channel, queries=queries(driver))
            self._register(queue)
            stopping = asyncio.create_task(_shut_down(stop, queue))
            try:
                await queue.run(
                    dequeue_timeout=timedelta(seconds=POLL_SECONDS),
                    max_concurrent_tasks=JOBS_AT_ONCE,
                    heartbeat_timeout=timedelta(seconds=HEARTBEAT_SECONDS),
                    shutdown_on_listener_failure=True,
                )
            finally:
                stopping.cancel()
        finally:
            await connection.close(timeout=2)

    def _register(self, queue: PgQueuer) -> None:
        for name, handler in self.handlers().items():
            queue.entrypoint(str(name))(_entrypoint(name, handler))

        for name, work in self._scheduled.items():
            queue.schedule(str(name), CRONS[name])(_scheduled(name, work))

    async def _advance_change(self, payload: dict[str, str]) -> None:
        await advance(self._billing, payload["change_id"])


async def _repeat(
    stop: asyncio.Event, name: str, work: Callable[[], Awaitable[object]], seconds: float, begin: float
) -> None:
    """After `begin` seconds do something again and again until `stop`; no failure ends the rounds."""
    await _pause(stop, begin)
    while not stop.is_set():
        try:
            await work()
        except Exception as error:  # the worker must not die of one look
            log_failure(error, kind=name)
        await _pause(stop, seconds)


def _entrypoint(name: Job, handler: Handler) -> Callable[[QueuedJob], Awaitable[None]]:
    async def run(job: QueuedJob) -> None:
        payload = msgspec.json.decode(job.payload or b"{}", type=dict[str, str])
        await _timed(name, handler(payload), **payload)

    return run


def _without_payload(work: Callable[[], Awaitable[object]]) -> Handler:
    async def handle(_: dict[str, str]) -> None:
        await work()

    return handle


def _scheduled(name: Job, work: Callable[[], Awaitable[object]]) -> Callable[[Schedule], Awaitable[None]]:
    async def run(_: Schedule) -> None:
        await _timed(name, work())

    return run


async def _timed(name: Job, work: Awaitable[object], **ids: str) -> None:
    """Measure a job; a failure is logged here, and the sweep brings back whatever is still due."""
    started, outcome = clock.monotonic(), "ok"
    try:
        await work
    except Exception as error:  # the queue must not die of one job
        outcome = "failed"
        log_failure(error, kind=str(name), **ids)
    finally:
        JOB_SECONDS.labels(kind=str(name), outcome=outcome).observe(clock.monotonic() - started)


async def _shut_down(stop: asyncio.Event, queue: PgQueuer) -> None:
    await stop.wait()
    queue.shutdown.set()


async def _pause(stop: asyncio.Event, seconds: float) -> None:
    """Sleep, but not longer than until `stop`."""
    try:
        await asyncio.wait_for(stop.wait(), seconds)
    except TimeoutError:
        return
