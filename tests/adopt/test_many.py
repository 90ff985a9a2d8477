"""At size: two thousand subscriptions that somebody else sold, adopted by the real command."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Any

import pytest

from tests.adopt.builders import BASE, CONTACTS, SEATS
from tests.adopt.shop import EMAIL, Shop
from tests.cli.shell import Shell
from tests.faults.processes import environment
from tests.flows.world import World, whole_world

PLUS = {BASE: 1, CONTACTS: 1, SEATS: 2}
MANY = 2_000
READS_AT_MOST = MANY // 100 + 2  # the lists, and the products of unknown prices
SECONDS_AT_MOST = 60
MARK = "/v1/balance"  # in the twin's list of requests, which holds the last thousand


@pytest.mark.proof
async def test_two_thousand_subscriptions(database_url: str, tmp_path: Path) -> None:
    """A read for each hundred, none for a single one, and again nothing happens; figures are printed."""
    async with whole_world(database_url, work=False) as world:
        await _adopt_all(world, tmp_path)


async def _adopt_all(world: World, folder: Path) -> None:
    shop = Shop(world)
    await world.control("POST", "delivery", {"mode": "drop", "share": 1.0})
    await shop.tagged(BASE, CONTACTS, SEATS)
    free = asyncio.Semaphore(8)

    async def sold() -> None:
        async with free:
            card = {"payment_method": "pm_card_visa"}
            default = {"invoice_settings[default_payment_method]": "pm_card_visa"}
            made = await world.stripe("POST", "/v1/customers", email=EMAIL, **card, **default)
            await shop.subscribe(made["id"], PLUS)

    await asyncio.gather(*(sold() for _ in range(MANY)))
    shell = Shell(folder, {**environment(world), "PATH": ""})
    figures = []
    for outcome in ("adopted", "already"):
        said, asked, seconds = await _timed(world, shell, "adopt", "--all", "--admin", "ada")
        assert MANY == said["summary"][outcome]
        assert asked <= READS_AT_MOST
        assert seconds < SECONDS_AT_MOST
        figures.append(f"{outcome}: {asked} reads, {seconds:.1f} s")
    said, asked, seconds = await _timed(world, shell, "backfill")
    objects = sum(stream["objects"] for stream in said["streams"].values())
    figures.append(f"backfill of {objects:,} objects: {asked} reads, {seconds:.1f} s")
    print(f"\n{MANY:,} subscriptions, {'; '.join(figures)}")
    rows = "SELECT count(*) FROM account_terms WHERE ended_at IS NULL"
    assert MANY == await world.billing.pool.fetchval(rows)
    assert MANY == await world.billing.pool.fetchval("SELECT count(*) FROM stripe_invoice")


async def _timed(world: World, shell: Shell, *words: str) -> tuple[Any, int, float]:
    """What a command printed, how much it asked Stripe, and its seconds; it must only read."""
    await world.stripe("GET", MARK)
    began = time.monotonic()
    said = await shell.run(*words, "--json")
    seconds = time.monotonic() - began
    assert said.code == 0, said.err
    paths = [(each["method"], each["path"]) for each in (await world.control("GET", "state"))["requests"]]
    asked = paths[max(place for place, (_, path) in enumerate(paths) if path == MARK) + 1 :]
    assert {"GET"} == {method for method, _ in asked}
    return said.data, len(asked), seconds
