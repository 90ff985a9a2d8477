"""One transaction of the applier: events are locked, written into the mirror, and ended.

Alarms are raised after the commit, so that a batch which is rolled back and tried again raises each once.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from enum import StrEnum
from typing import Final, NamedTuple

import asyncpg
import structlog

from handlers import inbox
from handlers.dispatch import Dispatcher, Ignored, Rubbish
from handlers.inbox import Claimed, Ending, Key, State
from sync import failpoints
from sync.mirror import Mirror
from sync.observation import Observation
from sync.steps import Chore
from sync.store.db import Connection, Pool, is_passing
from sync.telemetry import DEAD_LETTER, EVENT_QUARANTINED, LogEvent

log = structlog.get_logger(__name__)

# Longer than any statement and any lock may take: what lasts longer never comes back.
LONGEST_SECONDS: Final = 60.0
# What no event can bring about: a table or column of another release, a right, a schema, a corrupt index.
_SET_UP: Final = (
    asyncpg.SyntaxOrAccessError,
    asyncpg.InvalidSchemaNameError,
    asyncpg.InvalidCatalogNameError,
    asyncpg.InvalidAuthorizationSpecificationError,
    asyncpg.DatabaseDroppedError,
    asyncpg.FeatureNotSupportedError,
    asyncpg.ObjectNotInPrerequisiteStateError,
    asyncpg.ConfigFileError,
    asyncpg.InternalServerError,
)


class StuckError(Exception):
    """Applying took so long that it was given up."""


class Alarm(NamedTuple):
    """An event that was set aside, and why."""

    row: Claimed
    view: Ignored | Rubbish


class BatchFailed(Exception):
    """Claimed events could not be applied, and nothing was."""

    def __init__(self, keys: Sequence[Key], cause: Exception) -> None:
        super().__init__(type(cause).__name__)
        self.keys = keys
        self.cause = cause


class Applying:
    """Applies events inside transactions of its own. Raises BatchFailed once it had any in its hands."""

    def __init__(
        self, pool: Pool, dispatcher: Dispatcher, mirror: Mirror, *, longest_seconds: float = LONGEST_SECONDS
    ) -> None:
        self.pool = pool
        self._dispatcher = dispatcher
        self._mirror = mirror
        self._longest_seconds = longest_seconds

    async def oldest(self, limit: int) -> int:
        """Apply the oldest waiting events as one batch; returns how many."""
        return await self._transact(limit, None)

    async def these(self, keys: Sequence[Key]) -> int:
        """Apply those of these events that still wait and that nobody else holds, as one batch."""
        return await self._transact(0, keys)

    async def _transact(self, limit: int, keys: Sequence[Key] | None) -> int:
        rows: list[Claimed] = []
        commits: list[str] = []
        patience = asyncio.timeout(self._longest_seconds)
        try:
            async with patience, failpoints.committing(self.pool, commits) as conn:
                rows = await (inbox.claim(conn, limit) if keys is None else inbox.claim_these(conn, keys))
                alarms = await self._apply(conn, rows)
                if rows:
                    commits.append(Chore.APPLY_EVENTS)
        except Exception as error:
            cause = StuckError(f"it took more than {self._longest_seconds:g} s")
            if not rows:
                raise
            raise BatchFailed([row.key for row in rows], cause if patience.expired() else error) from error
        _raise(alarms)
        return len(rows)

    async def _apply(self, conn: Connection, rows: Sequence[Claimed]) -> list[Alarm]:
        """Write what these events show and end them; returns what is worth an alarm after the commit."""
        if not rows:
            return []
        shown: list[Observation] = []
        endings: list[Ending] = []
        alarms: list[Alarm] = []
        for row in rows:
            view = self._dispatcher.view(row)
            if isinstance(view, Observation):
                shown.append(view)
                endings.append(Ending(row.key, State.FINISHED))
                continue
            rubbish = isinstance(view, Rubbish)
            endings.append(Ending(row.key, State.BURIED if rubbish else State.IGNORED, view.why))
            if isinstance(view, Rubbish) or view.alert:
                alarms.append(Alarm(row, view))
        decided = await self._mirror.apply(conn, shown) if shown else {}
        await inbox.finish(conn, endings)
        log.debug(LogEvent.BATCH_APPLIED, events=len(rows), **{str(why): n for why, n in decided.items()})
        return alarms


class Fault(StrEnum):
    """Whose fault it is that events could not be applied."""

    EVENT = "event"  # one of them cannot be applied
    STUCK = "stuck"  # one of them never came to an end
    LOCK = "lock"  # somebody keeps what one of them needs; the others need not wait for that
    DATABASE = "database"  # nothing can be applied now; that passes
    SET_UP = "set_up"  # nothing can be applied until a person has put the database right


OF_ALL: Final = frozenset({Fault.DATABASE, Fault.SET_UP})
"""What is no event's own fault, nor one object's: it is waited out, and burns no try."""


def fault_of(error: Exception) -> Fault:
    """Say whose fault a failure is."""
    if isinstance(error, StuckError):
        return Fault.STUCK
    if isinstance(error, asyncpg.LockNotAvailableError | asyncpg.QueryCanceledError):
        return Fault.LOCK
    if is_passing(error):
        return Fault.DATABASE
    return Fault.SET_UP if isinstance(error, _SET_UP) else Fault.EVENT


def described(error: Exception) -> str:
    """The text that is stored with an event which failed."""
    return f"{type(error).__name__}: {error}"


def _raise(alarms: Iterable[Alarm]) -> None:
    """One line for each event that needs a person; one for all that came to the wrong place together."""
    strayed: dict[str, list[str]] = {}
    for row, view in alarms:
        if isinstance(view, Rubbish):
            DEAD_LETTER.inc()
            log.error(LogEvent.INBOX_BURIED, event_id=row.id, error=view.why)
        else:
            strayed.setdefault(view.why, []).append(row.id)
    for why, ids in strayed.items():
        EVENT_QUARANTINED.inc(len(ids))
        log.error(LogEvent.INBOX_IGNORED, why=why, events=len(ids), event_id=ids[0])
