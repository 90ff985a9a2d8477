"""Stored notices are handed to a real mail server, whatever mood it is in: late perhaps, but not lost."""

from __future__ import annotations

import asyncio
from collections import Counter
from datetime import timedelta

import pytest

from sync import clock, notices
from sync.store import notices as store_of
from sync.store.db import Pool
from sync.telemetry import REGISTRY
from tests.worker.mail import (
    INSERT_ACCOUNT,
    REQUEST,
    closed_port,
    mail_server,
    mailer_on,
    only,
    store,
    text_of,
)
from worker.senders.mailer import Patience

# Whoever does not hang needs a hundredth of it.
QUICK = Patience(send_seconds=2.0, lease_seconds=60.0)


@pytest.fixture
async def pool(pool: Pool) -> Pool:
    """With the account that the notices are about."""
    await pool.execute(INSERT_ACCOUNT)
    return pool


def counted(outcome: str) -> float:
    """How often a try of a declined request's notice ended so."""
    labels = {"kind": "request_declined", "outcome": outcome}
    return REGISTRY.get_sample_value("notice_total", labels) or 0.0


async def due_again(pool: Pool) -> None:
    """As if the pause were over."""
    await pool.execute("UPDATE notice SET next_attempt_at = now() WHERE sent_at IS NULL")


async def test_stored_notice_arrives(pool: Pool) -> None:
    """Addressed, in both forms, marked as sent, and not sent again."""
    before = counted("sent")
    async with mail_server() as box:
        await store(pool, "k1", locale="fr")
        mailer = mailer_on(pool, box.url)
        assert (await mailer.run_once(), await mailer.run_once()) == (1, 0)

    [message] = box.arrived
    assert message["To"] == message["X-Envelope-To"] == "ada@acme.example"
    assert message["From"] == "Prorata <billing@prorata.example>"
    assert message["Reply-To"] == "help@prorata.example"
    assert message["Subject"] == "Votre demande pour le compte Acme est refusée"
    assert message["Message-ID"] == f"<{notices.reference('k1')}@prorata.example>"
    assert (message["Auto-Submitted"], message["Content-Language"]) == ("auto-generated", "fr")
    assert "L’assistance a refusé" in text_of(message)
    assert "L’assistance a refusé" in text_of(message, "html")
    assert (await only(pool, "k1")).sent_at is not None
    assert counted("sent") == before + 1


async def test_letters_of_other_languages_arrive(pool: Pool) -> None:
    """In the address, where the server can do it, and in the account's name."""
    async with mail_server() as box:
        data = {**REQUEST, "account_name": "Société Générale 🙂"}
        await store(pool, "k1", "josé@acme.example", data=data)
        await mailer_on(pool, box.url).run_once()

    assert box.arrived[0]["X-Envelope-To"] == "josé@acme.example"
    assert "Société Générale 🙂" in box.arrived[0]["Subject"]


async def test_server_that_is_busy_is_asked_again(pool: Pool) -> None:
    """A temporary refusal: after a minute, then two, with the reason kept for whoever looks."""
    async with mail_server() as box:
        box.on_recipient = lambda _: "451 4.7.1 Greylisted, try again"
        await store(pool, "k1")
        mailer = mailer_on(pool, box.url)
        for attempt, pause in ((1, 60), (2, 120)):
            await mailer.run_once()
            row = await only(pool, "k1")
            assert (row.attempts, row.last_error) == (attempt, "451 4.7.1 Greylisted, try again")
            assert abs(row.next_attempt_at - clock.wall() - timedelta(seconds=pause)) < timedelta(seconds=20)
            assert await mailer.run_once() == 0
            await due_again(pool)
        box.on_recipient = lambda _: "250 OK"
        await mailer.run_once()

    assert (len(box.arrived), (await only(pool, "k1")).last_error) == (1, None)


async def test_address_that_does_not_exist_is_given_up(pool: Pool) -> None:
    """At once; the other mails of the same connection go out."""
    before = counted("given_up")
    async with mail_server() as box:
        box.on_recipient = lambda to: "550 5.1.1 No such user" if to.startswith("nobody") else "250 OK"
        for number in range(8):
            await store(pool, f"k{number}", "nobody@acme.example" if number == 3 else "ada@acme.example")
        await mailer_on(pool, box.url).run_once()

    assert len(box.arrived) == 7
    row = await only(pool, "k3")
    assert row.given_up_at is not None
    assert row.last_error == "550 5.1.1 No such user"
    assert counted("given_up") == before + 1


async def test_mail_that_the_server_rejects_is_given_up(pool: Pool) -> None:
    """A refusal of the content for good."""

    async def reject(_: object) -> str:
        return "554 5.6.0 Message rejected"

    async with mail_server() as box:
        box.on_data = reject
        await store(pool, "k1")
        await mailer_on(pool, box.url).run_once()

    assert (await only(pool, "k1")).given_up_at is not None


async def test_refusal_of_our_own_set_up_is_not_final(pool: Pool) -> None:
    """`Relaying denied` is the operator's to mend: no address is given up for it."""
    async with mail_server() as box:
        box.on_recipient = lambda _: "550 5.7.1 Relaying denied"
        await store(pool, "k1")
        await mailer_on(pool, box.url).run_once()

    assert (await only(pool, "k1")).given_up_at is None


async def test_after_three_days_it_is_given_up(pool: Pool) -> None:
    """Counted from the first try; time without a mail server does not count."""
    url = f"smtp://127.0.0.1:{closed_port()}"
    await store(pool, "old")
    await store(pool, "tried")
    await pool.execute("UPDATE notice SET created_at = now() - interval '9 days'")
    await pool.execute(
        "UPDATE notice SET first_attempt_at = now() - interval '3 days', attempts = 18 WHERE key = 'tried'"
    )
    await mailer_on(pool, url).run_once()

    assert (await only(pool, "tried")).given_up_at is not None
    assert (await only(pool, "old")).given_up_at is None


async def test_server_that_is_away(pool: Pool) -> None:
    """Nothing is lost: all wait for the next try."""
    for number in range(5):
        await store(pool, f"k{number}")
    await mailer_on(pool, f"smtp://127.0.0.1:{closed_port()}").run_once()

    rows = await store_of.newest(pool, 10, failed=False)
    assert {(row.attempts, row.sent_at, row.given_up_at) for row in rows} == {(1, None, None)}
    assert all("no connection" in (row.last_error or "") for row in rows)


async def test_server_that_hangs(pool: Pool) -> None:
    """One mail that is never answered costs its time, and not the others their turn."""
    silent = asyncio.Event()

    async def hang_on_the_first(_: object) -> str:
        if not silent.is_set():
            silent.set()
            await asyncio.sleep(60)
        return "250 OK"

    async with mail_server() as box:
        box.on_data = hang_on_the_first
        for number in range(8):
            await store(pool, f"k{number}")
        await mailer_on(pool, box.url, QUICK).run_once()

    late = [row for row in await store_of.newest(pool, 10, failed=False) if row.sent_at is None]
    assert len(box.arrived) == 7
    assert [row.last_error for row in late] == ["the mail server did not answer in time"]


async def test_server_that_hangs_up(pool: Pool) -> None:
    """A connection that breaks in the middle of a mail is opened again for the next one."""
    seen = Counter[str]()
    async with mail_server() as box:

        async def drop_the_second(_: object) -> str:
            seen["data"] += 1
            return "421 4.3.2 Shutting down" if seen["data"] == 2 else "250 OK"

        box.on_data = drop_the_second
        for number in range(4):
            await store(pool, f"k{number}")
        await mailer_on(pool, box.url).run_once()

    assert len(box.arrived) == 3
