"""The inbox: every event that came in, and what became of it.

A row is `waiting` until a batch that holds its lock finishes or ignores it in the very transaction that
wrote the effect. A row that makes its batch fail is tried alone (`handlers.inbox.retries`); it never makes
its neighbours wait.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple

from sync.store.db import Connection, Executor


class State(StrEnum):
    """What became of an event; equal to the CHECK constraint of the table."""

    WAITING = "waiting"  # stored and acknowledged, not applied yet
    FINISHED = "finished"  # its effect is in the mirror, or it proved to be an older view
    IGNORED = "ignored"  # of no use to us: unlisted type, other mode, other account
    BURIED = "buried"  # failed too often, or no event at all: a person has to look


ENDED = (State.FINISHED, State.IGNORED, State.BURIED)


class Source(StrEnum):
    """How an event reached us."""

    WEBHOOK = "webhook"
    CATCH_UP = "catch_up"


@dataclass(frozen=True, slots=True)
class InboxEvent:
    """A verified event as it came: the body byte for byte, and what its head says.

    `created` is the event's own Unix second. The optional fields are None where the event does not say.
    """

    id: str
    created: int
    type: str
    body: bytes
    api_version: str | None = None
    livemode: bool | None = None
    account: str | None = None
    object_id: str | None = None
    customer_id: str | None = None
    source: Source = Source.WEBHOOK


class Key(NamedTuple):
    """The primary key of an inbox row."""

    created: int
    id: str


class Claimed(NamedTuple):
    """A row that is locked by the caller's transaction."""

    created: int
    id: str
    type: str
    api_version: str | None
    livemode: bool | None
    account: str | None
    body: bytes

    @property
    def key(self) -> Key:
        return Key(self.created, self.id)


class Ending(NamedTuple):
    """How a claimed row ends: `note` says why it was ignored or buried."""

    key: Key
    state: State
    note: str | None = None


# In the order of the arguments of INSERT_EVENTS.
_INSERTED = ("created", "id", "type", "api_version", "livemode", "account", "object_id", "customer_id")

# Sorted, because two processes that insert the same events in different orders would deadlock.
INSERT_EVENTS = """
INSERT INTO inbox (created, id, type, api_version, livemode, account, object_id, customer_id, body, source)
SELECT created, id, type, api_version, livemode, account, object_id, customer_id, body, source
  FROM unnest($1::bigint[], $2::text[], $3::text[], $4::text[], $5::boolean[], $6::text[], $7::text[],
              $8::text[], $9::bytea[], $10::text[])
       AS given (created, id, type, api_version, livemode, account, object_id, customer_id, body, source)
 ORDER BY created, id
    ON CONFLICT (created, id) DO NOTHING
"""


async def insert(conn: Executor, events: Sequence[InboxEvent]) -> int:
    """Store events and return how many were new; those that are known change nothing."""
    if not events:
        return 0
    rows = [(*(getattr(event, name) for name in _INSERTED), event.body, event.source) for event in events]
    status = await conn.execute(INSERT_EVENTS, *map(list, zip(*rows, strict=True)))
    return int(status.rpartition(" ")[2])


# The two outer bounds let the planner pass over the partitions that cannot hold any of the keys.
KNOWN_KEYS = """
SELECT stored.created, stored.id
  FROM unnest($1::bigint[], $2::text[]) AS given (created, id)
  JOIN inbox AS stored ON stored.created = given.created AND stored.id = given.id
 WHERE stored.created BETWEEN $3 AND $4
"""


async def known(conn: Executor, keys: Sequence[Key]) -> set[Key]:
    """Return those of the events that the inbox has, whatever became of them."""
    if not keys:
        return set()
    seconds, ids = [key.created for key in keys], [key.id for key in keys]
    rows = await conn.fetch(KNOWN_KEYS, seconds, ids, min(seconds), max(seconds))
    return {Key(*row) for row in rows}


# The oldest first. Rows that other appliers hold are passed over; rows that failed before are tried alone.
CLAIM_BATCH = """
SELECT created, id, type, api_version, livemode, account, body
  FROM inbox WHERE state = 'waiting' AND attempts = 0
 ORDER BY created, id FOR UPDATE SKIP LOCKED
"""


