"""The pool: codecs, time-outs, transactions, and what each failure means."""

from __future__ import annotations

import asyncio
from datetime import datetime

import asyncpg
import pytest

from sync.errors import DatabaseTrouble
from sync.store.db import Failure, Pool, classify, create_pool, transaction
from tests.support.postgres import with_database


@pytest.mark.parametrize("value", [{"a": [1, None, "é"]}, [], {"big": 12345678901234567890}])
@pytest.mark.parametrize("kind", ["jsonb", "json"])
async def test_json_is_python_on_both_sides(pool: Pool, kind: str, value: object) -> None:
    """Documents go in and come out as objects."""
    assert await pool.fetchval(f"SELECT $1::{kind}", value) == value


async def test_json_text_is_taken_as_it_is(pool: Pool) -> None:
    """A string is ready JSON text, which is what PgQueuer sends on our connections."""
    assert await pool.fetchval("SELECT $1::jsonb", '{"a": 1}') == {"a": 1}
    assert await pool.fetchval("SELECT array_length($1::jsonb[], 1)", ["null", "{}"]) == 2


async def test_nan_is_refused(pool: Pool) -> None:
    """What JSON cannot say does not become null by itself."""
    with pytest.raises(asyncpg.DataError, match="not JSON compliant"):
        await pool.fetchval("SELECT $1::jsonb", {"a": float("nan")})


async def test_connections_have_time_outs(pool: Pool) -> None:
    """No statement, lock or idle transaction holds the others up for ever."""
    names = ("statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout", "timezone")

    assert [await pool.fetchval("SELECT current_setting($1)", name) for name in names] == [
        "30s",
        "10s",
        "30s",
        "UTC",
    ]


async def test_times_are_aware(pool: Pool) -> None:
    """A time from the database knows that it is UTC."""
    now = await pool.fetchval("SELECT now()")

    assert isinstance(now, datetime)
    assert now.tzinfo is not None


async def test_transaction_rolls_back(pool: Pool) -> None:
    """An error inside undoes everything and goes on to the caller."""
    await pool.execute("CREATE TABLE kept (id integer)")

    async def fail_half_way() -> None:
        async with transaction(pool) as connection:
            await connection.execute("INSERT INTO kept VALUES (1)")
            raise LookupError

    with pytest.raises(LookupError):
        await fail_half_way()
    async with transaction(pool) as connection:
        await connection.execute("INSERT INTO kept VALUES (2)")

    assert await pool.fetchval("SELECT array_agg(id) FROM kept") == [2]


@pytest.mark.parametrize(
    ("statement", "failure"),
    [
        ("INSERT INTO one VALUES (1)", Failure.CONFLICT),
        ("INSERT INTO one VALUES (NULL)", Failure.BAD_DATA),
        ("SELECT 1 / 0", Failure.BAD_DATA),
        ("SELECT * FROM nowhere", Failure.FATAL),
        ("SET LOCAL statement_timeout = 1; SELECT pg_sleep(1)", Failure.UNAVAILABLE),
        ("SELECT pg_terminate_backend(pg_backend_pid())", Failure.UNAVAILABLE),
    ],
)
async def test_server_errors_are_classified(pool: Pool, statement: str, failure: Failure) -> None:
    """Each of the server's refusals has one meaning for the caller."""
    await pool.execute("CREATE TABLE one (id integer PRIMARY KEY); INSERT INTO one VALUES (1)")

    with pytest.raises((asyncpg.PostgresError, asyncpg.InterfaceError)) as caught:
        async with pool.acquire() as connection:
            await connection.execute(statement)
    assert classify(caught.value) is failure


async def test_deadlock_is_worth_a_retry(pool: Pool) -> None:
    """Of two transactions that wait for each other one is told to run again."""
    await pool.execute("CREATE TABLE two (id integer PRIMARY KEY, n integer DEFAULT 0)")
    await pool.execute("INSERT INTO two VALUES (1), (2)")
    both_hold_one = asyncio.Barrier(2)

    async def swap(first: int, second: int) -> None:
        async with transaction(pool) as connection:
            await connection.execute("UPDATE two SET n = n + 1 WHERE id = $1", first)
            await both_hold_one.wait()
            await connection.execute("UPDATE two SET n = n + 1 WHERE id = $1", second)

    results = await asyncio.gather(swap(1, 2), swap(2, 1), return_exceptions=True)

    assert [classify(result) for result in results if isinstance(result, Exception)] == [Failure.RETRY]


async def test_closed_port_is_unavailable() -> None:
    """Nobody listens: after the time for connecting it is one clear refusal, worth a retry later."""
    with pytest.raises(DatabaseTrouble, match="PostgreSQL cannot be used") as caught:
        await create_pool("postgresql://me@127.0.0.1:1/nowhere", connect_seconds=0.2)
    assert caught.value.retryable


async def test_wrong_name_is_said_at_once(database_url: str) -> None:
    """A database that does not exist is not waited for."""
    with pytest.raises(DatabaseTrouble, match="does not exist") as caught:
        await create_pool(with_database(database_url, "nowhere"), connect_seconds=60)
    assert not caught.value.retryable


def test_anything_else_is_fatal() -> None:
    """A defect of ours is never mistaken for a database that is busy."""
    assert classify(KeyError("x")) is Failure.FATAL
    assert classify(ConnectionResetError()) is Failure.UNAVAILABLE
    assert classify(asyncpg.InterfaceError("pool is closing")) is Failure.UNAVAILABLE
