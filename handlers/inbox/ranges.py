"""Many ended events at once, by when they happened at Stripe: counted, and given back to be decided again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from handlers.inbox import ENDED, Key, State
from sync.store.db import Connection, Executor


@dataclass(frozen=True, slots=True)
class Selection:
    """Which events: since <= created < until in Stripe's seconds, in these states, of this type, about this.

    `about` is the id of an object or of a customer. None selects all.
    """

    since_unix: int
    until_unix: int
    states: Sequence[State] = field(default=ENDED)
    type: str | None = None
    about: str | None = None

    @property
    def arguments(self) -> tuple[object, ...]:
        """The first arguments of both statements."""
        return self.since_unix, self.until_unix, list(self.states), self.type, self.about


COUNT_SELECTED = """
SELECT type, state, count(*) FROM inbox
 WHERE created >= $1 AND created < $2 AND state = ANY($3::text[])
   AND ($4::text IS NULL OR type = $4) AND ($5::text IS NULL OR object_id = $5 OR customer_id = $5)
 GROUP BY type, state ORDER BY type, state
"""


async def count(conn: Executor, selection: Selection) -> list[tuple[str, State, int]]:
    """How many events are selected, by type and state."""
    rows = await conn.fetch(COUNT_SELECTED, *selection.arguments)
    return [(type_, State(state), count) for type_, state, count in rows]


# In the order of the key, as everybody locks the inbox; who is being changed by somebody else is waited for.
REOPEN_SELECTED = """
WITH chosen AS (
    SELECT created, id FROM inbox
     WHERE created >= $1 AND created < $2 AND state = ANY($3::text[])
       AND ($4::text IS NULL OR type = $4) AND ($5::text IS NULL OR object_id = $5 OR customer_id = $5)
       AND (created, id) > ($6, $7)
     ORDER BY created, id LIMIT $8 FOR UPDATE
), reopened AS (
    UPDATE inbox AS stored SET state = 'waiting', attempts = 0, retry_at = NULL, finished_at = NULL
      FROM chosen WHERE stored.created = chosen.created AND stored.id = chosen.id
       AND stored.created >= $1 AND stored.created < $2
    RETURNING stored.created, stored.id
)
SELECT created, id FROM reopened ORDER BY created, id
"""


async def reopen(conn: Connection, selection: Selection, after: Key, limit: int) -> list[Key]:
    """Let the next `limit` selected events after this key wait again, and return which they were."""
    rows = await conn.fetch(REOPEN_SELECTED, *selection.arguments, after.created, after.id, limit)
    return [Key(*row) for row in rows]
