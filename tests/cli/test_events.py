"""Looking at Stripe's events, and deciding about those that nobody could apply."""

from __future__ import annotations

import json
from typing import Any

import pytest

from handlers import inbox
from handlers.inbox import InboxEvent
from sync.gateway import STRIPE_API_VERSION
from sync.store.db import Pool
from tests.cli.shell import Shell

CREATED = 1_790_000_000


def customer_event(event_id: str, created: int, object_id: str = "cus_1") -> InboxEvent:
    """A customer as an event shows it."""
    shown = {
        "id": object_id,
        "object": "customer",
        "balance": 0,
        "created": CREATED,
        "metadata": {},
        "livemode": False,
    }
    body = {
        "id": event_id,
        "object": "event",
        "type": "customer.created",
        "created": created,
        "api_version": STRIPE_API_VERSION,
        "livemode": False,
        "data": {"object": shown},
    }
    return InboxEvent(
        id=event_id,
        created=created,
        type="customer.created",
        body=json.dumps(body).encode(),
        api_version=STRIPE_API_VERSION,
        livemode=False,
        object_id=object_id,
        customer_id=object_id,
    )


@pytest.fixture
async def full(shell: Shell, pool: Pool) -> Shell:
    """A shell on an inbox with three events of two customers, all waiting."""
    events = [
        customer_event("evt_1", CREATED),
        customer_event("evt_2", CREATED + 1),
        customer_event("evt_3", CREATED + 2, "cus_2"),
    ]
    await inbox.insert(pool, events)
    return shell


@pytest.fixture
async def grave(full: Shell, pool: Pool) -> Shell:
    """The same, where evt_1 failed for good."""
    await pool.execute(
        "UPDATE inbox SET state = 'buried', finished_at = now(), attempts = 5, last_error = 'KeyError: x' "
        "WHERE id = 'evt_1'"
    )
    return full


async def state_of(pool: Pool, event_id: str) -> Any:
    return await pool.fetchval("SELECT state FROM inbox WHERE id = $1", event_id)


def ids(rows: list[dict[str, Any]]) -> list[str]:
    return [row["id"] for row in rows]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ((), ["evt_3", "evt_2", "evt_1"]),
        (("--state", "buried"), ["evt_1"]),
        (("--about", "cus_2"), ["evt_3"]),
        (("--before", "evt_3", "--limit", "1"), ["evt_2"]),
    ],
)
async def test_list_can_be_narrowed(grave: Shell, options: tuple[str, ...], expected: list[str]) -> None:
    """Newest first, by state, by what it is about, page by page."""
    assert ids(await grave.good("events", "list", *options)) == expected


async def test_list_about_an_account(full: Shell, pool: Pool) -> None:
    """Our own id of an account finds the events of its customer."""
    await pool.execute(
        "INSERT INTO account (id, email, name, locale, currency, primary_admin_user_id, primary_admin_email, "
        "stripe_customer_id) VALUES ('acme', 'a', 'A', 'en', 'usd', 'ada', 'a', 'cus_2')"
    )

    assert ids(await full.good("events", "list", "--about", "acme")) == ["evt_3"]


async def test_unknown_state_is_usage(shell: Shell) -> None:
    """The states that exist are named."""
    said = await shell.quick("events", "list", "--state", "dead")

    assert said.code == 2
    assert "the states are waiting, finished, ignored, buried" in said.err


async def test_show_has_the_body(full: Shell) -> None:
    """What Stripe said stands below what became of it."""
    said = await full.quick("events", "show", "evt_1")

    head, _, body = said.out.partition("\n\n")
    assert head.splitlines()[0].split() == ["id", "evt_1"]
    assert json.loads(body)["data"]["object"]["id"] == "cus_1"


async def test_raw_body_is_byte_for_byte(shell: Shell, pool: Pool) -> None:
    """A body that is no JSON comes out as it came in."""
    await inbox.insert(pool, [InboxEvent(id="evt_x", created=CREATED, type="junk", body=b'{"a": \x01\n')])

    assert (await shell.quick("events", "show", "evt_x", "--raw")).out == '{"a": \x01\n'


async def test_dead_list_has_type_age_and_error(grave: Shell) -> None:
    """What on-call needs to see whether all died of the same."""
    said = await grave.quick("dead", "list")

    heading, line = said.out.splitlines()
    assert heading.split()[:3] == ["ID", "TYPE", "AGE"]
    assert "customer.created" in line
    assert "KeyError: x" in line


