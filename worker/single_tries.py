"""Events that failed, each tried alone: counted before it is tried, and buried after the last try.

The count is committed first, because a try may kill the process. What is the database's fault, or a lock
that somebody else keeps, burns no try. All this runs beside the batches, which never wait for it.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence
from typing import Final

import structlog

from handlers.inbox import Key, retries
from sync.telemetry import DEAD_LETTER, LogEvent
from worker.applying import Applying, BatchFailed, Fault, described, fault_of

log = structlog.get_logger(__name__)

ATTEMPTS: Final = 5
RETRY_SECONDS: Final = 1.0
# The second try of one that hangs must not hold up the second tries of its healthy neighbours.
AT_ONCE: Final = 4


class SingleTries:
    """Tries events one by one. Any number may run at once."""

    def __init__(self, applying: Applying, *, retry_seconds: float = RETRY_SECONDS) -> None:
        self._applying = applying
        self._pool = applying.pool
        self._retry_seconds = retry_seconds

    async def run_once(self, limit: int) -> int:
        """Try those that are due; returns how many. Raises what is the database's own fault."""
        due = await retries.due_retries(self._pool, limit)
        await self.try_all([key for key, tries in due.items() if tries == 1], at_once=AT_ONCE)
        # Whoever failed twice is a suspect: one that kills the process must not cost others their tries.
        await self.try_all([key for key, tries in due.items() if tries > 1])
        return len(due)

    async def try_all(self, keys: Sequence[Key], at_once: int = 1) -> None:
        """Try each of these events alone."""
        waiting = iter(keys)

        async def one_after_the_other() -> None:
            for key in waiting:
                await self._try(key)

        tried = await asyncio.gather(*(one_after_the_other() for _ in range(at_once)), return_exceptions=True)
        for ended in tried:
            if ended is not None:
                raise ended

    async def count(self, key: Key, error: Exception | None) -> int | None:
        """Count a try, and say why it failed where it has; None when it is not to be tried now."""
        note = None if error is None else described(error)
        return await retries.count_attempt(self._pool, key, note, self._retry_seconds)

    async def _try(self, key: Key) -> None:
        attempts = await self.count(key, None)
        if attempts is None:
            return
        if attempts > ATTEMPTS:
            # Even the last try never came back to say how it ended.
            await self._bury(key, "the process died in every try")
            return
        try:
            await self._applying.these([key])
        except Exception as error:  # judged at once: what is no event's own fault is raised again
            await self._failed(key, attempts, error.cause if isinstance(error, BatchFailed) else error)

    async def _failed(self, key: Key, attempts: int, error: Exception) -> None:
        match fault_of(error):
            case Fault.DATABASE | Fault.SET_UP:
                with contextlib.suppress(Exception):  # it may be away altogether
                    await retries.spare_attempt(self._pool, key, described(error))
                raise error
            case Fault.LOCK:
                await retries.spare_attempt(self._pool, key, described(error))
            case Fault.EVENT | Fault.STUCK:
                if attempts == ATTEMPTS:
                    await self._bury(key, described(error))

    async def _bury(self, key: Key, why: str) -> None:
        if await retries.bury(self._pool, key, why):
            DEAD_LETTER.inc()
            log.error(LogEvent.INBOX_BURIED, event_id=key.id, error=why.partition(":")[0])
