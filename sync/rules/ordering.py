"""Which of two views of one Stripe object is the later one: proven, or left to a read.

Stripe promises no order of delivery, and its time stamps count whole seconds. So the mirror remembers, for
each object, the span of seconds `[seen_from, seen_to]` in which what it holds was true at Stripe: an event
gives one second (its `created`), a read gives the span from the second it was sent to the second of the
answer's Date header. A view from later seconds is newer and is applied; one from earlier seconds is older
and is ignored; inside the span the order is either proven by the contents or doubted, and whoever doubts
reads the object again. Reading too much costs a call; guessing costs a wrong bill.

An event's `created` and an answer's Date header come from different machines of Stripe's, whose clocks may
differ: between an event and a read, seconds prove an order only where they are further apart than that.

Sources: Stripe docs "Receive Stripe events in your webhook endpoint" (no order, duplicates), "How
subscriptions work", "Invoicing overview", "How PaymentIntents work" and "Subscription schedules" (the lives
of the objects), API reference "The Charge object" and "The Invoice Payment object".
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

# So far apart may the clock that stamps events be from the one that stamps answers. Both are kept by NTP, so
# a second would be much; in half a minute an object seldom changes twice, so the caution costs few reads.
CLOCKS_DIFFER_SECONDS: Final = 30


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
    """`linked`, with APPLY: nothing that happened before, within the same second, can be missing."""

    verdict: Verdict
    reason: Reason
    linked: bool = False


@dataclass(frozen=True, slots=True)
class Facts:
    """The columns we use, in one fixed order for each kind, children included; `state` ranks its life."""

    kind: str
    state: str
    columns: tuple[object, ...]


@dataclass(frozen=True, slots=True)
class Held:
    """What the mirror knows of one object: the span in Stripe's Unix seconds, and the facts.

    `before` is what the event that wrote the facts said was true just before it; None after a read.
    `linked` is that of the decision that applied them; `by_read` says that a read gave them, and no event.
    `seen_from` and `seen_to` are None while the object was never seen.
    """

    seen_from: int | None = None
    seen_to: int | None = None
    deleted: bool = False
    linked: bool = False
    by_read: bool = False
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

# A payment intent that nobody tried to pay; Stripe's own status is the same after a failed attempt.
UNTRIED = "untried"

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
    # Money is refunded and disputed in the state `succeeded`; another attempt is another charge.
    ("charge", "pending"): _FIRST,
    ("charge", "succeeded"): _LAST,
    ("charge", "failed"): _LAST,
    ("payment_intent", UNTRIED): _FIRST,
    ("payment_intent", "succeeded"): _LAST,
    ("payment_intent", "canceled"): _LAST,
    ("invoice_payment", "open"): _FIRST,
    ("invoice_payment", "paid"): _LAST,
    ("invoice_payment", "canceled"): _LAST,
    ("subscription_schedule", "not_started"): _FIRST,
    ("subscription_schedule", "completed"): _LAST,
    ("subscription_schedule", "released"): _LAST,
    ("subscription_schedule", "canceled"): _LAST,
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
    slack = CLOCKS_DIFFER_SECONDS if held.by_read else 0
    if held.seen_from is not None and event.created < held.seen_from - slack:
        return _older(held.facts, event.facts)
    if event.facts is None:
        return Decision(Verdict.DOUBT, Reason.UNREADABLE)
    if held.facts is None or held.seen_to is None:
        return Decision(Verdict.APPLY, Reason.FIRST, linked=event.before is None)
    if event.created > held.seen_to:
        later = _newer(held.facts, event.facts, event.before)
        is_near = event.created <= held.seen_to + slack
        return _doubted_if_it_differs(later, held.facts, event.facts) if is_near else later
    return _inside(held, held.facts, event.facts, event.before)


def _doubted_if_it_differs(later: Decision, held: Facts, news: Facts) -> Decision:
    """By another clock it may be the earlier one; what it shows, or the object's life, may tell."""
    if later.verdict is Verdict.APPLY and held.columns != news.columns and rank(news) == rank(held):
        return Decision(Verdict.DOUBT, Reason.UNPROVEN)
    return later


