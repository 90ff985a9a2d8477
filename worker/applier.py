"""The loops that turn stored events into the mirror, and doubts into reads.

A batch is one transaction. One that fails is tried again in halves, down to the single event that is at
fault; that one is tried alone from then on (`worker.single_tries`), beside the batches. A batch that gets
stuck is taken apart at once. What is the database's own fault is waited out and blamed on no event; where
only a person can end it, one alarm says so, however many events wait.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

import structlog

from handlers import inbox
from handlers.dispatch import Dispatcher
from handlers.inbox import Key, retries
from sync.clock import monotonic
from sync.mirror import Mirror
from sync.refresh import Refresh
from sync.store.db import Pool
from sync.telemetry import EVENT_APPLY_SECONDS, LogEvent
from worker.applying import LONGEST_SECONDS, OF_ALL, Applying, BatchFailed, Fault, described, fault_of
from worker.failures import log_failure
from worker.single_tries import RETRY_SECONDS, SingleTries

log = structlog.get_logger(__name__)

BATCH: Final = 200
POLL_SECONDS: Final = 0.1
# One of the oldest may be what killed the process before this one: it had no more than that in its hands.
CAREFUL: Final = BATCH
# After a failure that is the database's own, doubled up to the second one.
BACK_OFF_SECONDS: Final = (0.1, 2.0)
# How often a person is told again of a set-up that keeps all events from being applied.
REMIND_SECONDS: Final = 600.0


class Applier:
    """Applies waiting events. Any number may run at once, as tasks or processes.

    `signal` is the intake's `stored` event: it only saves the wait for the poll.
    """

    def __init__(
        self,
        pool: Pool,
        dispatcher: Dispatcher,
        mirror: Mirror,
        *,
        signal: asyncio.Event | None = None,
        batch: int = BATCH,
        poll_seconds: float = POLL_SECONDS,
        retry_seconds: float = RETRY_SECONDS,
        longest_seconds: float = LONGEST_SECONDS,
    ) -> None:
        self._pool = pool
        self._applying = Applying(pool, dispatcher, mirror, longest_seconds=longest_seconds)
        self._singles = SingleTries(self._applying, retry_seconds=retry_seconds)
        self._signal = signal or asyncio.Event()
        self._batch = batch
        self._poll_seconds = poll_seconds
        self._told_at: float | None = None

    async def run(self, stop: asyncio.Event) -> None:
        """Apply events as they come, until `stop`; the batch at hand is finished first."""
        await asyncio.gather(
            self._repeat(self._batches(), stop, self._signal),
            self._repeat(lambda: self._singles.run_once(self._batch), stop),
        )

    async def drain(self) -> None:
        """Return when no event waits any more: each one is finished, ignored or buried."""
        while True:
            if await self.run_once():
                continue
            if not await inbox.waiting(self._pool):
                return
            # What is left is held by another applier, or waits for its next single try.
            await asyncio.sleep(self._poll_seconds)

    async def run_once(self) -> int:
        """Apply one batch and the single tries that are due; returns how many events were taken up.

        Raises what is the database's own fault; then nothing was applied and no attempt was burnt.
        """
        return await self._apply_oldest() + await self._singles.run_once(self._batch)

    def _batches(self) -> Callable[[], Awaitable[int]]:
        """The work of the first loop: what waits at its start is tried with care, then come batches."""
        is_first = True

        async def work() -> int:
            nonlocal is_first
            if is_first:
                await self._begin()
                is_first = False
            return await self._apply_oldest()

        return work

    async def _begin(self) -> None:
        """Try the oldest events alone: they may have killed the process that had them in a batch.

        A batch counts no tries beforehand, which would double its price, so this is how an event that
        kills gets its first count: every process that it kills is followed by one that begins like this.
        """
        await self._singles.try_all(await inbox.oldest_untried(self._pool, CAREFUL))

    async def _repeat(
        self, work: Callable[[], Awaitable[int]], stop: asyncio.Event, *wake: asyncio.Event
    ) -> None:
        pause = BACK_OFF_SECONDS[0]
        while not stop.is_set():
            for event in wake:
                event.clear()
            try:
                handled = await work()
                pause = BACK_OFF_SECONDS[0]
            except Exception as error:  # the loop must outlive whatever one batch brings
                self._tell(error)
                await _first_of(pause, stop)
                pause = min(BACK_OFF_SECONDS[1], pause * 2)
                continue
            if not handled:
                await _first_of(self._poll_seconds, stop, *wake)

    def _tell(self, error: Exception) -> None:
        """Say what keeps this applier from its work; a wrong set-up now and then, however often it is met."""
        match fault_of(error):
            case Fault.DATABASE:
                pass  # it has alarms of its own
            case Fault.SET_UP:
                now = monotonic()
                if self._told_at is None or now - self._told_at >= REMIND_SECONDS:
                    self._told_at = now
                    log.error(LogEvent.INBOX_HALTED, error=described(error))
            case _:
                log.exception(LogEvent.JOB_FAILED, job="apply_events")

    async def _apply_oldest(self) -> int:
        started = monotonic()
        try:
            applied = await self._applying.oldest(self._batch)
        except BatchFailed as failed:
            applied = len(failed.keys)
            await self._apply_parts(failed.keys, failed.cause)
        if applied:
            EVENT_APPLY_SECONDS.observe(monotonic() - started)
        return applied

    async def _apply_parts(self, keys: Sequence[Key], error: Exception) -> None:
        """Apply a failed batch in halves; an event that fails alone is left to its single tries."""
        fault = fault_of(error)
        if fault in OF_ALL:
            raise error
        if fault is not Fault.EVENT:
            log.warning(LogEvent.INBOX_RETRIED, events=len(keys), error=type(error).__name__)
            await retries.set_apart(self._pool, keys, described(error))
            return
        if len(keys) == 1:
            await self._singles.count(keys[0], error)
            return
        log.warning(LogEvent.INBOX_RETRIED, events=len(keys), error=type(error).__name__)
        middle = len(keys) // 2
        for part in (keys[:middle], keys[middle:]):
            try:
                await self._applying.these(part)
            except BatchFailed as failed:
                await self._apply_parts(failed.keys, failed.cause)


class Refresher:
    """Keeps the refresh list short."""

    def __init__(self, refresh: Refresh, *, poll_seconds: float = 0.5) -> None:
        self._refresh = refresh
        self._poll_seconds = poll_seconds

    async def run(self, stop: asyncio.Event) -> None:
        """Read doubted objects as they come, until `stop`."""
        while not stop.is_set():
            taken = 0
            try:
                taken = await self._refresh.run_once()
            except Exception as error:  # and so must this one outlive its reads
                log_failure(error, kind="refresh")
            if not taken:
                await _first_of(self._poll_seconds, stop)


async def _first_of(seconds: float, *events: asyncio.Event) -> None:
    """Return when one of the events is set, or after `seconds`."""
    waiting = [asyncio.ensure_future(event.wait()) for event in events]
    try:
        await asyncio.wait(waiting, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in waiting:
            task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.gather(*waiting, return_exceptions=True)
