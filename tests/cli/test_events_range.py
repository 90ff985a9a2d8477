"""Replaying a range of events: seen before, small pieces, as often as one likes."""

from __future__ import annotations

import json
from typing import Any

import pytest

from handlers import inbox
from handlers.dispatch import Dispatcher
from handlers.inbox import InboxEvent
from sync.gateway import STRIPE_API_VERSION
from sync.mirror import Mirror
from sync.store import mode
from sync.store.db import Pool
from tests.cli.shell import Shell
from tests.cli.test_events import CREATED, customer_event, state_of
from worker.applier import Applier
from worker.cli import replay

# CREATED is 2026-09-21T14:13:20Z.
SINCE = "2026-09-21T14:13:20Z"
GO = ("--reason", "a release was wrong", "--yes")


@pytest.fixture
async def day(shell: Shell, pool: Pool) -> Shell:
    """A shell on an inbox of six applied events, a second apart, of two customers; one is buried."""
    await inbox.insert(pool, [customer_event(f"evt_{n}", CREATED + n, f"cus_{n % 2}") for n in range(6)])
    await applied(pool)
    await pool.execute("UPDATE inbox SET state = 'buried' WHERE id = 'evt_3'")
    return shell


async def applied(pool: Pool) -> None:
    """Apply everything, as a worker does."""
    await Applier(pool, Dispatcher(STRIPE_API_VERSION, livemode=False), Mirror()).drain()


async def waiting(pool: Pool) -> list[str]:
    rows = await pool.fetch("SELECT id FROM inbox WHERE state = 'waiting' ORDER BY created")
    return [row["id"] for row in rows]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ((), ["evt_0", "evt_1", "evt_2", "evt_3", "evt_4", "evt_5"]),
        (("--until", "2026-09-21T14:13:22Z"), ["evt_0", "evt_1"]),
        (("--state", "buried"), ["evt_3"]),
        (("--about", "cus_1"), ["evt_1", "evt_3", "evt_5"]),
        (("--type", "invoice.paid"), []),
    ],
)
async def test_range_is_what_the_options_say(
    day: Shell, pool: Pool, options: tuple[str, ...], expected: list[str]
) -> None:
    """From a moment, to a moment, of a state, about somebody, of a type; in pieces as in one."""
    replay.PIECE, before = 2, replay.PIECE
    said = await day.good("events", "replay", "--since", SINCE, *options, *GO)
    replay.PIECE = before

    assert (said["matched"], said["replayed"]) == (len(expected), len(expected))
    assert await waiting(pool) == expected


async def test_dry_run_counts_and_changes_nothing(day: Shell, pool: Pool) -> None:
    """What would be replayed, by type and state."""
    said = await day.good("events", "replay", "--since", SINCE, "--dry-run")

    assert said["by_type"] == [
        {"type": "customer.created", "state": "buried", "events": 1},
        {"type": "customer.created", "state": "finished", "events": 5},
    ]
    assert said["replayed"] == 0
    assert await waiting(pool) == []


async def test_range_is_asked_for(day: Shell, pool: Pool) -> None:
    """Where nobody can say yes, nothing is done; the counts are shown all the same."""
    said = await day.quick("events", "replay", "--since", SINCE, "--reason", "a test")

    assert said.code == 0
    assert "--yes" in said.err
    assert "customer.created" in said.out
    assert await waiting(pool) == []


async def test_replay_twice_ends_the_same(day: Shell, pool: Pool) -> None:
    """What is older than our copy is ignored again: the mirror and its revisions do not move."""

    async def mirror() -> list[Any]:
        return [tuple(row) for row in await pool.fetch("SELECT id, revision FROM stripe_object ORDER BY id")]

    before = await mirror()
    for _ in range(2):
        await day.good("events", "replay", "--since", SINCE, *GO)
        again = await day.good("events", "replay", "--since", SINCE, *GO)
        await applied(pool)
        assert again["matched"] == 0

    assert await mirror() == before
    assert await pool.fetchval("SELECT count(*) FROM inbox WHERE state = 'finished'") == 6


async def test_one_entry_in_the_audit_log(day: Shell, pool: Pool) -> None:
    """Who replayed how many of what, and why; a range without a reason is not touched."""
    refused = await day.quick("events", "replay", "--since", SINCE, "--yes")
    assert (2, True, []) == (refused.code, "--reason" in refused.err, await waiting(pool))
    await day.good("events", "replay", "--since", SINCE, *GO)

    [detail] = [
        row[0] for row in await pool.fetch("SELECT detail FROM audit_log WHERE act = 'event.replayed'")
    ]
    found = json.loads(detail) if isinstance(detail, str) else detail
    assert (6, CREATED, GO[1]) == (found["events"], found["since_unix"], found["reason"])


async def test_a_range_that_reaches_too_far_back_says_so(day: Shell) -> None:
    """What was pruned cannot come again, and a count alone would not tell that it is missing."""
    said = await day.quick("events", "replay", "--since", "2020-01-01", "--dry-run")
    assert "are not kept any more" in said.err
    said = await day.quick("events", "replay", "--since", SINCE, "--dry-run")
    assert "are not kept any more" not in said.err


@pytest.mark.parametrize(
    "options",
    [
        (),
        ("evt_1", "--since", SINCE),
        ("evt_1", "--state", "buried"),
        ("--state", "buried"),
        ("--since", SINCE, "--state", "waiting"),
        ("--since", SINCE, "--state", "dead"),
        ("--since", SINCE, "--until", "2026-09-21"),
    ],
)
async def test_half_a_range_is_usage(day: Shell, pool: Pool, options: tuple[str, ...]) -> None:
    """A forgotten option never means everything."""
    said = await day.quick("events", "replay", *options, *GO)

    assert said.code == 2
    assert await waiting(pool) == []


async def test_dry_run_knows_the_mode(day: Shell, pool: Pool) -> None:
    """An event of the other mode would be ignored by every worker of this database."""
    await mode.claim(pool, livemode=False)
    stray = InboxEvent(id="evt_live", created=CREATED, type="customer.created", body=b"{}", livemode=True)
    await inbox.insert(pool, [stray])
    await applied(pool)

    said = await day.good("events", "replay", "evt_live", "--dry-run")

    assert said["would_be"] == "ignored"
    assert await state_of(pool, "evt_live") == "ignored"
