"""Row 16: lock time-outs, deadlocks and serialization failures are run again, a few times, and then told."""

from __future__ import annotations

import time
from functools import partial

import asyncpg
import pytest

from handlers import endpoint
from sync import audit
from sync.store.db import RETRIES, Pool, retried, transaction
from sync.store.patience import impatient
from tests.faults.hands import Hands
from tests.support.patience import DOOR_SECONDS, SURELY_SECONDS

LOST = {"lock_not_available": "55P03", "deadlock_detected": "40P01", "serialization_failure": "40001"}


async def lose(pool: Pool, condition: str, times: int, table: str = "change") -> None:
    """Let the next inserts into a table lose against somebody, so many times."""
    await pool.execute(
        "DROP SEQUENCE IF EXISTS lost CASCADE; CREATE SEQUENCE lost;"
        "CREATE OR REPLACE FUNCTION lose() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
        f"IF nextval('lost') <= {times} THEN RAISE EXCEPTION 'lost' USING ERRCODE = '{condition}'; END IF; "
        "RETURN NEW; END $$;"
        f"DROP TRIGGER IF EXISTS lose ON {table};"
        f"CREATE TRIGGER lose BEFORE INSERT ON {table} FOR EACH ROW EXECUTE FUNCTION lose()"
    )


async def test_confirm_that_lost_is_run_again_and_charges_once(
    mid: Hands, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever it lost by; the caller does not notice, and what lost left nothing."""
    # However long a busy machine takes for all the tries.
    monkeypatch.setattr(endpoint, "retried", lambda work, seconds: retried(work, seconds=SURELY_SECONDS))
    world, pool = mid.world, mid.world.billing.pool
    for seats, condition in enumerate(LOST, start=5):
        quote = await world.quote({"seats": seats})
        await lose(pool, condition, RETRIES)
        change = await mid.confirm(quote)
        change = await mid.settle(await mid.step(change))
        assert ("settled", 1) == (
            change["state"],
            len(await world.effects(change["id"], "subscription_updated")),
        )
        assert RETRIES + 1 == await pool.fetchval("SELECT last_value FROM lost")
    acts = [link.entry.act for link in (await audit.shown(pool, "acme", limit=100))[0]]
    assert 1 + len(LOST) == acts.count("quote.confirmed")


async def test_who_always_loses_is_told_to_come_back(mid: Hands) -> None:
    """Bounded: after the last try it is a 503 with a time, and nothing was charged or stored."""
    world, pool = mid.world, mid.world.billing.pool
    quote = await world.quote({"seats": 8})
    await lose(pool, "deadlock_detected", 1000)
    began = time.monotonic()
    said = await world.confirm(quote)
    seconds = time.monotonic() - began
    assert (503, "database_unavailable", "2") == (said.status, said.body["code"], said.headers["Retry-After"])
    assert seconds < DOOR_SECONDS
    # A busy machine may run out of the door's time before the last try.
    assert 1 <= await pool.fetchval("SELECT last_value FROM lost") <= RETRIES + 1
    assert 1 == await pool.fetchval("SELECT count(*) FROM change")
    await pool.execute("DROP TRIGGER lose ON change")
    assert "confirmed" == (await mid.confirm(quote))["state"]


async def test_row_that_somebody_holds_is_a_503_within_two_seconds(mid: Hands) -> None:
    """A door does not wait as long as a worker may."""
    world, pool = mid.world, mid.world.billing.pool
    quote = await world.quote({"seats": 8})
    async with transaction(pool) as conn:
        await conn.execute("SELECT FROM account FOR UPDATE")
        began = time.monotonic()
        said = await world.confirm(quote)
        seconds = time.monotonic() - began
    assert (503, True) == (said.status, said.body["retryable"])
    assert seconds < DOOR_SECONDS
    assert "confirmed" == (await mid.confirm(quote))["state"]


async def test_worker_that_lost_takes_its_step_again(mid: Hands) -> None:
    """The step is begun again by the sweep; Stripe was asked once."""
    world, pool = mid.world, mid.world.billing.pool
    change = await mid.confirm(await world.quote({"seats": 8}))
    await lose(pool, "deadlock_detected", 1, "account_terms")
    with pytest.raises(asyncpg.DeadlockDetectedError):
        await mid.step(change)
    await world.eventually(partial(_is_free, pool))
    change = await mid.step(change)
    assert "applied" == change["state"]
    assert 1 == len(await world.effects(change["id"], "subscription_updated"))


@pytest.mark.parametrize("losses", [0, 1, RETRIES, RETRIES + 1])
async def test_retries_are_bounded(losses: int) -> None:
    """One more than that and the loss is the caller's."""
    tries: list[float] = []

    async def work() -> str:
        tries.append(time.monotonic())
        if len(tries) <= losses:
            raise _lost()
        return "done"

    if losses > RETRIES:
        with pytest.raises(type(_lost())):
            await retried(work, seconds=SURELY_SECONDS)
    else:
        assert "done" == await retried(work, seconds=SURELY_SECONDS)
    assert min(losses, RETRIES) + 1 == len(tries)


async def test_only_what_did_nothing_is_run_again() -> None:
    """A lost connection may have committed: nobody repeats that blindly."""
    tries = 0

    async def work() -> None:
        nonlocal tries
        tries += 1
        raise ConnectionResetError

    with pytest.raises(ConnectionResetError):
        await retried(work)
    assert 1 == tries


async def test_patience_ends_with_its_block(pool: Pool) -> None:
    """The next user of the connection has the worker's time again."""
    with impatient(0.5):
        async with transaction(pool) as conn:
            assert "500ms" == await conn.fetchval("SHOW lock_timeout")
    async with transaction(pool) as conn:
        assert "10s" == await conn.fetchval("SHOW lock_timeout")


def _lost() -> asyncpg.PostgresError:
    return asyncpg.DeadlockDetectedError("lost")


async def _is_free(pool: Pool) -> bool:
    """Whether no worker holds the leg any more."""
    return bool(await pool.fetchval("SELECT bool_and(leased_until < clock_timestamp()) FROM change_leg"))
