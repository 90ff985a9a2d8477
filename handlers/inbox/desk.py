"""What a person does with the inbox: look at events, replay them, retry or bury dead ones."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from handlers.inbox import ENDED, Key, State, as_text
from sync.store.db import Executor


@dataclass(frozen=True, slots=True)
class EventSummary:
    """One event of a list. `created` is Stripe's Unix second."""

    created: int
    id: str
    type: str
    object_id: str | None
    customer_id: str | None
    source: str
    state: State
    attempts: int
    last_error: str | None
    received_at: datetime
    finished_at: datetime | None

    @property
    def key(self) -> Key:
        """What decides about it are statements by its key: an id alone may stand for several rows."""
        return Key(self.created, self.id)


@dataclass(frozen=True, slots=True)
class StoredEvent:
    """One event with its body, byte for byte."""

    summary: EventSummary
    api_version: str | None
    livemode: bool | None
    account: str | None
    body: bytes


LIST_EVENTS = """
SELECT created, id, type, object_id, customer_id, source, state, attempts, last_error, received_at,
       finished_at
  FROM inbox
 WHERE ($1::text IS NULL OR state = $1)
   AND ($2::text IS NULL OR object_id = $2 OR customer_id = $2)
   AND ($3::bigint IS NULL OR (created, id) < ($3, $4::text))
 ORDER BY created DESC, id DESC LIMIT $5
"""


async def list_events(
    conn: Executor,
    *,
    state: State | None = None,
    about: str | None = None,
    before: tuple[int, str] | None = None,
    limit: int = 50,
) -> list[EventSummary]:
    """Events, newest first: in one state, about one object or customer, before a `(created, id)`."""
    created, event_id = before or (None, None)
    return [
        _summary(list(row)) for row in await conn.fetch(LIST_EVENTS, state, about, created, event_id, limit)
    ]


async def list_dead(conn: Executor, *, limit: int = 50) -> list[EventSummary]:
    """The events that were buried, newest first."""
    return await list_events(conn, state=State.BURIED, limit=limit)


SHOW_EVENT = """
SELECT created, id, type, object_id, customer_id, source, state, attempts, last_error, received_at,
       finished_at, api_version, livemode, account, body
  FROM inbox WHERE id = $1 ORDER BY created LIMIT 1
"""


async def show(conn: Executor, event_id: str) -> StoredEvent | None:
    """One event with its body, or None."""
    row = await conn.fetchrow(SHOW_EVENT, event_id)
    if row is None:
        return None
    return StoredEvent(
        _summary(list(row)[:11]), row["api_version"], row["livemode"], row["account"], row["body"]
    )


REOPEN_EVENT = """
UPDATE inbox SET state = 'waiting', attempts = 0, retry_at = NULL, finished_at = NULL
 WHERE created = $1 AND id = $2 AND state = ANY($3::text[])
"""


async def replay(conn: Executor, key: Key) -> bool:
    """Let an ended event be decided again, with a new set of tries; False when it is unknown or still waits.

    Harmless by itself: what is older than the mirror is ignored again.
    """
    return await conn.execute(REOPEN_EVENT, *key, ENDED) == "UPDATE 1"


DISMISS_EVENT = """
UPDATE inbox SET state = 'ignored', finished_at = now(), retry_at = NULL, last_error = $3
 WHERE created = $1 AND id = $2 AND state = 'buried'
"""


async def dismiss(conn: Executor, key: Key, why: str) -> bool:
    """Give up a buried event for good; False when no such event is buried. `replay` still brings it back."""
    return await conn.execute(DISMISS_EVENT, *key, as_text(why)) == "UPDATE 1"


def _summary(values: list[Any]) -> EventSummary:
    values[6] = State(values[6])
    return EventSummary(*values)
