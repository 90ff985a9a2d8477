"""Our copy of Stripe: events and reads become rows, and never go backwards.

A batch of events is one transaction: the heads of all its objects are locked in order of id, each event is
decided against what is held by `sync.rules.ordering`, and only the last state of each object is written,
children and all. What is doubted is put on the refresh list and not written. All locks are taken in one
order everywhere: inbox, heads, changes with their jobs, refresh.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from typing import Protocol

import msgspec
import structlog

from sync.mirror_rows import Kind
from sync.observation import MirroredObject, Observation, facts_of
from sync.rules.ordering import Decision, ReadView, Reason, Verdict, decide_read
from sync.snapshot import Snapshot, is_deleted, render, snapshot, told
from sync.store import mirror as store
from sync.store import mirror_rows as rows
from sync.store import refresh
from sync.store.db import Connection
from sync.stripe_objects import Event
from sync.telemetry import LogEvent

log = structlog.get_logger(__name__)

_EVENT = msgspec.json.Decoder(Event)


class Wake(Protocol):
    """Called inside the mirror's transaction for the Stripe customers whose billing rows changed."""

    def __call__(self, conn: Connection, *, customer_ids: Collection[str]) -> Awaitable[None]: ...


class Read(Protocol):
    """An answer of Stripe's between the Unix seconds `sent_unix` and `date_unix`; no body: no object."""

    @property
    def kind(self) -> str: ...
    @property
    def object_id(self) -> str: ...
    @property
    def body(self) -> bytes | None: ...
    @property
    def sent_unix(self) -> int: ...
    @property
    def date_unix(self) -> int: ...


@dataclass(frozen=True, slots=True)
class Refreshed:
    """What became of one answer: `held` is what the mirror had before (None: nothing, or a tombstone)."""

    decision: Decision
    held: Snapshot | None
    shown: Snapshot | None

    @property
    def was_stale(self) -> bool:
        """Whether the answer replaced something else."""
        replaced = self.decision.verdict is Verdict.APPLY and self.held is not None
        return replaced and self.held != self.shown


class Mirror:
    """Writes the mirror. `wake` is told, in the same transaction, whose billing rows changed."""

    def __init__(self, wake: Wake | None = None) -> None:
        self._wake = wake

    async def apply(self, conn: Connection, events: Sequence[Observation]) -> Counter[Reason]:
        """Apply a batch of events inside the caller's transaction, and return how they were decided."""
        objects = await self._lock(conn, {event.object_id: event.kind for event in events})
        await _recall(conn, objects, events)
        decided: Counter[Reason] = Counter()
        for (object_id, _), same_second in groupby(sorted(events, key=_age), key=lambda each: _age(each)[:2]):
            decided.update(each.reason for each in objects[object_id].observe(list(same_second)))
        await self._write(conn, objects.values())
        return decided

    async def apply_read(
        self, conn: Connection, read: Read, *, revision: int | None = None, insist: bool = False
    ) -> Decision:
        """Apply the answer to a read inside the caller's transaction.

        `revision` is the head's before the read was sent (-1: it had none): when it is the same now, the
        read is the later one whatever the seconds say. `insist` believes an answer that reads keep giving
        although it is a step back in the object's life. DOUBT means: read it again, a second later.
        """
        kind = Kind(read.kind)
        [found] = (await self._lock(conn, {read.object_id: kind})).values()
        unchanged = revision is not None and max(revision, 0) == found.head.revision
        decision = _take(found, read, _shown(kind, read.body), unchanged=unchanged, insist=insist)
        if decision.verdict is Verdict.APPLY:
            await self._write(conn, [found])
        return decision

    async def apply_reads(
        self, conn: Connection, reads: Sequence[Read], *, began: datetime
    ) -> dict[str, Refreshed]:
        """Apply many answers, one for each object, inside the caller's transaction; returned by id.

        `began` is the database's clock before the first of them was asked for: what nobody wrote since was
        held before the read, so the read is the later one. What is doubted goes on the refresh list.
        """
        objects = await self._lock(conn, {read.object_id: Kind(read.kind) for read in reads})
        taken: dict[str, Refreshed] = {}
        for read in reads:
            found = objects[read.object_id]
            head, held = found.head, found.held
            unchanged = head.updated_at is not None and head.updated_at < began
            shown = _shown(found.head.kind, read.body)
            decision = _take(found, read, shown, unchanged=unchanged, insist=False)
            if decision.verdict is Verdict.DOUBT:
                found.doubt = decision.reason
            taken[read.object_id] = Refreshed(decision, None if head.deleted else held, shown)
        await self._write(conn, objects.values())
        return taken

    async def _lock(self, conn: Connection, kinds: dict[str, Kind]) -> dict[str, MirroredObject]:
        """Lock the heads and load what is held."""
        heads = await store.lock_heads(conn, kinds)
        # Asked under the locks: whoever doubts an object holds its head.
        doubted = await refresh.wished(conn, heads)
        known: dict[str, Snapshot] = {}
        for kind in Kind:
            ids = [head.id for head in heads.values() if head.kind is kind and head.seen_to_unix is not None]
            if ids:
                children = await rows.load_children(conn, kind, ids)
                for object_id, row in (await rows.load_rows(conn, kind, ids)).items():
                    known[object_id] = Snapshot(kind, row, tuple(children.get(object_id, ())))
        return {
            object_id: MirroredObject(
                head, known.get(object_id), object_id in doubted, stored=known.get(object_id)
            )
            for object_id, head in heads.items()
        }

    async def _write(self, conn: Connection, objects: Iterable[MirroredObject]) -> None:
        """Write what won, in the order of locks that holds everywhere."""
        ordered = sorted(objects, key=lambda each: each.head.id)
        await store.update_heads(conn, [each.head for each in ordered if each.written])
        changed = [each for each in ordered if each.held is not None and each.held != each.stored]
        for kind in Kind:
            await _write_kind(
                conn, kind, [each.held for each in changed if each.held and each.head.kind is kind]
            )
        ended = [each for each in ordered if each.written and each.head.deleted]
        customer_ids = {customer_id for each in (*changed, *ended) for customer_id in each.customer_ids}
        if customer_ids and self._wake is not None:
            await self._wake(conn, customer_ids=sorted(customer_ids))
        doubted = [each for each in ordered if each.doubt is not None]
        await refresh.wish(
            conn, [refresh.Wish(each.head.id, each.head.kind, each.doubt or "") for each in doubted]
        )
        for each in doubted:
            log.info(LogEvent.OBJECT_DOUBTED, object_id=each.head.id, reason=each.doubt)


