"""Rows 13 and 14: PostgreSQL is restarted, or fails over, under a process that works and serves."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
import pytest

from tests.faults.doors import Knocks, deliver, knock, require_stored
from tests.flows.world import MARKETING, World, whole_world
from tests.support.cluster import Cluster, Stop, own_cluster
from tests.support.patience import ALLOWANCE_SECONDS
from tests.support.proxy import road_to

# The promise is five seconds.
FIRST_JOB_SECONDS = 5.0 + ALLOWANCE_SECONDS


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    """A server of our own: no other test may lose its connections."""
    with own_cluster() as made:
        yield made


async def first_job(world: World, seats: int) -> tuple[float, str]:
    """Buy seats as soon as the doors let us, and wait until it is done; the seconds, and the change."""
    began = time.monotonic()
    wish = {"terms": {"seats": seats}, "actor": "ada"}
    quote = await insisted(world, "/v1/accounts/acme/quotes", wish)
    change = await insisted(world, f"/v1/quotes/{quote['id']}/confirm", {"actor": "ada"})
    change = await world.settled(change)
    assert "settled" == change["state"], change
    return time.monotonic() - began, change["id"]


async def insisted(world: World, path: str, body: dict[str, Any]) -> dict[str, Any]:
    """Ask again under the same key for as long as the answer is to come back later."""
    key = secrets.token_hex(8)
    while True:
        said = await world.call("POST", path, body, key)
        if said.status not in (503, 409):
            assert said.status in (200, 202), said.body
            return said.body
        assert said.body["retryable"], said.body
        await asyncio.sleep(0.05)


async def test_restarted_server_is_used_again_within_seconds(cluster: Cluster) -> None:
    """Fast and immediate: every door says come back meanwhile, what was acknowledged is kept, and a job that
    was confirmed right afterwards is done within five seconds."""
    async with whole_world(cluster.url) as world:
        await world.buy(MARKETING)
        for seats, how in enumerate((Stop.FAST, Stop.IMMEDIATE), start=5):
            knocks, stop = Knocks(), asyncio.Event()
            knocking = asyncio.create_task(knock(world, knocks, stop))
            await knocks.until(("webhook", 200), ("/readyz", 200))
            await cluster.stop(how)
            await knocks.until(("webhook", 503), ("/readyz", 503))
            await cluster.start()
            seconds, change_id = await first_job(world, seats)
            stop.set()
            await knocking
            knocks.check()
            assert {200} == knocks.statuses("/livez")
            await require_stored(world, knocks)
            assert seconds < FIRST_JOB_SECONDS, (how, seconds)
            assert 1 == len(await world.effects(change_id, "subscription_updated"))


async def test_failover_to_a_standby_that_becomes_the_primary(database_url: str) -> None:
    """The address refuses, then leads to a server that only reads, then to one that writes: nothing is
    acknowledged that is not stored, and the worker goes on by itself."""
    async with road_to(database_url) as road, whole_world(road.url) as world:
        await world.buy(MARKETING)
        knocks, stop = Knocks(), asyncio.Event()
        knocking = asyncio.create_task(knock(world, knocks, stop))
        await knocks.until(("webhook", 200))
        await road.close()
        await knocks.until(("webhook", 503), ("/readyz", 503))
        async with only_reads(database_url):
            await road.open()
            await refused(world)
            acknowledged = len(knocks.acknowledged)
            await knocks.until(("webhook", 503))
            await knocks.until(("webhook", 503))
            assert acknowledged == len(knocks.acknowledged)
        road.cut_all()
        seconds, _ = await first_job(world, 5)
        stop.set()
        await knocking
        knocks.check()
        await require_stored(world, knocks)
        assert seconds < FIRST_JOB_SECONDS


async def test_sessions_that_are_ended_are_no_reason_to_fail(database_url: str) -> None:
    """An operator ends every session, idle ones and those in the middle of something, again and again."""
    async with whole_world(database_url) as world, operator(database_url) as conn:
        await world.buy(MARKETING)
        knocks, stop = Knocks(), asyncio.Event()
        knocking = asyncio.create_task(knock(world, knocks, stop, 0))
        for _ in range(5):
            await conn.execute(END_SESSIONS)
            await knocks.until(("/livez", 200))
        seconds, change_id = await first_job(world, 5)
        stop.set()
        await knocking
        knocks.check()
        await require_stored(world, knocks)
        assert (1, True) == (
            len(await world.effects(change_id, "subscription_updated")),
            seconds < FIRST_JOB_SECONDS,
        )


END_SESSIONS = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity
 WHERE datname = current_database() AND pid <> pg_backend_pid()
"""


@asynccontextmanager
async def operator(url: str) -> AsyncIterator[asyncpg.Connection[asyncpg.Record]]:
    """Somebody with a connection of their own."""
    conn = await asyncpg.connect(url)
    try:
        yield conn
    finally:
        await conn.close()


@asynccontextmanager
async def only_reads(url: str) -> AsyncIterator[None]:
    """Every session that begins inside is refused to write, as on a standby."""
    async with operator(url) as conn:
        name = await conn.fetchval("SELECT current_database()")
        await conn.execute(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
        try:
            yield
        finally:
            await conn.execute("SET transaction_read_only = off")
            await conn.execute("SET default_transaction_read_only = off")
            await conn.execute(f"ALTER DATABASE {name} RESET default_transaction_read_only")


async def refused(world: World) -> None:
    """Wait until a delivery is refused because nothing can be written."""

    async def is_refused() -> bool:
        return (await deliver(world, "evt_refused"))[0] == 503

    await world.eventually(is_refused)
