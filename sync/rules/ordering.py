"""Which of two views of one Stripe object is the later one: proven, or left to a read.

Stripe promises no order of delivery, and its time stamps count whole seconds. So the mirror remembers, for
each object, the span of seconds `[seen_from, seen_to]` in which what it holds was true at Stripe: an event
gives one second (its `created`), a read gives the span from the second it was sent to the second of the
answer's Date header. A view from later seconds is newer and is applied; one from earlier seconds is older
and is ignored; inside the span the order is either proven by the contents or doubted, and whoever doubts
reads the object again. Reading too much costs a call; guessing costs a wrong bill.

Sources: Stripe docs "Receive Stripe events in your webhook endpoint" (no order, duplicates), "How
subscriptions work" and "Invoicing overview" (the life of both objects).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Verdict(StrEnum):
    """What the mirror does with a view of an object."""

    APPLY = "apply"  # it is the later one: write it
    IGNORE = "ignore"  # what is held is as late or later: nothing to do
    DOUBT = "doubt"  # nobody can tell: ask Stripe


class Reason(StrEnum):
    """Why, for log lines and tests."""

    FIRST = "first"  # nothing was held
    NEWER = "newer"  # from later seconds
    OLDER = "older"  # from earlier seconds
    SAME = "same"  # inside the span, and every column is equal
    FURTHER = "further"  # inside the span, and in a state that comes later in the object's life
    BEHIND = "behind"  # inside the span, and in a state that comes earlier in the object's life
    FOLLOWS = "follows"  # what it says was true before is what is held
    PRECEDES = "precedes"  # what is held says that this was true before
    DELETED = "deleted"  # the object is gone
    TOMBSTONE = "tombstone"  # it was gone already, and ids are never used again
    UNREADABLE = "unreadable"  # a list was cut short, or the rendering is of another API version
    GAP = "gap"  # what it says was true before is not what is held: an event is missing
    REGRESSION = "regression"  # time stamps and the object's life contradict each other
    UNPROVEN = "unproven"  # inside the span, without a proof
    WITNESSED = "witnessed"  # nothing was written between the start of the read and now


@dataclass(frozen=True, slots=True)
class Decision:
    verdict: Verdict
    reason: Reason


@dataclass(frozen=True, slots=True)
class Facts:
    """The columns we use, in one fixed order for each kind, children included; `state` ranks its life."""

    kind: str
    state: str
    columns: tuple[object, ...]


@dataclass(frozen=True, slots=True)
class Held:
    """What the mirror knows of one object: the span in Stripe's Unix seconds, and the facts.

    `before` is what the event that wrote the facts said was true just before; None after a read.
    `seen_from` and `seen_to` are None while the object was never seen.
    """

    seen_from: int | None = None
    seen_to: int | None = None
    deleted: bool = False
    from_read: bool = False
    facts: Facts | None = None
    before: Facts | None = None


@dataclass(frozen=True, slots=True)
class EventView:
    """An event's snapshot. `facts` is None when it is no more than a hint (see `Reason.UNREADABLE`).

    `before` is the snapshot with `previous_attributes` laid over it; None where the event has none.
    """

    created: int
    facts: Facts | None
    before: Facts | None = None
    deletes: bool = False


@dataclass(frozen=True, slots=True)
class ReadView:
    """An answer to a read between the Unix seconds `sent` and `date`; `facts` is None: it does not exist.

    `unchanged` says that what is held was held before the read was sent. `insist` accepts an answer that
    repeated reads keep giving although it looks like a step back.
    """

    sent: int
    date: int
    facts: Facts | None
    unchanged: bool = False
    insist: bool = False


_FIRST, _MIDDLE, _LATE, _LAST = range(4)

# States that an object never returns from to a lower rank. What is not listed is in the middle.
_RANKS: dict[tuple[str, str], int] = {
    ("subscription", "incomplete"): _FIRST,
    ("subscription", "incomplete_expired"): _LAST,
    ("subscription", "canceled"): _LAST,
    ("invoice", "draft"): _FIRST,
    ("invoice", "open"): _MIDDLE,
    # An uncollectible invoice may still be paid or voided.
    ("invoice", "uncollectible"): _LATE,
    ("invoice", "paid"): _LAST,
    ("invoice", "void"): _LAST,
}


def rank(facts: Facts) -> int:
    """How far the object is in its life; equal ranks prove nothing."""
    return _RANKS.get((facts.kind, facts.state), _MIDDLE)


def decide_event(held: Held, event: EventView) -> Decision:
    """Say whether an event's snapshot is applied over what is held."""
    if held.deleted:
        return Decision(Verdict.IGNORE, Reason.TOMBSTONE)
    if event.deletes:
        return Decision(Verdict.APPLY, Reason.DELETED)
    if held.seen_from is not None and event.created < held.seen_from:
        return _older(held.facts, event.facts)
    if event.facts is None:
        return Decision(Verdict.DOUBT, Reason.UNREADABLE)
    if held.facts is None or held.seen_to is None:
        return Decision(Verdict.APPLY, Reason.FIRST)
    if event.created > held.seen_to:
        return _newer(held.facts, event.facts, event.before)
    return _inside(held, held.facts, event.facts, event.before)


