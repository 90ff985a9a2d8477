"""A backup of an hour ago: what was done since then is not done again, and the sweep finds it."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

import aiohttp
import asyncpg

from sync.reconcile.sweep import BY_HAND, Sweep
from tests.faults.hands import HALF_MONTH, Hands
from tests.flows.world import MARKETING, World, settings_of
from tests.support.postgres import server_url, with_database
from worker.app import catch_up_for, started
from worker.local import free_port
from worker.twin.server import RunningTwin, TwinSettings, start


@asynccontextmanager
async def at_stripe(twin: RunningTwin, database_url: str, port: int, secret: str) -> AsyncIterator[Hands]:
    """A deployment on this database, in which nobody works by itself."""
    settings = settings_of(database_url, twin.base_url, port, secret)
    async with started(settings, doors=True, work=False) as running, aiohttp.ClientSession() as client:
        yield Hands(World(running, twin, client, settings))


async def restored(database_url: str) -> str:
    """A copy of the database as it is now."""
    name, copy = urlsplit(database_url).path[1:], f"t_{secrets.token_hex(16)}"
    connection = await asyncpg.connect(server_url())
    try:
        await connection.execute(f"CREATE DATABASE {copy} TEMPLATE {name} STRATEGY file_copy")
    finally:
        await connection.close()
    return with_database(server_url(), copy)


async def drop(database_url: str) -> None:
    connection = await asyncpg.connect(server_url())
    try:
        await connection.execute(f"DROP DATABASE {urlsplit(database_url).path[1:]} WITH (FORCE)")
    finally:
        await connection.close()


async def test_row_84_a_restored_backup_repeats_no_charge(database_url: str) -> None:
    """One change was confirmed when the backup was made, and carried out after it; another account bought
    more after it. From the backup neither is charged again, and both are told as differences."""
    port, secret = free_port(), f"whsec_{secrets.token_hex(16)}"
    hook = f"http://127.0.0.1:{port}/webhooks/stripe"
    twin = await start(TwinSettings(webhook_url=hook, webhook_secret=secret))
    try:
        async with at_stripe(twin, database_url, port, secret) as hands:
            await _two_accounts(hands)
            waiting = await hands.confirm(await hands.world.quote({"seats": 8}))
        backup = await restored(database_url)
        async with at_stripe(twin, database_url, port, secret) as hands:
            assert "applied" == (await hands.step(waiting))["state"]
            later = await hands.confirm(await hands.world.quote({"seats": 8}, "other"))
            assert "applied" == (await hands.step(later))["state"]
        async with at_stripe(twin, backup, port, secret) as hands:
            await _is_whole_again(hands, waiting["id"])
        await drop(backup)
    finally:
        await twin.close()


async def _two_accounts(hands: Hands) -> None:
    await hands.buy()
    await hands.world.account("other")
    change = await hands.confirm(await hands.world.quote(MARKETING.to_json(), "other"))
    assert "applied" == (await hands.step(change))["state"]
    assert "settled" == (await hands.settle(change))["state"]
    await hands.world.pass_time(HALF_MONTH)


async def _is_whole_again(hands: Hands, waiting: str) -> None:
    world = hands.world
    change = await hands.step({"id": waiting})
    assert change["state"] in ("failed", "expired", "applied"), change["now"]
    assert 1 == len(await world.effects(waiting, "charge"))
    charges = len((await world.control("GET", "ledger?kind=charge"))["data"])

    await catch_up_for(world.settings, world.billing, asyncio.Event()).run_once()
    await Sweep(world.billing, name=BY_HAND, grace_seconds=0).run_anew()
    found = (await world.call("GET", "/v1/findings")).body["data"]
    assert {"acme", "other"} == {each["account_id"] for each in found}, found
    assert charges == len((await world.control("GET", "ledger?kind=charge"))["data"])
