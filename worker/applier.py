"""The loops that turn stored events into the mirror, and doubts into reads.

A batch is one transaction. One that fails is tried again in halves, down to the single event that is at
fault; that one is then tried alone, each attempt counted in a transaction of its own before it is made,
and buried after the last. Its neighbours never wait for it. What is the database's fault burns no attempt.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence
from typing import Final

import structlog

from handlers import inbox
from handlers.dispatch import Dispatcher, Ignored, Rubbish
from handlers.inbox import Claimed, Ending, Key, State
from sync.clock import monotonic
from sync.mirror import Mirror
from sync.observation import Observation
from sync.refresh import Refresh
from sync.store.db import Connection, Failure, Pool, classify, transaction
from sync.telemetry import DEAD_LETTER, EVENT_APPLY_SECONDS, LogEvent

log = structlog.get_logger(__name__)

BATCH: Final = 200
POLL_SECONDS: Final = 0.1
ATTEMPTS: Final = 5
RETRY_SECONDS: Final = 1.0
# After a failure that is the database's own, doubled up to the second one.
BACK_OFF_SECONDS: Final = (0.1, 5.0)
_NOT_THE_EVENTS_FAULT = frozenset({Failure.RETRY, Failure.UNAVAILABLE})


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
    ) -> None:
        self._pool = pool
        self._dispatcher = dispatcher
        self._mirror = mirror
        self._signal = signal or asyncio.Event()
        self._batch = batch
        self._poll_seconds = poll_seconds
        self._retry_seconds = retry_seconds

    async def run(self, stop: asyncio.Event) -> None:
        """Apply events as they come, until `stop`; the batch at hand is finished first."""
        pause = BACK_OFF_SECONDS[0]
        while not stop.is_set():
            self._signal.clear()
            try:
                handled = await self.run_once()
                pause = BACK_OFF_SECONDS[0]
            except Exception as error:
                if classify(error) not in _NOT_THE_EVENTS_FAULT:
                    log.exception(LogEvent.JOB_FAILED, job="apply_events")
                await _first_of(pause, stop)
                pause = min(BACK_OFF_SECONDS[1], pause * 2)
                continue
            if not handled:
                await _first_of(self._poll_seconds, stop, self._signal)

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
        taken = await self._apply_oldest()
        due = await inbox.due_retries(self._pool, self._batch)
        for key in due:
            await self._try_alone(key)
        return taken + len(due)

    async def _apply_oldest(self) -> int:
        rows: list[Claimed] = []
        started = monotonic()
        try:
            async with transaction(self._pool) as conn:
                rows = await inbox.claim(conn, self._batch)
                await self._apply(conn, rows)
        except Exception as error:
            if not rows or classify(error) in _NOT_THE_EVENTS_FAULT:
                raise
            await self._apply_parts([row.key for row in rows], error)
        if rows:
            EVENT_APPLY_SECONDS.observe(monotonic() - started)
        return len(rows)

    async def _apply_parts(self, keys: Sequence[Key], error: Exception) -> None:
        """Apply a failed batch in halves; an event that fails alone is left to its single tries."""
        if len(keys) == 1:
            await self._count(keys[0], error)
            return
        log.warning(LogEvent.INBOX_RETRIED, events=len(keys), error=type(error).__name__)
        middle = len(keys) // 2
        for part in (keys[:middle], keys[middle:]):
            try:
                await self._apply_these(part)
            except Exception as again:
                if classify(again) in _NOT_THE_EVENTS_FAULT:
                    raise
                await self._apply_parts(part, again)

    async def _try_alone(self, key: Key) -> None:
        """One single try of an event that failed before. It is counted first: it may kill the process."""
        attempts = await self._count(key, None)
        if attempts is None:
            return
        if attempts > ATTEMPTS:
            # Even the last try never came back to say how it ended.
            await self._bury(key, "the process died in every try")
            return
        try:
            await self._apply_these([key])
        except Exception as error:
            if classify(error) in _NOT_THE_EVENTS_FAULT:
                raise
            if attempts == ATTEMPTS:
                await self._bury(key, _described(error))

    async def _count(self, key: Key, error: Exception | None) -> int | None:
        note = None if error is None else _described(error)
        return await inbox.count_attempt(self._pool, key, note, self._retry_seconds)

    async def _bury(self, key: Key, why: str) -> None:
        if await inbox.bury(self._pool, key, why):
            DEAD_LETTER.inc()
            log.error(LogEvent.INBOX_BURIED, event_id=key.id, error=why.partition(":")[0])

    async def _apply_these(self, keys: Sequence[Key]) -> None:
        async with transaction(self._pool) as conn:
            await self._apply(conn, await inbox.claim_these(conn, keys))

    async def _apply(self, conn: Connection, rows: Sequence[Claimed]) -> None:
        """Write what these events show and end them, in one transaction."""
        if not rows:
            return
        shown: list[Observation] = []
        endings: list[Ending] = []
        for row in rows:
            view = self._dispatcher.view(row)
            if isinstance(view, Observation):
                shown.append(view)
                endings.append(Ending(row.key, State.FINISHED))
            else:
                endings.append(_set_aside(row, view))
        decided = await self._mirror.apply(conn, shown) if shown else {}
        await inbox.finish(conn, endings)
        log.debug(LogEvent.BATCH_APPLIED, events=len(rows), **{str(why): n for why, n in decided.items()})


def _described(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"


def _set_aside(row: Claimed, view: Ignored | Rubbish) -> Ending:
    """End an event that is not applied; what should never have come here is worth an alarm."""
    if isinstance(view, Rubbish):
        DEAD_LETTER.inc()
        log.error(LogEvent.INBOX_BURIED, event_id=row.id, error=view.why)
        return Ending(row.key, State.BURIED, view.why)
    if view.alert:
        log.error(LogEvent.INBOX_IGNORED, event_id=row.id, type=row.type, why=view.why)
    return Ending(row.key, State.IGNORED, view.why)


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
            except Exception:
                log.exception(LogEvent.JOB_FAILED, job="refresh")
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
