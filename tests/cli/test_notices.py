"""`prorata notices`: which e-mails were sent, which wait, and another try for those that were given up."""

from __future__ import annotations

import pytest

from sync.store.db import Pool
from tests.cli.shell import Shell
from tests.worker.mail import INSERT_ACCOUNT, only, store


@pytest.fixture
async def owed(pool: Pool) -> Pool:
    """One of each: sent, waiting, given up."""
    await pool.execute(INSERT_ACCOUNT)
    for key in ("sent", "waiting", "lost"):
        await store(pool, key)
    await pool.execute("UPDATE notice SET sent_at = now(), attempts = 1 WHERE key = 'sent'")
    await pool.execute(
        "UPDATE notice SET given_up_at = now(), attempts = 9, first_attempt_at = now() - interval '3 days', "
        "last_error = '550 No such user' WHERE key = 'lost'"
    )
    return pool


async def test_list_shows_the_state(shell: Shell, owed: Pool) -> None:
    """Newest first, with key, state and last error; nobody's words are printed."""
    found = await shell.good("notices", "list")

    assert {each["key"]: each["state"] for each in found} == {
        "sent": "sent",
        "waiting": "waiting",
        "lost": "given_up",
    }
    assert all("data" not in each for each in found)
    assert [each["key"] for each in await shell.good("notices", "list", "--limit", "1")] == [found[0]["key"]]


async def test_failed_ones_can_be_listed(shell: Shell, owed: Pool) -> None:
    """With why."""
    [found] = await shell.good("notices", "list", "--failed")
    text = (await shell.quick("notices", "list", "--failed")).out

    assert (found["key"], found["last_error"]) == ("lost", "550 No such user")
    assert "550 No such user" in text


async def test_retry_gives_all_tries_back(shell: Shell, owed: Pool) -> None:
    """Due now, and three days from now again; a dry run only looks."""
    assert (await shell.good("notices", "retry", "lost", "--dry-run"))["would_be"] == "waiting"
    assert (await only(owed, "lost")).given_up_at is not None

    done = await shell.good("notices", "retry", "lost", "--reason", "the box was full")
    row = await only(owed, "lost")
    assert done["state"] == "waiting"
    assert (row.given_up_at, row.attempts, row.first_attempt_at) == (None, 0, None)
    assert await shell.good("notices", "list", "--failed") == []
    [told] = await shell.good("audit", "show", done["account_id"])
    assert ("notice.retried", done["reference"], "the box was full") == (
        told["act"],
        told["detail"]["notice"],
        told["detail"]["reason"],
    )


async def test_what_was_sent_is_not_sent_again(shell: Shell, owed: Pool) -> None:
    """A conflict, and nothing is done."""
    said = await shell.quick("notices", "retry", "sent")

    assert said.code == 5
    assert "notice_sent" in said.err


async def test_unknown_key_is_not_found(shell: Shell, owed: Pool) -> None:
    """Nothing is done."""
    assert (await shell.quick("notices", "retry", "nothing")).code == 3


async def test_empty_lists_say_so(shell: Shell) -> None:
    """On stderr; stdout stays data."""
    assert "no e-mail was given up" in (await shell.quick("notices", "list", "--failed")).err
