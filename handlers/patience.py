"""How long a door waits for the database before it says so."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from sync.errors import Code, DatabaseTrouble

T = TypeVar("T")


async def within(seconds: float, work: Coroutine[Any, Any, T]) -> T:
    """Return what `work` returns, or raise `DatabaseTrouble` after `seconds`.

    `asyncio.timeout` would wait for the cancelled call to end, and a call to a server that hangs only ends
    when the server answers the cancellation.
    """
    task = asyncio.ensure_future(work)
    try:
        done, _ = await asyncio.wait({task}, timeout=seconds)
    except asyncio.CancelledError:
        _abandon(task)
        raise
    if done:
        return task.result()
    _abandon(task)
    raise DatabaseTrouble(
        Code.DATABASE_UNAVAILABLE, f"the database did not answer within {seconds:g} s", retryable=True
    )


def _abandon(task: asyncio.Future[Any]) -> None:
    """Cancel a call without waiting for its end, and take its last error, which nobody reads any more."""
    task.cancel()
    task.add_done_callback(lambda ended: ended.cancelled() or ended.exception())