def _older(held: Facts | None, news: Facts | None) -> Decision:
    """An earlier second, unless the state says that it must be later."""
    if held is not None and news is not None and rank(news) > rank(held):
        return Decision(Verdict.DOUBT, Reason.REGRESSION)
    return Decision(Verdict.IGNORE, Reason.OLDER)


def _newer(held: Facts, news: Facts, before: Facts | None) -> Decision:
    """A later second, unless the state or `previous_attributes` contradict it."""
    if rank(news) < rank(held):
        return Decision(Verdict.DOUBT, Reason.REGRESSION)
    if before is not None and _contradicts(held, news, before):
        return Decision(Verdict.DOUBT, Reason.GAP)
    return Decision(Verdict.APPLY, Reason.NEWER)


def _contradicts(held: Facts, news: Facts, before: Facts) -> bool:
    """Whether a column that the event changed was held with another value than the event started from."""
    return any(
        was != is_now and have != was
        for have, is_now, was in zip(held.columns, news.columns, before.columns, strict=True)
    )


def _inside(held: Held, have: Facts, news: Facts, before: Facts | None) -> Decision:
    """The seconds overlap: only the contents can prove an order.

    A change that we cannot link to what is held is doubted even when both ends are equal: the way there
    and back (A to B to A within a second) would otherwise let the missing half be applied last. And after a
    read nothing is linked: a read may already have seen what the event tells.
    """
    if news.columns == have.columns:
        moved = before is not None and before.columns != news.columns
        known = held.from_read or before == held.before
        return (
            Decision(Verdict.DOUBT, Reason.GAP)
            if moved and not known
            else Decision(Verdict.IGNORE, Reason.SAME)
        )
    if rank(news) != rank(have):
        ahead = rank(news) > rank(have)
        return Decision(Verdict.APPLY, Reason.FURTHER) if ahead else Decision(Verdict.IGNORE, Reason.BEHIND)
    follows = before is not None and before.columns == have.columns
    precedes = held.before is not None and held.before.columns == news.columns
    if held.from_read or follows == precedes:
        return Decision(Verdict.DOUBT, Reason.UNPROVEN)
    if follows:
        return Decision(Verdict.APPLY, Reason.FOLLOWS)
    return Decision(Verdict.IGNORE, Reason.PRECEDES)


def decide_read(held: Held, read: ReadView) -> Decision:
    """Say whether the answer to a read is applied over what is held.

    A read is Stripe's own answer, so it may also correct a tombstone; but an answer can come from a copy
    that lags behind, so a step back in the object's life is read again before it is believed.
    """
    if held.seen_from is None or held.seen_to is None:
        return Decision(Verdict.APPLY, Reason.FIRST)
    if not read.unchanged and read.date < held.seen_from:
        return Decision(Verdict.IGNORE, Reason.OLDER)
    if not read.unchanged and read.sent <= held.seen_to:
        return _overlapping(held, read)
    if not read.insist and _steps_back(held, read):
        return Decision(Verdict.DOUBT, Reason.REGRESSION)
    return Decision(Verdict.APPLY, Reason.WITNESSED if read.unchanged else Reason.NEWER)


def _overlapping(held: Held, read: ReadView) -> Decision:
    """Something was written while the read was under way, in the same seconds."""
    if held.deleted or read.facts is None or held.facts is None:
        both = held.deleted and read.facts is None
        return Decision(Verdict.IGNORE, Reason.SAME) if both else Decision(Verdict.DOUBT, Reason.UNPROVEN)
    if read.facts.columns == held.facts.columns:
        return Decision(Verdict.IGNORE, Reason.SAME)
    if rank(read.facts) > rank(held.facts):
        return Decision(Verdict.APPLY, Reason.FURTHER)
    return Decision(Verdict.DOUBT, Reason.UNPROVEN)


def _steps_back(held: Held, read: ReadView) -> bool:
    """Whether the read shows an earlier part of the object's life than what is held."""
    if held.deleted:
        return read.facts is not None
    if held.facts is None or read.facts is None:
        return False
    return rank(read.facts) < rank(held.facts)
