"""Everything that calls outside: the queue's entrypoints, its schedule, and the safety net behind it.

The queue only nudges. A sweep over our own tables enqueues what is due, so a lost job costs seconds.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
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
from sync.store.db import Failure, classify
from sync.store.jobs import QUEUE_SETTINGS, Job, queries
from sync.telemetry import JOB_SECONDS, LogEvent

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
# How often promised decreases are compared with what is in use: they are warned of by the day.
LOOK_AHEAD_SECONDS: Final = 30.0
RECONNECT_SECONDS: Final = 1.0
CATCH_UP_CRON: Final = "* * * * *"


class Jobs:
    """Runs the queue until told to stop. `catch_up` is run by one worker of all, once a minute."""

    def __init__(self, dsn: str, billing: Billing, *, catch_up: Callable[[], Awaitable[object]]) -> None:
        self._dsn = dsn
        self._billing = billing
        self._catch_up = catch_up

    def handlers(self) -> dict[Job, Handler]:
        """One handler for every name of the queue."""
        return {Job.ADVANCE_CHANGE: self._advance_change, Job.CATCH_UP: self._run_catch_up}

    def rounds(self) -> dict[str, tuple[Callable[[], Awaitable[object]], float]]:
        """What is looked for in our own tables every so many seconds, by every worker.

        Changes that are due: the queue may have lost them, or their worker died. Decreases that no longer
        fit, and requests that nobody decided: nothing but a notice comes of either.
        """
        return {
            "sweep": (partial(changes.enqueue_due, self._billing), SWEEP_SECONDS),
            "usage": (partial(usage.warn_of_decreases, self._billing), LOOK_AHEAD_SECONDS),
            "requests": (partial(request_decisions.expire_due, self._billing), LOOK_AHEAD_SECONDS),
        }

    async def run(self, stop: asyncio.Event) -> None:
        """Run until `stop` is set; a lost database connection is opened again."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._run_queue(stop))
            for name, (work, seconds) in self.rounds().items():
                group.create_task(_repeat(stop, name, work, seconds))

    async def _run_queue(self, stop: asyncio.Event) -> None:
        while not stop.is_set():
            try:
                await self._run_connected(stop)
            except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError) as error:
                log.warning(LogEvent.JOB_FAILED, kind="queue", error=type(error).__name__)
                await _pause(stop, RECONNECT_SECONDS)

    async def _run_connected(self, stop: asyncio.Event) -> None:
        connection = await asyncpg.connect(self._dsn, server_settings={"application_name": "prorata-queue"})
        try:
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

        async def scheduled(_: Schedule) -> None:
            await _timed(Job.CATCH_UP, self._catch_up())

        queue.schedule(str(Job.CATCH_UP), CATCH_UP_CRON)(scheduled)

    async def _advance_change(self, payload: dict[str, str]) -> None:
        await advance(self._billing, payload["change_id"])

    async def _run_catch_up(self, _: dict[str, str]) -> None:
        await self._catch_up()


async def _repeat(
    stop: asyncio.Event, name: str, work: Callable[[], Awaitable[object]], seconds: float
) -> None:
    """Do something again and again until `stop`; no failure of one round ends the rounds."""
    while not stop.is_set():
        try:
            await work()
        except Exception as error:  # the worker must not die of one look
            if classify(error) in (Failure.RETRY, Failure.UNAVAILABLE):
                log.warning(LogEvent.JOB_FAILED, kind=name, error=type(error).__name__)
            else:
                log.exception(LogEvent.JOB_FAILED, kind=name, error=type(error).__name__)
        await _pause(stop, seconds)


def _entrypoint(name: Job, handler: Handler) -> Callable[[QueuedJob], Awaitable[None]]:
    async def run(job: QueuedJob) -> None:
        payload = msgspec.json.decode(job.payload or b"{}", type=dict[str, str])
        await _timed(name, handler(payload), **payload)

    return run


async def _timed(name: Job, work: Awaitable[object], **ids: str) -> None:
    """Measure a job; a failure is logged here, and the sweep brings back whatever is still due."""
    started, outcome = clock.monotonic(), "ok"
    try:
        await work
    except Exception as error:  # the queue must not die of one job
        outcome = "failed"
        log.exception(LogEvent.JOB_FAILED, kind=str(name), error=type(error).__name__, **ids)
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
