"""Named places where a test or the demonstration may kill the process, one on each side of a commit or call.

The names are made from the tables of `sync.steps`. Nothing is armed unless the process was started so; then
reaching the name ends it with SIGKILL, exactly as a lost machine would: no cleanup runs. `name:stop` holds
the process up instead, until it gets SIGCONT. A read at Stripe leaves nothing behind, so dying beside one is
dying after the commit before it.
"""

from __future__ import annotations

import os
import signal
from collections.abc import AsyncIterator, Collection, Iterable, Iterator
from contextlib import asynccontextmanager, contextmanager
from enum import StrEnum

from sync.steps import STEPS, Call, Chore, commit_name
from sync.store.db import Connection, Pool, transaction


class Side(StrEnum):
    """On which side of what."""

    BEFORE_COMMIT = "before_commit"
    AFTER_COMMIT = "after_commit"
    BEFORE_CALL = "before_call"
    AFTER_CALL = "after_call"


def _names() -> Iterator[str]:
    commits = [commit_name(leg, step) for leg, steps in STEPS.items() for step in sorted(steps)]
    for commit in (*commits, *Chore):
        yield from (f"{commit}.{side}" for side in (Side.BEFORE_COMMIT, Side.AFTER_COMMIT))
    for call in Call:
        yield from (f"{call}.{side}" for side in (Side.BEFORE_CALL, Side.AFTER_CALL))


NAMES = tuple(_names())

_SIGNALS = {"": signal.SIGKILL, "stop": signal.SIGSTOP}

_armed: dict[str, signal.Signals] = {}


def arm(names: Iterable[str]) -> None:
    """Arm these names for the rest of the process. Raises ValueError for a name that does not exist."""
    for given in names:
        name, _, how = given.partition(":")
        if name not in NAMES or how not in _SIGNALS:
            raise ValueError(f"{given!r} is no failpoint")
        _armed[name] = _SIGNALS[how]


def reach(what: str, side: Side) -> None:
    """Die here, or stop once, if this place is armed."""
    if _armed and (number := _armed.pop(f"{what}.{side}", None)) is not None:
        os.kill(os.getpid(), number)


@contextmanager
def around_call(call: str) -> Iterator[None]:
    """A call to somebody else, with a place to die on each side, however it is answered."""
    reach(call, Side.BEFORE_CALL)
    try:
        yield
    finally:
        reach(call, Side.AFTER_CALL)


@asynccontextmanager
async def committing(pool: Pool, commits: Collection[str]) -> AsyncIterator[Connection]:
    """One transaction with a place to die on each side of its commit; `commits` may grow until its end."""
    async with transaction(pool) as conn:
        yield conn
        for name in commits:
            reach(name, Side.BEFORE_COMMIT)
    for name in commits:
        reach(name, Side.AFTER_COMMIT)
