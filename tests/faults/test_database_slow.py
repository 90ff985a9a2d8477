"""Rows 13 and 19: a slow database and an exhausted pool. Doors answer in time, nothing piles up."""

from __future__ import annotations

import asyncio
import time
from contextlib import AsyncExitStack
from functools import partial

from tests.faults.doors import Knocks, knock_once, look, require_stored
from tests.flows.world import World, whole_world
from tests.support.memory import GROWTH_BYTES, resident_bytes
from tests.support.patience import DOOR_SECONDS, SURELY_SECONDS
from tests.support.proxy import road_to

CROWD = 60
CONNECTIONS = 20


async def test_two_seconds_for_each_statement_shed_the_load(database_url: str) -> None:
    """A crowd knocks meanwhile: all are told to come back, and a moment later nobody stands in the way."""
    async with road_to(database_url) as road, whole_world(road.url) as world:
        await world.account()
        road.delay_seconds = 2
        knocks = Knocks()
        before, began = resident_bytes(), time.monotonic()
        crowd = await asyncio.gather(
            *(look(world, "/v1/accounts") for _ in range(CROWD)), knock_once(world, knocks)
        )
        assert time.monotonic() - began < DOOR_SECONDS
        assert resident_bytes() - before < GROWTH_BYTES
        knocks.check()
        assert {503} == {answer[0] for answer in crowd if answer is not None}
        assert {200} == knocks.statuses("/livez")
        assert {503} == knocks.statuses("/readyz") | knocks.statuses("webhook")
        road.delay_seconds = 0
        await world.eventually(partial(_is_calm, world))
        assert 200 == (await look(world, "/v1/accounts"))[0]
        await require_stored(world, knocks)


async def test_server_that_falls_silent_behind_a_known_caller_is_a_503_in_time(database_url: str) -> None:
    """Whoever was let in waits no longer than at the door, and no connection is lost to it."""
    async with road_to(database_url) as road, whole_world(road.url, work=False) as world:
        world.patience = 0
        await world.account()
        road.silent_at = b"acme"
        began = time.monotonic()
        said = await world.call("GET", "/v1/accounts/acme")
        assert time.monotonic() - began < DOOR_SECONDS
        assert (503, False) == (said.status, road.speaks.is_set())
        road.speaks.set()
        await world.eventually(partial(_is_calm, world))
        assert 200 == (await world.call("GET", "/v1/accounts/acme")).status


async def _is_calm(world: World) -> bool:
    """Whether health is green again, and what the crowd left behind at the pool is gone."""
    taken = world.billing.pool.get_size() - world.billing.pool.get_idle_size()
    return (await look(world, "/readyz"))[0] == 200 and taken < CONNECTIONS // 2


async def test_exhausted_pool_is_red_and_no_door_hangs(database_url: str) -> None:
    """Every connection is taken by somebody who does not give it back: health is red within two seconds."""
    async with whole_world(database_url, work=False) as world, AsyncExitStack() as taken:
        await world.account()
        await _take_all(world, taken)
        knocks = Knocks()
        await knock_once(world, knocks)
        knocks.check()
        assert {503} == knocks.statuses("/v1/changes") | knocks.statuses("/readyz")
        assert {200} == knocks.statuses("/livez")
        await taken.aclose()
        after = Knocks()
        await knock_once(world, after)
        assert {200} == {status for _, status in after.said}
        await require_stored(world, after)


async def _take_all(world: World, taken: AsyncExitStack) -> None:
    """Take connections until there is none left; the intake has one of its own."""
    pool = world.billing.pool
    while True:
        # Whoever waits for one that is taken waits in vain; a new one may take its time.
        is_full = pool.get_size() == pool.get_max_size() and not pool.get_idle_size()
        try:
            await taken.enter_async_context(pool.acquire(timeout=0.2 if is_full else SURELY_SECONDS))
        except TimeoutError:
            return
