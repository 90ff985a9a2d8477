"""Group commit: every delivery is acknowledged after its own commit, and a commit carries many of them.

Whatever arrives while one commit runs goes into the next one; nothing lingers on a timer. A batch that
holds an event the database refuses is halved until that one is alone. After any other failure, and after
a commit whose outcome is unknown, everybody who waits is told to come back: Stripe delivers again, and
the inbox knows what it has.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import asyncpg
import structlog

from handlers import inbox
from handlers.envelope import read_envelope
from handlers.inbox import InboxEvent, Key, Source
from handlers.patience import within
from sync import failpoints
from sync.errors import Code, DatabaseTrouble
from sync.failpoints import Side
from sync.steps import Chore
from sync.store.db import Failure, Pool, classify
from sync.telemetry import LogEvent

if TYPE_CHECKING:
    from asyncpg.pool import PoolConnectionProxy

log = structlog.get_logger(__name__)

CAPACITY: Final = 5_000
BATCH: Final = 500
WAIT_SECONDS: Final = 1.8
# What a single insert may lack so that its neighbours are still fine.
_ITS_OWN_FAULT = frozenset({Failure.BAD_DATA, Failure.CONFLICT})

_Key = tuple[int, str]


class IntakeRefused(DatabaseTrouble):
    """The event was not stored as far as we know; the sender has to deliver it again."""


@dataclass(slots=True)
class _Waiting:
    event: InboxEvent
    done: asyncio.Future[None]


class Intake:
    """Stores verified events in batches, on one connection that it keeps.

    `stored` is set after every commit: the applier of this process need not wait for its poll.
    """

    def __init__(
        self,
        pool: Pool,
        *,
        stored: asyncio.Event | None = None,
        capacity: int = CAPACITY,
        wait_seconds: float = WAIT_SECONDS,
    ) -> None:
        self.stored = stored or asyncio.Event()
        self._pool = pool
        self._capacity = capacity
        self._wait_seconds = wait_seconds
        self._queue: dict[_Key, _Waiting] = {}
        self._in_flight: dict[_Key, _Waiting] = {}
        self._arrived = asyncio.Event()
        self._stopping = False
        self._flusher: asyncio.Task[None] | None = None
        self._connection: PoolConnectionProxy[asyncpg.Record] | None = None

    async def start(self) -> None:
        """Begin to store. Does not touch the database yet, so that a dead one is answered, not waited for."""
        self._flusher = asyncio.create_task(self._run(), name="intake")

    async def stop(self) -> None:
        """Refuse new events, store those that wait, and give the connection back."""
        self._stopping = True
        self._arrived.set()
        if self._flusher is not None:
            await self._flusher
        if self._connection is not None:
            # Cut by the server since the last commit: there is nothing to give back.
            with contextlib.suppress(asyncpg.InterfaceError):
                await self._pool.release(self._connection)
            self._connection = None

    async def accept(self, event: InboxEvent) -> None:
        """Return once the event is committed, by this delivery or by another one of the same event.

        Raises IntakeRefused when it is not, or not known to be: full, stopping, no database, no answer
        in time.
        """
        key = (event.created, event.id)
        waiting = self._in_flight.get(key) or self._queue.get(key)
        if waiting is None:
            waiting = self._enqueue(key, event)
        # The commit goes on when this sender hangs up: others may wait for the same one.
        done, _ = await asyncio.wait({waiting.done}, timeout=self._wait_seconds)
        if not done:
            raise _refused("the database did not answer in time")
        error = waiting.done.exception()
        if error is not None:
            raise _refused(str(error) or type(error).__name__) from error

    def _enqueue(self, key: _Key, event: InboxEvent) -> _Waiting:
        if self._stopping or self._flusher is None:
            raise _refused("the intake is not open")
        if len(self._queue) + len(self._in_flight) >= self._capacity:
            raise _refused("too many deliveries wait to be stored")
        waiting = _Waiting(event, asyncio.get_running_loop().create_future())
        # Nobody may be left to read the error: that is no defect.
        waiting.done.add_done_callback(lambda future: future.cancelled() or future.exception())
        self._queue[key] = waiting
        self._arrived.set()
        return waiting

    async def _run(self) -> None:
        while not (self._stopping and not self._queue):
            await self._arrived.wait()
            self._arrived.clear()
            while self._queue:
                await self._flush()

    async def _flush(self) -> None:
        """Store the oldest waiting events, and tell everybody who waits for them."""
        keys = list(self._queue)[:BATCH]
        self._in_flight = {key: self._queue.pop(key) for key in keys}
        try:
            await self._store(
                sorted(self._in_flight.values(), key=lambda each: (each.event.created, each.event.id))
            )
        except Exception as error:  # whatever one batch brings, whoever waits is told, and the next one comes
            log.warning(
                LogEvent.INBOX_REFUSED, reason=type(error).__name__, waiting=len(self._queue) + len(keys)
            )
            self._drop_connection()
            self._fail(error)
        finally:
            self._in_flight = {}

    async def _store(self, batch: Sequence[_Waiting]) -> None:
        """Commit the batch, or the parts of it that can be; raises what concerns all of them."""
        try:
            await within(self._wait_seconds, self._insert([each.event for each in batch]))
        except Exception as error:
            if classify(error) not in _ITS_OWN_FAULT:
                raise
            if len(batch) == 1:
                batch[0].done.set_exception(error)
                return
            middle = len(batch) // 2
            await self._store(batch[:middle])
            await self._store(batch[middle:])
            return
        for each in batch:
            each.done.set_result(None)
        self.stored.set()

    async def _insert(self, events: Sequence[InboxEvent]) -> None:
        if self._connection is None:
            self._connection = await self._pool.acquire(timeout=self._wait_seconds)
        # One statement, so one commit.
        failpoints.reach(Chore.STORE_EVENTS, Side.BEFORE_COMMIT)
        await inbox.insert(self._connection, events)
        failpoints.reach(Chore.STORE_EVENTS, Side.AFTER_COMMIT)

    def _drop_connection(self) -> None:
        """Forget a connection of which nobody knows what it is still doing."""
        connection, self._connection = self._connection, None
        if connection is None:
            return
        # A connection that the server cut was taken back by the pool already, and says so by raising.
        with contextlib.suppress(asyncpg.InterfaceError):
            connection.terminate()
            # The pool counts it as taken until it is given back.
            task = asyncio.ensure_future(self._pool.release(connection))
            task.add_done_callback(lambda ended: ended.cancelled() or ended.exception())

    def _fail(self, error: Exception) -> None:
        """Tell everybody who waits, also those whose turn had not come: they would only wait longer."""
        waiting = [*self._in_flight.values(), *self._queue.values()]
        self._queue.clear()
        for each in waiting:
            if not each.done.done():
                each.done.set_exception(error)


def _refused(why: str) -> IntakeRefused:
    return IntakeRefused(Code.DATABASE_UNAVAILABLE, f"The event was not stored: {why}.", retryable=True)


def store_listed(
    pool: Pool, stored: asyncio.Event | None = None
) -> Callable[[Sequence[bytes]], Awaitable[int]]:
    """Return what catch-up needs: store raw events from Stripe's list, and say how many were new."""

    async def store(bodies: Sequence[bytes]) -> int:
        events = [read_envelope(body, source=Source.CATCH_UP) for body in bodies]
        # Nearly all of them came by webhook: their bodies need not travel again.
        known = await inbox.known(pool, [Key(event.created, event.id) for event in events])
        new = await inbox.insert(pool, [each for each in events if (each.created, each.id) not in known])
        if new and stored is not None:
            stored.set()
        return new

    return store
