"""Doubts are read again: once each, never lost, never older than what is held."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from sync.errors import StripeTrouble
from sync.gateway import ObjectRead
from sync.mirror_rows import Kind
from sync.refresh import Refresh
from sync.rules.ordering import Reason, Verdict
from sync.store import refresh as wishes
from sync.store.db import transaction
from tests.mirror.builders import SECOND, customer, event, item, subscription, updated
from tests.mirror.conftest import Bench


def read_of(shown: dict[str, Any] | None, sent: int, date: int | None = None) -> ObjectRead:
    body = None if shown is None else json.dumps(shown).encode()
    return ObjectRead("subscription", "sub_1", body, SECOND + sent, SECOND + (date or sent))


def of_quantity(quantity: int) -> dict[str, Any]:
    return subscription("sub_1", item(quantity=quantity))


class Answers:
    """A reader that gives prepared answers, and remembers what it was asked."""

    def __init__(self, *answers: ObjectRead | Exception | Callable[[], Any]) -> None:
        self.answers = list(answers)
        self.asked: list[str] = []

    async def read_object(self, kind: str, object_id: str, *, urgent: bool = False) -> ObjectRead:
        self.asked.append(object_id)
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        if isinstance(answer, ObjectRead):
            return answer
        made: ObjectRead = await answer()
        return made


async def wish(bench: Bench, object_id: str = "sub_1") -> None:
    async with transaction(bench.pool) as conn:
        await wishes.wish(conn, [wishes.Wish(object_id, Kind.SUBSCRIPTION, "gap")])


async def make_due(bench: Bench) -> None:
    await bench.pool.execute("UPDATE refresh SET leased_until = '-infinity'")


async def test_a_doubt_is_read_and_ends(bench: Bench) -> None:
    """The answer is written, and the object leaves the list."""
    await bench.deliver(updated("evt_1", 0, now=1))
    await bench.deliver(updated("evt_3", 2, now=3, was=2))

    taken = await Refresh(bench.pool, Answers(read_of(of_quantity(3), 2)), bench.mirror).run_once()

    assert (taken, await bench.quantity(), await bench.doubts()) == (1, 3, {})


async def test_a_doubt_during_the_read_stays(bench: Bench) -> None:
    """A wish that arrives while the read is under way is not removed with the older one."""

    async def slow() -> ObjectRead:
        await wish(bench)
        return read_of(of_quantity(5), 2)

    await wish(bench)
    refresh = Refresh(bench.pool, Answers(slow, read_of(of_quantity(6), 3)), bench.mirror)

    assert await refresh.run_once() == 1
    assert await bench.doubts() == {"sub_1": "gap"}
    assert await refresh.run_once() == 1
    assert (await bench.quantity(), await bench.doubts()) == (6, {})


async def test_a_read_that_was_overtaken_is_read_again(bench: Bench) -> None:
    """An event applied while the read was under way, in the same seconds, leaves a doubt."""

    async def slow() -> ObjectRead:
        await bench.deliver(updated("evt_2", 1, now=2))
        return read_of(of_quantity(1), 1)

    await bench.deliver(updated("evt_1", 0, now=1))
    await wish(bench)
    refresh = Refresh(bench.pool, Answers(slow, read_of(of_quantity(2), 3)), bench.mirror)

    await refresh.run_once()
    assert await bench.quantity() == 2
    assert await bench.doubts() == {"sub_1": "gap"}
    await make_due(bench)
    await refresh.run_once()
    assert (await bench.quantity(), await bench.doubts()) == (2, {})


async def test_two_readers_never_read_the_same_object(bench: Bench) -> None:
    """A claim is a lease that others respect."""
    await wish(bench)

    first = await wishes.claim(bench.pool, 10, 60)
    second = await wishes.claim(bench.pool, 10, 60)

    assert (len(first), second) == (1, [])


async def test_a_failed_read_waits_longer_each_time(bench: Bench) -> None:
    """Stripe's trouble keeps the wish, with its error and a later due time."""
    await wish(bench)
    trouble = StripeTrouble("stripe_unavailable", "no answer")

    await Refresh(bench.pool, Answers(trouble), bench.mirror).run_once()

    row = await bench.pool.fetchrow("SELECT attempts, last_error, leased_until > now() FROM refresh")
    assert row is not None
    assert tuple(row) == (1, "stripe_unavailable: no answer", True)


