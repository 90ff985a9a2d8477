"""The ordering rule, as one table: what is held, what comes in, what is done."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterable

import pytest

from sync.rules.ordering import (
    EventView,
    Facts,
    Held,
    ReadView,
    Reason,
    Verdict,
    decide_event,
    decide_read,
)

APPLY, IGNORE, DOUBT = Verdict.APPLY, Verdict.IGNORE, Verdict.DOUBT


def sub(quantity: int, state: str = "active", note: str = "") -> Facts:
    return Facts("subscription", state, (state, note, quantity))


def inv(state: str) -> Facts:
    return Facts("invoice", state, (state,))


def held(
    facts: Facts | None,
    seen: int = 100,
    to: int | None = None,
    before: Facts | None = None,
    linked: bool = False,
) -> Held:
    return Held(seen, to or seen, linked=linked, facts=facts, before=before)


def life(kind: str, state: str) -> Facts:
    return Facts(kind, state, (state,))


A, B, C = sub(1), sub(2), sub(3)
TRIED = life("payment_intent", "requires_payment_method")
PLAN = "subscription_schedule"
READ = Held(100, 100, by_read=True, facts=A)
TOMBSTONE = Held(100, 100, deleted=True, facts=A)

EVENTS = [
    # seconds alone
    (Held(), EventView(100, A), APPLY, Reason.FIRST),
    (held(A), EventView(101, B), APPLY, Reason.NEWER),
    (held(A), EventView(99, B), IGNORE, Reason.OLDER),
    (held(A, 100, 110), EventView(111, B, before=A), APPLY, Reason.NEWER),
    (held(A, 100, 110), EventView(99, B, before=A), IGNORE, Reason.OLDER),
    # the same second: proven by the contents
    (held(A), EventView(100, A), IGNORE, Reason.SAME),
    (held(A, linked=True), EventView(100, B, before=A), APPLY, Reason.FOLLOWS),
    (held(B, before=A), EventView(100, A), IGNORE, Reason.PRECEDES),
    (held(sub(2, note="x"), before=sub(2)), EventView(100, sub(2), before=A), IGNORE, Reason.PRECEDES),
    (held(A), EventView(100, A, before=B), IGNORE, Reason.SAME),
    (held(inv("paid"), linked=True), EventView(100, inv("paid"), before=inv("open")), IGNORE, Reason.SAME),
    (held(inv("draft")), EventView(100, inv("open")), APPLY, Reason.FURTHER),
    (held(inv("open")), EventView(100, inv("paid")), APPLY, Reason.FURTHER),
    (held(inv("paid")), EventView(100, inv("open")), IGNORE, Reason.BEHIND),
    (held(inv("void")), EventView(100, inv("draft")), IGNORE, Reason.BEHIND),
    (held(inv("uncollectible")), EventView(100, inv("paid")), APPLY, Reason.FURTHER),
    (held(sub(1, "incomplete")), EventView(100, A), APPLY, Reason.FURTHER),
    (held(A), EventView(100, sub(1, "incomplete")), IGNORE, Reason.BEHIND),
    (held(A), EventView(100, sub(1, "canceled")), APPLY, Reason.FURTHER),
    (held(sub(1, "canceled")), EventView(100, A), IGNORE, Reason.BEHIND),
    (held(life("charge", "pending")), EventView(100, life("charge", "failed")), APPLY, Reason.FURTHER),
    (held(life("charge", "succeeded")), EventView(100, life("charge", "pending")), IGNORE, Reason.BEHIND),
    (held(life("payment_intent", "untried")), EventView(100, TRIED), APPLY, Reason.FURTHER),
    (held(TRIED), EventView(100, life("payment_intent", "succeeded")), APPLY, Reason.FURTHER),
    (held(TRIED), EventView(100, life("payment_intent", "untried")), IGNORE, Reason.BEHIND),
    (held(life("payment_intent", "canceled")), EventView(99, TRIED), IGNORE, Reason.OLDER),
    (
        held(life("invoice_payment", "open")),
        EventView(100, life("invoice_payment", "paid")),
        APPLY,
        Reason.FURTHER,
    ),
    (held(life(PLAN, "active")), EventView(100, life(PLAN, "released")), APPLY, Reason.FURTHER),
    (held(life(PLAN, "active")), EventView(100, life(PLAN, "not_started")), IGNORE, Reason.BEHIND),
    # the same second: not proven
    (held(A), EventView(100, B), DOUBT, Reason.UNPROVEN),
    (held(A), EventView(100, C, before=B), DOUBT, Reason.UNPROVEN),
    (held(inv("paid")), EventView(100, inv("void")), DOUBT, Reason.UNPROVEN),
    (held(A), EventView(100, B, before=A), DOUBT, Reason.UNPROVEN),
    (held(B, before=A), EventView(100, A, before=C), DOUBT, Reason.UNPROVEN),
    (held(A, linked=True), EventView(100, A, before=B), DOUBT, Reason.GAP),
    (held(A, before=B, linked=True), EventView(100, A, before=B), DOUBT, Reason.GAP),
    (
        held(sub(2, note="x"), before=sub(2), linked=True),
        EventView(100, sub(2), before=A),
        DOUBT,
        Reason.UNPROVEN,
    ),
    # inside the span of a read nothing is linked
    (held(A, 100, 102), EventView(101, B, before=A), DOUBT, Reason.UNPROVEN),
    (held(A, 100, 102), EventView(101, A, before=B), IGNORE, Reason.SAME),
    (held(A, 100, 102), EventView(101, sub(1, "canceled")), APPLY, Reason.FURTHER),
    # a later second whose own past contradicts what is held
    (held(A), EventView(101, C, before=B), DOUBT, Reason.GAP),
    (held(A), EventView(101, A, before=B), DOUBT, Reason.GAP),
    (held(A), EventView(101, sub(1, note="x"), before=sub(1, note="")), APPLY, Reason.NEWER),
    (held(B), EventView(101, sub(2, note="x"), before=sub(2)), APPLY, Reason.NEWER),
    (held(A), EventView(101, sub(2, note="x"), before=sub(2)), APPLY, Reason.NEWER),
    # time stamps against the object's life
    (held(sub(1, "canceled")), EventView(101, A), DOUBT, Reason.REGRESSION),
    (held(A), EventView(99, sub(1, "canceled")), DOUBT, Reason.REGRESSION),
    (held(inv("paid")), EventView(101, inv("open")), DOUBT, Reason.REGRESSION),
    # what a read gave: the clock of events may be half a minute from that of answers
    (READ, EventView(131, B), APPLY, Reason.NEWER),
    (READ, EventView(130, B), DOUBT, Reason.UNPROVEN),
    (READ, EventView(130, A), APPLY, Reason.NEWER),
    (READ, EventView(130, sub(1, "canceled")), APPLY, Reason.NEWER),
    (READ, EventView(130, A, before=B), DOUBT, Reason.GAP),
    (READ, EventView(70, B), DOUBT, Reason.UNPROVEN),
    (READ, EventView(70, A, before=B), IGNORE, Reason.SAME),
    (READ, EventView(70, sub(1, "incomplete")), IGNORE, Reason.BEHIND),
    (READ, EventView(70, None), DOUBT, Reason.UNREADABLE),
    (READ, EventView(69, B), IGNORE, Reason.OLDER),
    # hints: a cut list or another version
    (Held(), EventView(100, None), DOUBT, Reason.UNREADABLE),
    (held(A), EventView(101, None), DOUBT, Reason.UNREADABLE),
    (held(A), EventView(100, None), DOUBT, Reason.UNREADABLE),
    (held(A), EventView(99, None), IGNORE, Reason.OLDER),
    # deletion
    (held(A), EventView(99, A, deletes=True), APPLY, Reason.DELETED),
    (Held(), EventView(100, None, deletes=True), APPLY, Reason.DELETED),
    (TOMBSTONE, EventView(101, B), IGNORE, Reason.TOMBSTONE),
    (TOMBSTONE, EventView(101, None), IGNORE, Reason.TOMBSTONE),
    (TOMBSTONE, EventView(101, A, deletes=True), IGNORE, Reason.TOMBSTONE),
]

READS = [
    (Held(), ReadView(100, 100, A), APPLY, Reason.FIRST),
    (Held(), ReadView(100, 100, None), APPLY, Reason.FIRST),
    (held(A), ReadView(131, 131, B), APPLY, Reason.NEWER),
    # the clock of events may be half a minute from that of answers
    (held(A), ReadView(130, 130, B), DOUBT, Reason.UNPROVEN),
    (held(A, 134), ReadView(101, 104, B), DOUBT, Reason.UNPROVEN),
    (held(A, 135), ReadView(101, 104, B), IGNORE, Reason.OLDER),
    (held(A), ReadView(100, 101, A), IGNORE, Reason.SAME),
    (held(A), ReadView(100, 101, B), DOUBT, Reason.UNPROVEN),
    (held(A), ReadView(100, 101, sub(1, "canceled")), APPLY, Reason.FURTHER),
    (held(A), ReadView(100, 100, B, unchanged=True), APPLY, Reason.WITNESSED),
    (held(A, 105), ReadView(101, 104, B, unchanged=True), APPLY, Reason.WITNESSED),
    (held(A), ReadView(131, 131, None), APPLY, Reason.NEWER),
    (held(A), ReadView(100, 100, None), DOUBT, Reason.UNPROVEN),
    # an answer from a copy that lags behind
    (held(sub(1, "canceled")), ReadView(131, 131, A), DOUBT, Reason.REGRESSION),
    (held(sub(1, "canceled")), ReadView(131, 131, A, insist=True), APPLY, Reason.NEWER),
    (held(inv("paid")), ReadView(100, 100, inv("open"), unchanged=True), DOUBT, Reason.REGRESSION),
    (TOMBSTONE, ReadView(131, 131, A), DOUBT, Reason.REGRESSION),
    (TOMBSTONE, ReadView(131, 131, A, insist=True), APPLY, Reason.NEWER),
    (TOMBSTONE, ReadView(131, 131, None), APPLY, Reason.NEWER),
    (TOMBSTONE, ReadView(100, 100, None), IGNORE, Reason.SAME),
    (TOMBSTONE, ReadView(100, 100, A), DOUBT, Reason.UNPROVEN),
]


@pytest.mark.parametrize(("have", "event", "verdict", "reason"), EVENTS)
def test_event(have: Held, event: EventView, verdict: Verdict, reason: Reason) -> None:
    """Each row of the table of events."""
    decision = decide_event(have, event)

    assert (decision.verdict, decision.reason) == (verdict, reason)


@pytest.mark.parametrize(("have", "read", "verdict", "reason"), READS)
def test_read(have: Held, read: ReadView, verdict: Verdict, reason: Reason) -> None:
    """Each row of the table of reads."""
    decision = decide_read(have, read)

    assert (decision.verdict, decision.reason) == (verdict, reason)


def test_every_reason_is_in_a_table() -> None:
    """No reason exists without an example."""
    assert {row[3] for row in EVENTS + READS} == set(Reason)


STATES = [Facts("subscription", "active", (x, y)) for x in range(3) for y in range(2)]


def one_second(start: Facts, order: Iterable[tuple[Facts, Facts]]) -> tuple[Facts | None, bool]:
    """Decide a second's changes in this order; return the end, and whether a doubt was raised."""
    have, doubted = held(start, 99), False
    for before, after in order:
        decision = decide_event(have, EventView(100, after, before))
        doubted |= decision.verdict is DOUBT
        if decision.verdict is APPLY:
            have = held(after, 100, before=before, linked=decision.linked)
    return have.facts, doubted


@pytest.mark.parametrize("length", [2, 3, 4])
def test_any_order_of_one_second_ends_right_or_in_doubt(length: int) -> None:
    """There and back, rings, two columns by turns: the end is the true one unless a doubt was raised."""
    dice = random.Random(length)
    for _ in range(300):
        path = [dice.choice(STATES)]
        while len(path) <= length:
            path.append(dice.choice([state for state in STATES if state != path[-1]]))
        for order in itertools.permutations(itertools.pairwise(path)):
            end, doubted = one_second(path[0], order)
            assert doubted or end == path[-1], order


def test_one_second_in_order_needs_no_read() -> None:
    """What arrives in its true order is applied without a doubt."""
    path = [sub(number) for number in range(6)]

    assert one_second(path[0], itertools.pairwise(path)) == (path[-1], False)
