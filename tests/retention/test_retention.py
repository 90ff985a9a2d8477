"""What is too old goes, a little at a time; what is needed, or is evidence, stays."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import asyncpg
import pytest

from handlers import inbox
from handlers.inbox import Ending, InboxEvent, State
from sync import audit, clock, retention
from sync.retention import Keep, Pruned
from sync.store import audit as audit_store
from sync.store import retention as store
from sync.store.db import Connection, Pool, prepare_connection, transaction
from worker import housekeeping

NOW = datetime(2026, 6, 20, tzinfo=UTC)
KEEP = Keep()
# Four months, half a second each; a connection of ours would wait for any lock ten times as long and more.
BUSY_SECONDS = 20


@pytest.fixture
async def months(pool: Pool) -> Pool:
    """An inbox that has been in use for half a year: one finished event on the 10th of each month."""
    await inbox.ensure_partitions(pool, datetime(2026, 1, 1, tzinfo=UTC), 8)
    for month in range(1, 7):
        await stored(pool, f"evt_{month}", datetime(2026, month, 10, tzinfo=UTC), State.FINISHED)
    return pool


async def stored(pool: Pool, event_id: str, at: datetime, state: State) -> None:
    """An event that came in and became that."""
    created = int(at.timestamp())
    await inbox.insert(pool, [InboxEvent(event_id, created, "invoice.paid", b"{}")])
    if state is not State.WAITING:
        async with transaction(pool) as conn:
            await inbox.finish(conn, [Ending(inbox.Key(created, event_id), state)])


async def events(pool: Pool) -> list[str]:
    return [row["id"] for row in await pool.fetch("SELECT id FROM inbox ORDER BY created")]


async def run(pool: Pool, now: datetime = NOW) -> dict[str, Pruned]:
    return {each.what: each for each in await retention.prune(pool, KEEP, now)}


# ---- events


async def test_months_that_nobody_needs_go_as_a_whole(months: Pool) -> None:
    """On June 20th 45 days reach back to May 6th: April has ended before, May has not."""
    done = await run(months)
    assert ["evt_5", "evt_6"] == await events(months)
    assert {f"events of 2026-0{month}": 1 for month in range(1, 5)} == {
        what: each.rows for what, each in done.items() if what.startswith("events of 2026")
    }
    assert not [name for name in await store.partitions(months) if name <= "inbox_2026_04"]


@pytest.mark.parametrize("state", [State.WAITING, State.BURIED])
async def test_month_with_something_open_stays_and_says_why(months: Pool, state: State) -> None:
    """Whatever its age: nobody has applied it, or a person still has to look. Its neighbours go."""
    await stored(months, "evt_open", datetime(2026, 2, 11, tzinfo=UTC), state)
    done = await run(months)
    assert ["evt_2", "evt_open", "evt_5", "evt_6"] == await events(months)
    february = done["events of 2026-02"]
    assert (0, True) == (february.rows, "1 of its events" in (february.kept or ""))
    await months.execute("UPDATE inbox SET state = 'finished', finished_at = now() WHERE id = 'evt_open'")
    assert 2 == (await run(months))["events of 2026-02"].rows


async def test_event_that_is_reopened_meanwhile_keeps_its_month(
    months: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The last look is under the lock: a replay between plan and drop is not lost."""
    locked = store.lock_inbox

    async def reopened_just_before(conn: object) -> None:
        await months.execute("UPDATE inbox SET state = 'waiting', finished_at = NULL WHERE id = 'evt_1'")
        await locked(conn)  # type: ignore[arg-type]

    monkeypatch.setattr(store, "lock_inbox", reopened_just_before)
    assert (await run(months))["events of 2026-01"].kept is not None
    assert "evt_1" in await events(months)