async def test_dry_run_of_a_retry_changes_nothing(grave: Shell, pool: Pool) -> None:
    """It says what applying would do, and neither event nor mirror moves."""
    said = await grave.good("dead", "retry", "evt_1", "--dry-run")

    assert (said["would_be"], said["state"]) == ("finished", "buried")
    assert "nothing was known of its object" in said["why"]
    assert await state_of(pool, "evt_1") == "buried"
    assert await pool.fetchval("SELECT count(*) FROM stripe_object") == 0


async def test_dry_run_names_the_failure(grave: Shell, pool: Pool) -> None:
    """An event that would fail again says how."""
    await pool.execute("UPDATE inbox SET body = '{}' WHERE id = 'evt_1'")
    said = await grave.good("dead", "retry", "evt_1", "--dry-run")

    assert said["would_be"] == "failed"
    assert "ValidationError" in said["why"]


async def test_retry_gives_new_tries(grave: Shell, pool: Pool) -> None:
    """The event waits again with no attempt used up, and a second retry has nothing to do."""
    await grave.good("dead", "retry", "evt_1")
    again = await grave.quick("dead", "retry", "evt_1")

    assert await pool.fetchval("SELECT attempts FROM inbox WHERE id = 'evt_1'") == 0
    assert await state_of(pool, "evt_1") == "waiting"
    assert again.code == 5


async def test_burying_for_good_empties_the_list(grave: Shell, pool: Pool) -> None:
    """A buried event that is given up leaves the list, keeps the reason, and can still come back."""
    await grave.good("dead", "bury", "evt_1", "--why", "a test event")
    listed = await grave.good("dead", "list")
    why = await pool.fetchval("SELECT last_error FROM inbox WHERE id = 'evt_1'")
    await grave.good("dead", "retry", "evt_1")

    assert (listed, why) == ([], "by hand: a test event")
    assert await state_of(pool, "evt_1") == "waiting"


async def test_burying_sets_a_waiting_event_aside(full: Shell, pool: Pool) -> None:
    """A poisonous event can be taken out of the workers' way before it has used up its tries."""
    await full.good("dead", "bury", "evt_2", "--why", "kills workers")

    assert await state_of(pool, "evt_2") == "buried"


async def test_burying_decides_about_one_row_and_tells_the_log(full: Shell, pool: Pool) -> None:
    """Another row with the same id is left alone; whatever is changed is in the audit log."""
    await inbox.insert(pool, [customer_event("evt_2", CREATED + 99)])
    await full.good("dead", "bury", "evt_2", "--why", "kills workers")
    await full.good("dead", "retry", "evt_2", "--reason", "the release is mended")

    await full.good("dead", "bury", "evt_2", "--why", "kills workers")
    states = await pool.fetch("SELECT state FROM inbox WHERE id = 'evt_2' ORDER BY created")
    assert ["buried", "waiting"] == [row["state"] for row in states]
    told = await full.good("audit", "show")
    assert [
        ("event.buried", "by hand: kills workers"),
        ("event.replayed", "the release is mended"),
        ("event.buried", "by hand: kills workers"),
    ] == [(each["act"], each["detail"]["reason"]) for each in told]


async def test_burying_wants_a_reason(grave: Shell, pool: Pool) -> None:
    """Where nobody can be asked, the reason is demanded."""
    said = await grave.quick("dead", "bury", "evt_1")

    assert said.code == 2
    assert "--why" in said.err
    assert await state_of(pool, "evt_1") == "buried"


async def test_replay_of_an_applied_event(full: Shell, pool: Pool) -> None:
    """An event that was applied is decided again by the next worker."""
    await pool.execute("UPDATE inbox SET state = 'finished', finished_at = now()")
    said = await full.good("events", "replay", "evt_1")

    assert said["state"] == "waiting"
    assert await state_of(pool, "evt_1") == "waiting"


async def test_applied_event_is_not_dead(full: Shell, pool: Pool) -> None:
    """The two commands are not mixed up: the message names the other one."""
    await pool.execute("UPDATE inbox SET state = 'finished', finished_at = now()")
    said = await full.quick("dead", "retry", "evt_1")

    assert said.code == 5
    assert "prorata events replay evt_1" in said.err
