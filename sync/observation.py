"""What events say about one object, and what becomes of the object under the lock of its head."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from sync.mirror_rows import Kind
from sync.rules.ordering import Decision, EventView, Facts, Held, Reason, Verdict, decide_event
from sync.snapshot import Snapshot, told
from sync.store.mirror import HeadRow
from sync.stripe_objects import Event


@dataclass(frozen=True, slots=True)
class Observation:
    """What one event says about one object. `shown` is None when the event is only a hint to read it.

    `before` is what the event says was true just before it, None where it does not say.
    """

    kind: Kind
    object_id: str
    created: int
    event_id: str
    shown: Snapshot | None
    before: Snapshot | None = None
    deletes: bool = False


def observation(kind: Kind, event: Event, *, deletes: bool = False) -> Observation:
    """What a snapshot event in our API version says about its object.

    Raises `msgspec.MsgspecError` when the object has not the expected shape.
    """
    said = told(kind, event)
    return Observation(kind, said.object_id, event.created, event.id, said.shown, said.before, deletes)


@dataclass(slots=True)
class MirroredObject:
    """One object under its head's lock, as far as the batch has brought it.

    `doubted` says that it waits to be read again. Then what is held may be wrong, and a walk that seems to
    start from it proves nothing about the events of its second.
    """

    head: HeadRow
    held: Snapshot | None
    doubted: bool = False
    before: Snapshot | None = None
    stored: Snapshot | None = None
    written: bool = False
    doubt: Reason | None = None
    customer_ids: set[str] = field(default_factory=set)

    def view(self) -> Held:
        head = self.head
        return Held(
            seen_from=head.seen_from_unix,
            seen_to=head.seen_to_unix,
            deleted=head.deleted,
            linked=head.linked and not self._in_doubt,
            by_read=head.seen_to_unix is not None and head.source_event_id is None,
            facts=facts_of(self.held),
            before=facts_of(self.before),
        )

    def observe(self, same_second: Sequence[Observation]) -> list[Decision]:
        """Decide events of one second, and become what the last one shows.

        Any order of arrival ends right or in doubt, so the order is chosen that leaves the least in doubt.
        """
        remaining, decisions = list(same_second), []
        while remaining:
            event, decision = min(((each, self._decide(each)) for each in remaining), key=_preference)
            remaining.remove(event)
            decisions.append(decision)
            self._obey(event, decision)
        return decisions

    @property
    def _in_doubt(self) -> bool:
        return self.doubted or self.doubt is not None

    def _decide(self, event: Observation) -> Decision:
        view = EventView(event.created, facts_of(event.shown), facts_of(event.before), event.deletes)
        return decide_event(self.view(), view)

    def _obey(self, event: Observation, decision: Decision) -> None:
        if decision.verdict is Verdict.APPLY:
            self.become(event.shown, event.created, event.created, event.event_id, deleted=event.deletes)
            self.head = replace(self.head, linked=decision.linked and not self._in_doubt)
            self.before = event.before
        elif decision.verdict is Verdict.DOUBT:
            self.doubt = decision.reason
        elif decision.reason is Reason.SAME and event.event_id != self.head.source_event_id:
            # It may have been something else in between: a read that saw that is no witness any more.
            self.written = True

    def become(
        self, shown: Snapshot | None, seen_from: int, seen_to: int, event_id: str | None, *, deleted: bool
    ) -> None:
        """Hold this from now on; a deleted object keeps its last rows beside its tombstone."""
        self.head = replace(
            self.head,
            seen_from_unix=seen_from,
            seen_to_unix=seen_to,
            source_event_id=event_id,
            linked=False,
            deleted=deleted,
        )
        for known in (self.held, shown):
            if known is not None and known.customer_id is not None:
                self.customer_ids.add(known.customer_id)
        if shown is not None and not deleted:
            self.held = shown
        self.before = None
        self.written = True


def facts_of(shown: Snapshot | None) -> Facts | None:
    """The form that the ordering rule compares."""
    return None if shown is None else shown.facts


def _preference(judged: tuple[Observation, Decision]) -> int:
    """First what continues from what is held, then what changes nothing, last what is in doubt."""
    _, decision = judged
    if decision.verdict is Verdict.APPLY:
        return 0 if decision.linked else 2
    return 1 if decision.verdict is Verdict.IGNORE else 3