async def test_nothing_is_counted_while_everybody_waits(
    months: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Under the lock only what is open is looked for, by an index: a month may have millions of rows."""
    locked, counted, order = store.lock_inbox, store.count_events, list[str]()

    async def lock(conn: object) -> None:
        order.append("lock")
        await locked(conn)  # type: ignore[arg-type]

    async def count(conn: object, *span: int) -> int:
        order.append("count")
        return await counted(conn, *span)  # type: ignore[arg-type]

    monkeypatch.setattr(store, "lock_inbox", lock)
    monkeypatch.setattr(store, "count_events", count)
    assert 1 == (await run(months))["events of 2026-01"].rows
    assert ["count", "lock"] * 4 == order


async def test_what_is_open_is_found_by_its_index(months: Pool) -> None:
    """However many events a month has, the look under the lock reads none of those that have ended."""
    await months.execute(
        "INSERT INTO inbox (created, id, type, body, source, state, finished_at) "
        "SELECT extract(epoch FROM timestamptz '2026-01-02')::bigint + n, 'evt_n' || n, 'invoice.paid', '', "
        "'webhook', 'finished', now() FROM generate_series(1, 5000) AS n"
    )
    await months.execute("ANALYZE inbox_2026_01")
    first, after = (int(each.timestamp()) for each in retention.month_of("inbox_2026_01"))
    plan = await months.fetch(
        f"EXPLAIN {store.COUNT_OPEN}".replace("$1", f"{first}").replace("$2", f"{after}")
    )
    read = [row[0] for row in plan if " on inbox_2026_01" in row[0]]
    assert 2 == len(read)
    assert all("Index" in each and "pkey" not in each for each in read), read


async def test_a_month_that_cannot_be_counted_in_time_goes_all_the_same(
    months: Pool, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """How many it had is an estimate then; a large inbox would never get rid of anything otherwise."""
    await months.execute("ANALYZE inbox_2026_01")
    february = int(datetime(2026, 2, 1, tzinfo=UTC).timestamp())
    sleep = f"pg_sleep(CASE WHEN $1 < {february} THEN 60 ELSE 0 END)"
    slow = f"SELECT count(*) FROM inbox, {sleep} WHERE created >= $1 AND created < $2"
    monkeypatch.setattr(store, "COUNT_EVENTS", slow)
    hurried = asyncpg.create_pool(
        database_url, init=prepare_connection, server_settings={"statement_timeout": "2s"}
    )
    async with hurried:
        done = await run(hurried)
    january = done["events of 2026-01"]
    assert (1, None) == (january.rows, january.kept)
    assert ["evt_5", "evt_6"] == await events(months)


async def test_a_look_that_takes_too_long_under_the_lock_keeps_its_month(
    months: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Everybody waits for it, so it is given up and said; the heaps behind it have their turn."""
    drop = store.drop_partition

    async def slow(conn: Connection, name: str) -> None:
        await conn.execute("SET LOCAL statement_timeout = 50; SELECT pg_sleep(1)")
        await drop(conn, name)

    monkeypatch.setattr(store, "drop_partition", slow)
    done = await run(months)
    assert "QueryCanceledError" in (done["events of 2026-01"].kept or "")
    assert ("evt_1" in await events(months), "the queue's log of jobs" in done) == (True, True)


async def test_what_cannot_be_told_is_not_deleted(months: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    """The entry of the log is part of the act, for a month as for everything else."""
    await months.execute(
        "INSERT INTO idempotency_answer (principal, key, request_hash, claimed_at) "
        "VALUES ('p', 'old', 'h', '2025-01-01')"
    )

    async def refuse(*_: object, **__: object) -> None:
        raise ConnectionResetError("the log cannot be written")

    with monkeypatch.context() as broken:
        broken.setattr(audit, "write", refuse)
        with pytest.raises(ConnectionResetError):
            await run(months)
        with pytest.raises(ConnectionResetError):
            await retention.prune(months, KEEP, datetime(2026, 2, 1, tzinfo=UTC))
    assert "evt_1" in await events(months)
    assert 1 == await months.fetchval("SELECT count(*) FROM idempotency_answer")


async def test_busy_inbox_is_left_for_the_next_round(months: Pool) -> None:
    """Whoever holds a batch of events is waited for half a second, no longer; nothing fails."""
    async with transaction(months) as conn:
        await conn.execute("SELECT id FROM inbox WHERE created > 0 FOR UPDATE")
        async with asyncio.timeout(BUSY_SECONDS):
            done = await run(months)
        assert "busy" in (done["events of 2026-01"].kept or "")
    assert 1 == (await run(months))["events of 2026-01"].rows


async def test_events_of_odd_times_go_by_the_day_they_came(months: Pool) -> None:
    """An event from 1970 belongs to no month: it is kept as long as others, from when it came in."""
    for name, state in (("old", State.FINISHED), ("dead", State.BURIED), ("new", State.FINISHED)):
        await stored(months, f"evt_{name}", datetime(1970, 1, 5, tzinfo=UTC), state)
    await months.execute("UPDATE inbox SET received_at = $1 WHERE id <> 'evt_new'", NOW - timedelta(days=46))
    await months.execute("UPDATE inbox SET received_at = $1 WHERE id = 'evt_new'", NOW - timedelta(days=44))
    assert 1 == (await run(months))["events of odd times"].rows
    assert {"evt_dead", "evt_new"} <= set(await events(months))


@pytest.mark.parametrize("days", [{"events_days": 35}, {"answers_days": 1}, {"quotes_days": 6}])
def test_less_than_is_safe_is_refused(days: dict[str, int]) -> None:
    """Stripe can repeat an event of the last 30 days; one that was forgotten would look new."""
    with pytest.raises(ValueError, match="at least"):
        Keep(**days)


async def test_a_worker_that_lives_for_months_makes_room_every_day(pool: Pool) -> None:
    """Partitions are made for two months ahead, whenever the round is run."""
    await housekeeping.make_room(pool)
    ahead = (clock.wall().replace(day=1) + timedelta(days=70)).strftime("inbox_%Y_%m")
    names = await store.partitions(pool)
    assert clock.wall().strftime("inbox_%Y_%m") in names
    assert names[-1] >= min(ahead, (clock.wall().replace(day=1) + timedelta(days=62)).strftime("inbox_%Y_%m"))


# ---- rows


async def test_answers_and_the_job_log_are_forgotten_by_age(pool: Pool) -> None:
    """More of them than one piece, and not one that is younger."""
    await pool.execute(
        "INSERT INTO idempotency_answer (principal, key, request_hash, claimed_at) "
        "SELECT 'p', n::text, 'h', $1::timestamptz - make_interval(days => 29 + n % 3) "
        "FROM generate_series(1, 3000) AS n",
        NOW,
    )
    await pool.execute(
        "INSERT INTO queue.pgqueuer_log (created, job_id, status, priority, entrypoint) "
        "SELECT $1::timestamptz - make_interval(days => n), n, 'successful', 0, 'x' "
        "FROM generate_series(1, 20) AS n",
        NOW,
    )
    planned = {each.what: each.rows for each in await retention.plan(pool, KEEP, NOW)}
    done = await run(pool)
    assert planned == {what: each.rows for what, each in done.items()}
    assert 1000 == done["answers under an Idempotency-Key"].rows
    assert 13 == done["the queue's log of jobs"].rows
    assert 2000 == await pool.fetchval("SELECT count(*) FROM idempotency_answer")
    assert all(each.rows == 0 for each in (await run(pool)).values())


async def test_only_quotes_that_led_to_nothing_are_forgotten(pool: Pool) -> None:
    """What was confirmed, or offered by support, is evidence however old it is."""
    await pool.execute(
        "INSERT INTO account (id, email, name, locale, currency, primary_admin_user_id, primary_admin_email)"
        " VALUES ('acme', 'a@a.example', 'Acme', 'en', 'usd', 'ada', 'a@a.example')"
    )
    for name, days in (("used", 200), ("offered", 200), ("old", 91), ("young", 89)):
        await pool.execute(
            "INSERT INTO quote (id, account_id, actor_id, wish, self_serve, refusals, currency, lines, "
            "fingerprint, expires_at, created_at) "
            "VALUES ($1, 'acme', 'ada', '{}', true, '[]', 'usd', '[]', 'f', $2, $2)",
            f"quo_{name}",
            NOW - timedelta(days=days),
        )
    await pool.execute(
        "INSERT INTO change (id, quote_id, account_id, actor_id) VALUES ('chg_1', 'quo_used', 'acme', 'ada')"
    )
    await pool.execute(
        "INSERT INTO change_request (id, account_id, state, wish, effective, reason, losses, actor_id, "
        "quote_id, expires_at) "
        "VALUES ('req_1', 'acme', 'expired', '{}', 'now', 'r', '[]', 'ada', 'quo_offered', now())"
    )
    assert 1 == (await run(pool))["quotes that nobody confirmed"].rows
    left = [row["id"] for row in await pool.fetch("SELECT id FROM quote ORDER BY id")]
    assert ["quo_offered", "quo_used", "quo_young"] == left


async def test_what_went_is_in_the_audit_log_and_two_at_once_do_no_harm(months: Pool) -> None:
    """Deleting by the rules is an act too; a second worker beside it finds nothing left, and no error."""
    await asyncio.gather(run(months), run(months))
    assert ["evt_5", "evt_6"] == await events(months)
    links = await audit_store.after(months, None, 0, 10)
    assert ["data.pruned"] * 4 == [link.entry.act for link in links]
    assert {f"events of 2026-0{month}" for month in range(1, 5)} == {
        link.entry.detail["what"] for link in links
    }
    assert {1} == {link.entry.detail["rows"] for link in links}
    assert (await audit.verify(months, None)).broken is None
