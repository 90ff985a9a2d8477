"""Several senders, leases, and odd notices: each mail is sent once, and none holds up another."""

from __future__ import annotations

import asyncio

import pytest

from sync import notices
from sync.store import notices as store_of
from sync.store.db import Pool
from tests.support.patience import SURELY_SECONDS
from tests.worker.mail import (
    INSERT_ACCOUNT,
    mail_server,
    mailer_on,
    only,
    store,
)
from worker.senders.mailer import Patience

# A quiet machine needs a tenth of it.
TAKES_SECONDS = 100


@pytest.fixture
async def pool(pool: Pool) -> Pool:
    """With the account that the notices are about."""
    await pool.execute(INSERT_ACCOUNT)
    return pool


async def due_again(pool: Pool) -> None:
    """As if the pause were over."""
    await pool.execute("UPDATE notice SET next_attempt_at = now() WHERE sent_at IS NULL")


async def test_lease_that_is_nearly_over_sends_nothing(pool: Pool) -> None:
    """What there is no time for is put back, as if it had not been claimed."""
    async with mail_server() as box:
        await store(pool, "k1")
        await mailer_on(pool, box.url, Patience(send_seconds=60, lease_seconds=100)).run_once()
        row = await only(pool, "k1")
        assert (len(box.arrived), row.attempts) == (0, 0)
        assert await mailer_on(pool, box.url).run_once() == 1

    assert len(box.arrived) == 1


async def test_sender_that_was_held_up_undoes_nothing(pool: Pool) -> None:
    """Its lease was over, somebody else took the notice: the late word about it does not count."""
    await store(pool, "k1")
    [late] = await store_of.claim(pool, 1, 300)
    await due_again(pool)
    [now] = await store_of.claim(pool, 1, 300)
    await notices.failed(pool, late, notices.Trouble("smtp_550", "550 No such user", final=True))
    row = await only(pool, "k1")
    assert (row.given_up_at, row.attempts) == (None, 2)

    await notices.sent(pool, now)
    await notices.failed(pool, now, notices.Trouble("timed_out", "x"))
    assert (await only(pool, "k1")).last_error is None


async def test_stop_finishes_the_mail_at_hand(pool: Pool) -> None:
    """The others are put back for whoever comes next."""
    stop, holding = asyncio.Event(), asyncio.Event()

    async def slowly(_: object) -> str:
        holding.set()
        await stop.wait()
        return "250 OK"

    async with mail_server() as box:
        box.on_data = slowly
        for number in range(12):
            await store(pool, f"k{number}")
        running = asyncio.create_task(mailer_on(pool, box.url).run(stop))
        await asyncio.wait_for(holding.wait(), SURELY_SECONDS)
        stop.set()
        await asyncio.wait_for(running, SURELY_SECONDS)

    rows = await store_of.newest(pool, 20, failed=False)
    done = [row for row in rows if row.sent_at is not None]
    assert 1 <= len(done) == len(box.arrived) <= 4
    assert {row.attempts for row in rows if row.sent_at is None} == {0}


async def test_two_senders_send_each_once(pool: Pool) -> None:
    """Any number of workers may run; hundreds of mails are soon out."""
    await store(pool, "k")
    await pool.execute(
        "INSERT INTO notice (key, account_id, kind, recipient, locale, data) "
        "SELECT 'k' || n, account_id, kind, 'user' || n || '@acme.example', locale, data "
        "FROM notice, generate_series(1, 299) AS n"
    )
    async with mail_server() as box:
        mailers = [mailer_on(pool, box.url) for _ in range(2)]
        stop = asyncio.Event()
        running = [asyncio.create_task(mailer.run(stop)) for mailer in mailers]
        await box.until(300, seconds=TAKES_SECONDS)
        stop.set()
        await asyncio.gather(*running)

    assert len(box.taken) == len({recipient for recipient, _ in box.taken}) == 300


async def test_waiting_loop_hears_of_a_new_notice(pool: Pool) -> None:
    """A second or so after it was stored it is there."""
    async with mail_server() as box:
        stop = asyncio.Event()
        running = asyncio.create_task(mailer_on(pool, box.url).run(stop))
        await asyncio.sleep(0)
        await store(pool, "k1")
        await box.until(1, seconds=SURELY_SECONDS)
        stop.set()
        await running


async def test_notice_without_words_waits_and_stops_nobody(pool: Pool) -> None:
    """A defect in one notice is an error in the log and a later try; its neighbours go out."""
    async with mail_server() as box:
        await store(pool, "k1", data={})
        await store(pool, "k2")
        await mailer_on(pool, box.url).run_once()

    assert len(box.arrived) == 1
    assert "request_declined" in ((await only(pool, "k1")).last_error or "")


async def test_bad_address_is_given_up(pool: Pool) -> None:
    """An address that would be two is never said to a server."""
    async with mail_server() as box:
        await store(pool, "k1", "a@acme.example>,<b@evil.example")
        await mailer_on(pool, box.url).run_once()

    assert box.arrived == []
    assert (await only(pool, "k1")).given_up_at is not None


async def test_logs_name_nobody(pool: Pool, capsys: pytest.CaptureFixture[str]) -> None:
    """Neither the address, nor the key that has it, nor what a server says of it, nor anybody's words."""
    from worker import logs

    logs.configure("json", "DEBUG")
    async with mail_server() as box:
        box.on_recipient = lambda to: f"550 5.1.1 <{to}>: no such user" if "bob" in to else "250 OK"
        await store(pool, "req:ada@acme.example")
        await store(pool, "req:bob@acme.example", "bob@acme.example")
        await mailer_on(pool, box.url).run_once()
    written = "".join(capsys.readouterr())

    assert "notice.sent" in written
    assert "notice.failed" in written
    assert "acme.example" not in written
    assert "fewer" not in written


@pytest.mark.parametrize(
    ("attempts", "seconds"), [(1, 60), (2, 120), (3, 240), (9, 15_360), (10, 21_600), (500, 21_600)]
)
def test_pauses_double_up_to_six_hours(attempts: int, seconds: int) -> None:
    """A minute at first."""
    assert notices.pause_seconds(attempts) == seconds


def test_defaults_fit() -> None:
    """A lease holds at least two mails that take as long as they may."""
    patience = Patience()
    assert patience.lease_seconds > 3 * patience.send_seconds
