"""What a person does with the inbox."""

from __future__ import annotations

import re

from handlers import inbox
from handlers.inbox import Key, State, desk, retries
from sync.store.db import Pool
from tests.mirror.builders import SECOND, customer, event

FIRST = Key(SECOND, "evt_0")


async def fill(pool: Pool, count: int = 3) -> None:
    await inbox.insert(
        pool,
        [
            event(customer(), "customer.updated", event_id=f"evt_{n}", created=SECOND + n)
            for n in range(count)
        ],
    )


async def test_events_are_listed_newest_first_in_pages(pool: Pool) -> None:
    """A page continues after the last event of the one before."""
    await fill(pool)

    first = await desk.list_events(pool, limit=2)
    second = await desk.list_events(pool, before=(first[-1].created, first[-1].id))

    assert [each.id for each in first + second] == ["evt_2", "evt_1", "evt_0"]


async def test_events_are_found_by_their_object(pool: Pool) -> None:
    """By the object or by the customer."""
    await fill(pool)

    assert len(await desk.list_events(pool, about="cus_1")) == 3
    assert await desk.list_events(pool, about="cus_2") == []


async def test_a_dead_event_gets_a_new_set_of_tries(pool: Pool) -> None:
    """Buried by hand, listed as dead, then waiting again from zero."""
    await fill(pool, 1)

    assert await retries.bury(pool, FIRST, "by hand")
    assert [each.last_error for each in await desk.list_dead(pool)] == ["by hand"]
    assert await desk.replay(pool, FIRST)
    shown = await desk.show(pool, "evt_0")

    assert shown is not None
    assert (shown.summary.state, shown.summary.attempts) == (State.WAITING, 0)
    assert not await desk.replay(pool, FIRST)


async def test_a_finished_event_can_be_replayed(pool: Pool) -> None:
    """A waiting one cannot: it comes anyway."""
    await fill(pool, 1)
    assert not await desk.replay(pool, FIRST)
    await pool.execute("UPDATE inbox SET state = 'finished', finished_at = now()")

    assert await desk.replay(pool, FIRST)
    assert await inbox.waiting(pool) == 1


async def test_the_states_are_those_of_the_table(pool: Pool) -> None:
    """The enumeration and the CHECK constraint name the same states."""
    check = await pool.fetchval(
        "SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conname = 'inbox_state_check' LIMIT 1"
    )

    assert set(re.findall(r"'(\w+)'", check)) == set(State)
