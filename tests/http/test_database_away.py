"""A database that is away, or that hangs, is a 503 within two seconds."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from handlers.patience import within
from sync.errors import DatabaseTrouble
from sync.store.db import Pool
from tests.http.conftest import Client, problem
from tests.http.toys import Toys
from tests.support.patience import DOOR_SECONDS, SURELY_SECONDS


@asynccontextmanager
async def locked(pool: Pool, table: str) -> AsyncIterator[None]:
    """Hold a lock that everybody else has to wait for."""
    async with pool.acquire() as holder, holder.transaction():
        await holder.execute(f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE")
        yield


async def test_a_closed_pool_is_a_503(client: Client, pool: Pool, boss: dict[str, str]) -> None:
    """Without connections the caller is told to come back."""
    await pool.close()
    response = await client.get("/v1/accounts", headers=boss)

    found = await problem(response)
    assert (response.status, found["code"], found["retryable"]) == (503, "database_unavailable", True)
    assert response.headers["Retry-After"] == "2"


@pytest.mark.parametrize("table", ["api_key", "idempotency_answer"])
async def test_a_database_that_hangs_is_a_503_in_time(
    toy_client: Client, toys: Toys, pool: Pool, boss: dict[str, str], table: str
) -> None:
    """Neither the look at the key nor the claim waits for long, and nothing is done."""
    headers = {**boss, "Idempotency-Key": "k"}
    async with locked(pool, table):
        began = time.monotonic()
        response = await toy_client.post("/toys/required", json={"name": "a"}, headers=headers)
        seconds = time.monotonic() - began

    assert ((await problem(response))["code"], toys.effects) == ("database_unavailable", [])
    assert seconds < DOOR_SECONDS


async def test_an_answer_that_cannot_be_stored_is_given_all_the_same(
    toy_client: Client, toys: Toys, pool: Pool, boss: dict[str, str]
) -> None:
    """What was done is said, although a repetition will do it again."""
    toys.gate = asyncio.Event()
    headers = {**boss, "Idempotency-Key": "k"}
    request = asyncio.create_task(toy_client.post("/toys/required", json={"name": "a"}, headers=headers))
    async with asyncio.timeout(SURELY_SECONDS):
        while not toys.effects:  # noqa: ASYNC110  an event would have to live in the toy's handler
            await asyncio.sleep(0.01)
    async with locked(pool, "idempotency_answer"):
        toys.gate.set()
        assert (await request).status == 200


async def test_patience_returns_what_is_ready() -> None:
    """What is done in time is passed on, failures too."""
    assert await within(1, asyncio.sleep(0, "done")) == "done"
    with pytest.raises(ZeroDivisionError):
        await within(1, fails())


async def fails() -> None:
    """Fail like a defect."""
    _ = 1 / 0


async def test_patience_ends_even_if_the_call_does_not() -> None:
    """A call that ignores its cancellation does not hold the caller."""

    let_go, ended = asyncio.Event(), asyncio.Event()

    async def stubborn() -> None:
        try:
            await asyncio.sleep(SURELY_SECONDS)
        except asyncio.CancelledError:
            await let_go.wait()
            ended.set()

    with pytest.raises(DatabaseTrouble):
        await asyncio.wait_for(within(0.05, stubborn()), SURELY_SECONDS)
    assert not ended.is_set()
    let_go.set()
    await ended.wait()


async def test_a_cancelled_caller_cancels_its_call() -> None:
    """Nothing goes on for a caller that has gone."""
    begun, ended = asyncio.Event(), asyncio.Event()

    async def call() -> None:
        begun.set()
        try:
            await asyncio.sleep(2 * SURELY_SECONDS)
        finally:
            ended.set()

    waiting = asyncio.create_task(within(2 * SURELY_SECONDS, call()))
    await begun.wait()
    waiting.cancel()

    async with asyncio.timeout(SURELY_SECONDS):
        await ended.wait()