async def claim(conn: Connection, limit: int) -> list[Claimed]:
    """Lock the oldest waiting events until the transaction ends."""
    return [Claimed(*record) for record in await conn.fetch(limited(CLAIM_BATCH, limit))]


OLDEST_UNTRIED = """
SELECT created, id FROM inbox WHERE state = 'waiting' AND attempts = 0
 ORDER BY created, id
"""


async def oldest_untried(conn: Executor, limit: int) -> list[Key]:
    """The oldest waiting events that never failed, without locking them."""
    return [Key(*record) for record in await conn.fetch(limited(OLDEST_UNTRIED, limit))]


CLAIM_THESE = """
SELECT stored.created, stored.id, stored.type, stored.api_version, stored.livemode, stored.account,
       stored.body
  FROM unnest($1::bigint[], $2::text[]) AS given (created, id)
  JOIN inbox AS stored ON stored.created = given.created AND stored.id = given.id
 WHERE stored.state = 'waiting' AND stored.created BETWEEN $3 AND $4
 ORDER BY stored.created, stored.id FOR UPDATE OF stored SKIP LOCKED
"""


async def claim_these(conn: Connection, keys: Sequence[Key]) -> list[Claimed]:
    """Lock those of these events that still wait and that nobody else holds."""
    seconds, ids = [key.created for key in keys], [key.id for key in keys]
    rows = await conn.fetch(CLAIM_THESE, seconds, ids, min(seconds), max(seconds))
    return [Claimed(*record) for record in rows]


END_EVENTS = """
UPDATE inbox AS stored
   SET state = given.state, last_error = coalesce(given.note, stored.last_error),
       finished_at = now(), retry_at = NULL
  FROM unnest($1::bigint[], $2::text[], $3::text[], $4::text[]) AS given (created, id, state, note)
 WHERE stored.created = given.created AND stored.id = given.id AND stored.created BETWEEN $5 AND $6
"""


async def finish(conn: Connection, endings: Sequence[Ending]) -> None:
    """End claimed events, in the transaction that wrote their effect."""
    if not endings:
        return
    seconds = [ending.key.created for ending in endings]
    ids = [ending.key.id for ending in endings]
    states, notes = [e.state for e in endings], [e.note and as_text(e.note) for e in endings]
    await conn.execute(END_EVENTS, seconds, ids, states, notes, min(seconds), max(seconds))


COUNT_WAITING = """
SELECT count(*) FROM inbox WHERE state = 'waiting'
"""


async def waiting(conn: Executor) -> int:
    """How many events wait to be applied."""
    count: int = await conn.fetchval(COUNT_WAITING)
    return count


OLDEST_WAITING = """
SELECT extract(epoch FROM now() - min(received_at))::float8 FROM inbox WHERE state = 'waiting'
"""


async def oldest_seconds(conn: Executor) -> float | None:
    """How long the oldest waiting event has waited since we received it; None when nothing waits."""
    seconds: float | None = await conn.fetchval(OLDEST_WAITING)
    return seconds


COUNT_BURIED = """
SELECT count(*) FROM inbox WHERE state = 'buried'
"""


async def buried(conn: Executor) -> int:
    """How many events wait for a person."""
    count: int = await conn.fetchval(COUNT_BURIED)
    return count


ENSURE_PARTITIONS = """
SELECT ensure_inbox_partitions($1, $2)
"""


async def ensure_partitions(conn: Executor, from_time: datetime, months: int) -> int:
    """Make the monthly partitions from `from_time` on, where they are missing; returns how many."""
    made: int = await conn.fetchval(ENSURE_PARTITIONS, from_time, months)
    return made


def limited(statement: str, rows: int) -> str:
    """Return a statement that stops after so many rows.

    As a parameter the number would be unknown to a plan that is kept, so PostgreSQL would plan each look
    anew, over every partition.
    """
    return f"{statement} LIMIT {rows:d}"


def as_text(message: str) -> str:
    """A note that fits into a text column whatever an exception put into it."""
    return message.replace("\0", "").encode("utf-8", "replace").decode()[:500]