def _older(held: Facts | None, news: Facts | None) -> Decision:
    """An earlier second, unless the state says that it must be later."""
    if held is not None and news is not None and rank(news) > rank(held):
        return Decision(Verdict.DOUBT, Reason.REGRESSION)
    return Decision(Verdict.IGNORE, Reason.OLDER)


def _newer(held: Facts, news: Facts, before: Facts | None) -> Decision:
    """A later second, unless the state or `previous_attributes` contradict it.

    Only the columns that the event changed must be held as they were: what else moved is in its snapshot.
    """
    if rank(news) < rank(held):
        return Decision(Verdict.DOUBT, Reason.REGRESSION)
    if before is None:
        linked = news.columns == held.columns or rank(news) > rank(held)
        return Decision(Verdict.APPLY, Reason.NEWER, linked)
    if any(held.columns[place] != before.columns[place] for place in _changed(before, news)):
        return Decision(Verdict.DOUBT, Reason.GAP)
    return Decision(Verdict.APPLY, Reason.NEWER, linked=before.columns == held.columns)


def _changed(before: Facts, after: Facts) -> set[int]:
    """Which columns an event changed, by their place."""
    pairs = enumerate(zip(before.columns, after.columns, strict=True))
    return {place for place, (was, is_now) in pairs if was != is_now}


def _inside(held: Held, have: Facts, news: Facts, before: Facts | None) -> Decision:
    """The seconds overlap: only the contents can prove an order.

    Changes go there and back (A to B to A within a second), so equal ends prove little. What does: the
    changes of a second are one walk, and where it began is known (`linked`) when the first one started
    from what was held before. A change that continues the walk is next; any other one means that a part
    of the walk has not arrived, and then whatever seems to fit may be the wrong part.
    """
    if news.columns == have.columns:
        return _same(held, have, before)
    if rank(news) > rank(have):
        entered = before is None or rank(before) < rank(news)
        return Decision(Verdict.APPLY, Reason.FURTHER, linked=entered)
    if rank(news) < rank(have):
        return Decision(Verdict.IGNORE, Reason.BEHIND)
    if before is not None and before.columns == have.columns and held.linked:
        return Decision(Verdict.APPLY, Reason.FOLLOWS, linked=True)
    if held.before is not None and held.before.columns == news.columns and _precedes(held, news, before):
        return Decision(Verdict.IGNORE, Reason.PRECEDES)
    return Decision(Verdict.DOUBT, Reason.UNPROVEN)


def _same(held: Held, have: Facts, before: Facts | None) -> Decision:
    """The same end: nothing to do, unless a walk whose beginning is known says that it was left between."""
    came_back = before is not None and before.columns != have.columns and rank(before) == rank(have)
    if came_back and held.linked:
        return Decision(Verdict.DOUBT, Reason.GAP)
    return Decision(Verdict.IGNORE, Reason.SAME)


def _precedes(held: Held, news: Facts, before: Facts | None) -> bool:
    """Whether a change may have come before the one that is held, whose beginning it ends in.

    Not when the walk's beginning is known, and not when both changed the same column: the later one would
    have been doubted.
    """
    if before is None or before.columns == news.columns:
        return True
    if held.linked or held.before is None or held.facts is None:
        return False
    return _changed(before, news).isdisjoint(_changed(held.before, held.facts))


def decide_read(held: Held, read: ReadView) -> Decision:
    """Say whether the answer to a read is applied over what is held.

    A read is Stripe's own answer, so it may also correct a tombstone; but an answer can come from a copy
    that lags behind, so a step back in the object's life is read again before it is believed.
    """
    if held.seen_from is None or held.seen_to is None:
        return Decision(Verdict.APPLY, Reason.FIRST)
    if not read.unchanged and read.date < held.seen_from - CLOCKS_DIFFER_SECONDS:
        return Decision(Verdict.IGNORE, Reason.OLDER)
    if not read.unchanged and read.sent <= held.seen_to + CLOCKS_DIFFER_SECONDS:
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