@pytest.mark.parametrize("gone", [None, {"id": "sub_1", "object": "subscription", "deleted": True}])
async def test_what_stripe_has_not_becomes_a_tombstone(bench: Bench, gone: dict[str, Any] | None) -> None:
    """A 404, and an answer that says deleted, both end the object; later events do not bring it back."""
    await bench.deliver(updated("evt_1", 0, now=1))

    async with transaction(bench.pool) as conn:
        await bench.mirror.apply_read(conn, read_of(gone, 35))
    await bench.deliver(updated("evt_2", 99, now=2))

    assert await bench.pool.fetchval("SELECT deleted_at IS NOT NULL FROM stripe_object") is True
    assert await bench.quantity() == 1


async def test_an_event_older_than_a_read_is_ignored(bench: Bench) -> None:
    """A read of later seconds wins over an event that comes in after it."""
    async with transaction(bench.pool) as conn:
        await bench.mirror.apply_read(conn, read_of(of_quantity(7), 35, 36))
    await bench.deliver(updated("evt_1", 4, now=4))

    assert (await bench.quantity(), await bench.doubts()) == (7, {})


@pytest.mark.parametrize("second", [4, 66])
async def test_an_event_near_a_read_is_looked_into(bench: Bench, second: int) -> None:
    """By Stripe's clocks it may have been before the read or after it; what is held stays until then."""
    async with transaction(bench.pool) as conn:
        await bench.mirror.apply_read(conn, read_of(of_quantity(7), 34, 36))
    await bench.deliver(updated("evt_1", second, now=4))

    assert (await bench.quantity(), await bench.doubts()) == (7, {"sub_1": "unproven"})


async def test_a_read_that_saw_what_lies_between_is_no_witness(bench: Bench) -> None:
    """Truly 1, 3, 1: the read saw 3, and the event that says 1 again was heard of while it was on its way."""

    async def slow() -> ObjectRead:
        await bench.deliver(updated("evt_2", 2, now=1, was=3))
        return read_of(of_quantity(3), 2)

    async with transaction(bench.pool) as conn:
        await bench.mirror.apply_read(conn, read_of(of_quantity(1), 2))
    await wish(bench)
    await Refresh(bench.pool, Answers(slow), bench.mirror).run_once()

    assert 1 == await bench.quantity()
    assert {"sub_1"} == set(await bench.doubts())


async def test_a_lagging_copy_is_not_believed_at_once(bench: Bench) -> None:
    """An answer that undoes an end is read again, and believed when it stays."""
    ended = event(subscription(status="canceled"), "customer.subscription.deleted")
    await bench.deliver(ended)

    async with transaction(bench.pool) as conn:
        first = await bench.mirror.apply_read(conn, read_of(of_quantity(1), 35))
        last = await bench.mirror.apply_read(conn, read_of(of_quantity(1), 39), insist=True)

    assert (first.verdict, first.reason) == (Verdict.DOUBT, Reason.REGRESSION)
    assert last.verdict is Verdict.APPLY


async def test_a_read_with_a_cut_list_is_refused(bench: Bench) -> None:
    """The mirror never holds a part of the items as if it were all of them."""
    await wish(bench)
    cut = read_of(subscription(more=True), 5)

    await Refresh(bench.pool, Answers(cut), bench.mirror).run_once()

    assert await bench.pool.fetchval("SELECT count(*) FROM stripe_subscription") == 0
    assert await bench.doubts() == {"sub_1": "gap"}


async def test_an_ignored_customer_event_does_not_disturb(bench: Bench) -> None:
    """Objects of different kinds in one batch are decided each by itself."""
    await bench.deliver(event(customer(), "customer.created"), updated("evt_2", 0, now=1))

    assert await bench.pool.fetchval("SELECT count(*) FROM stripe_object") == 2
