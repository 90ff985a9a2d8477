"""How long a task waits for the database. A door says so soon; workers and reports may take their time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Final

import asyncpg
from asyncpg import exceptions as errors

if TYPE_CHECKING:
    from typing import TypeAlias

    PlainConnection: TypeAlias = asyncpg.Connection[asyncpg.Record]

# The server gives up so much earlier than the client, so that its own reason is the one that is seen; and for
# so long the end of a statement that was given up is waited for.
GRACE_SECONDS: Final = 0.05

# For how long this task may wait for a connection, for a lock and for an answer; None: as long as it takes.
_patience: ContextVar[float | None] = ContextVar("patience", default=None)


@contextmanager
def impatient(seconds: float | None) -> Iterator[None]:
    """Inside, nobody waits longer than this for a connection, a lock or an answer: somebody is at a door.

    With None everybody may wait again, for what is known to take long.
    """
    token = _patience.set(seconds)
    try:
        yield
    finally:
        _patience.reset(token)


def patience() -> float | None:
    """For how many seconds this task may wait for the database; None: as long as it takes."""
    return _patience.get()


async def connect(*args: Any, **named: Any) -> PlainConnection:
    """Connect, and call every way of not getting there a database error: at the doors it is one."""
    try:
        return await asyncpg.connect(*args, **named)
    except OSError as error:
        reason = str(error) or type(error).__name__
        raise errors.ConnectionFailureError(f"there is no way to the server: {reason}") from error


class PatientPool(asyncpg.Pool):
    """A pool whose connections are waited for no longer than the task has patience."""

    def acquire(self, *, timeout: float | None = None) -> Any:
        return super().acquire(timeout=_patience.get() if timeout is None else timeout)


class PatientConnection(asyncpg.Connection):
    """A connection whose statements, BEGIN and COMMIT among them, take no longer than the task has patience.

    Whoever names a `timeout` of its own has it.
    """

    def get_reset_query(self) -> str:
        """Nothing to run when it goes back to its pool: what we set, lock or declare ends with a transaction.

        An open transaction is ended all the same. asyncpg's own query would be half of our statements.
        """
        return ""

    async def execute(self, *args: Any, **named: Any) -> Any:
        return await self._within_patience(super().execute, args, named)

    async def executemany(self, *args: Any, **named: Any) -> Any:
        return await self._within_patience(super().executemany, args, named)

    async def fetch(self, *args: Any, **named: Any) -> Any:
        return await self._within_patience(super().fetch, args, named)

    async def fetchrow(self, *args: Any, **named: Any) -> Any:
        return await self._within_patience(super().fetchrow, args, named)

    async def fetchval(self, *args: Any, **named: Any) -> Any:
        return await self._within_patience(super().fetchval, args, named)

    async def _within_patience(
        self, statement: Callable[..., Awaitable[Any]], args: tuple[Any, ...], named: Mapping[str, Any]
    ) -> Any:
        seconds = _patience.get()
        if seconds is None or named.get("timeout") is not None:
            return await statement(*args, **named)
        try:
            # Not asyncpg's own limit: that one does not count what it does before and after a statement.
            async with asyncio.timeout(seconds + GRACE_SECONDS):
                return await statement(*args, **named)
        except TimeoutError:
            await self._give_up()
            raise

    async def _give_up(self) -> None:
        """Leave a server that does not even say that it has cancelled: a rollback would wait for it again."""
        try:
            async with asyncio.timeout(GRACE_SECONDS):
                await super().execute("")
        except Exception:  # whatever it is, this connection is of no use any more
            self.terminate()