def _take(
    found: MirroredObject, read: Read, shown: Snapshot | None, *, unchanged: bool, insist: bool
) -> Decision:
    """Decide whether a read is the later view, and become what it shows if it is."""
    last_second = max(read.sent_unix, read.date_unix)
    view = ReadView(read.sent_unix, last_second, facts_of(shown), unchanged, insist)
    decision = decide_read(found.view(), view)
    if decision.verdict is Verdict.APPLY:
        # The span never moves back, even where our idea of Stripe's clock was a second off.
        seen_from = max(read.sent_unix, found.head.seen_from_unix or 0)
        seen_to = max(last_second, found.head.seen_to_unix or 0)
        found.become(shown, seen_from, seen_to, None, deleted=shown is None)
    return decision


def _age(event: Observation) -> tuple[str, int, str]:
    return event.object_id, event.created, event.event_id


async def _write_kind(conn: Connection, kind: Kind, shown: Sequence[Snapshot]) -> None:
    """Overwrite the rows of one kind and replace their children, in order of id."""
    if not shown:
        return
    await rows.write_rows(conn, kind, [each.row for each in shown])
    children = [child for each in shown for child in each.children]
    await rows.replace_children(conn, kind, [each.object_id for each in shown], children)


async def _recall(
    conn: Connection, objects: dict[str, MirroredObject], events: Sequence[Observation]
) -> None:
    """Load what the events that are held now said about the past, where a new event is as old as they."""
    keys: dict[tuple[int, str], MirroredObject] = {}
    for event in events:
        head = objects[event.object_id].head
        if head.source_event_id is not None and head.seen_to_unix == event.created:
            keys[head.seen_to_unix, head.source_event_id] = objects[event.object_id]
    bodies = await store.source_bodies(conn, keys)
    for (_, event_id), found in keys.items():
        if event_id in bodies:
            found.before = told(found.head.kind, _EVENT.decode(bodies[event_id])).before


def _shown(kind: Kind, body: bytes | None) -> Snapshot | None:
    """What a read shows: None when Stripe has no such object (any more). Raises ValueError on a cut list."""
    if body is None or is_deleted(body):
        return None
    rendering = render(kind, body)
    if not rendering.complete:
        raise ValueError(f"a read of kind {kind} has a list that is cut off")
    return snapshot(rendering)
