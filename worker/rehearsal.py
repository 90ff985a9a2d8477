"""What applying one stored event would do now: it is done, looked at, and rolled back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from handlers.dispatch import Dispatcher, Ignored, Rubbish
from handlers.inbox import claim_these, desk
from handlers.inbox.desk import EventSummary
from sync.mirror import Mirror
from sync.rules.ordering import Reason
from sync.store.db import Connection, Pool

SENTENCES: Final = {
    Reason.FIRST: "it would be written: nothing was known of its object",
    Reason.NEWER: "it would be written: it is newer than what we hold",
    Reason.FURTHER: "it would be written: it is further in the object's life than what we hold",
    Reason.FOLLOWS: "it would be written: it follows what we hold",
    Reason.DELETED: "it would be written: the object is gone",
    Reason.OLDER: "nothing would change: it is older than what we hold",
    Reason.SAME: "nothing would change: we hold the same",
    Reason.BEHIND: "nothing would change: what we hold is further in the object's life",
    Reason.PRECEDES: "nothing would change: what we hold follows it",
    Reason.TOMBSTONE: "nothing would change: the object is gone",
}


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """How a try would end: in `finished`, `ignored`, `buried` or `failed`, and a sentence for a person."""

    would_be: str
    why: str


async def rehearse(pool: Pool, dispatcher: Dispatcher, event: EventSummary) -> Rehearsal:
    """Apply an event inside a transaction that is rolled back; nobody is woken."""
    async with pool.acquire() as connection:
        transaction = connection.transaction()
        await transaction.start()
        try:
            return await _try(connection, dispatcher, event)
        finally:
            await transaction.rollback()


async def _try(conn: Connection, dispatcher: Dispatcher, event: EventSummary) -> Rehearsal:
    await desk.replay(conn, event.key)
    rows = await claim_these(conn, [event.key])
    if not rows:
        return Rehearsal("waiting", "a worker is applying it at this moment")
    try:
        view = dispatcher.view(rows[0])
        if isinstance(view, Ignored):
            return Rehearsal("ignored", f"it would be ignored: {view.why}")
        if isinstance(view, Rubbish):
            return Rehearsal("buried", f"it would be buried again: {view.why}")
        [reason] = await Mirror().apply(conn, [view])
    except Exception as error:  # whatever it is, it is what the worker would meet
        return Rehearsal("failed", f"it would fail again: {type(error).__name__}: {error}")
    return Rehearsal("finished", SENTENCES.get(reason, f"its object would be read from Stripe ({reason})"))
