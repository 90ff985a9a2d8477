"""SIGKILL on each side of every commit and every call: each change ends once, and exactly as promised."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from sync.failpoints import Failpoint
from tests.faults.processes import child, dies
from tests.flows.world import ADMIN, KEY, MARKETING, World, whole_world
from worker.local import free_port

DECLINES = [point for point in Failpoint if point.startswith(("decline.", "void."))]
DOORS = [point for point in Failpoint if point.startswith("confirm.")]
PROMISES = [point for point in Failpoint if point.startswith("renewal")]
NOTICES = [point for point in Failpoint if point.startswith("notice.")]
PAYS = [point for point in Failpoint if point not in DECLINES + DOORS + PROMISES + NOTICES]
HALF_MONTH = 14 * 86_400


@pytest.fixture
async def world(database_url: str) -> AsyncIterator[World]:
    """Doors here, work in children that may die."""
    async with whole_world(database_url, work=False) as made:
        yield made


async def test_killed_worker_leaves_one_paid_effect(world: World, tmp_path: Path) -> None:
    """At every point of a paid change: the next worker carries it on, and Stripe saw one effect."""
    changes = await _kill_at_each(world, tmp_path, PAYS, "pm_card_visa")
    async with child(world, tmp_path, "work"):
        ended = [await world.settled(change, wait=30) for change in changes]
    assert ["settled"] * len(PAYS) == [change["state"] for change in ended]
    assert [0] * len(PAYS) == [change["now"]["difference_minor"] for change in ended]
    for change in ended:
        assert 1 == len(await world.effects(change["id"], "subscription_updated"))
        assert 1 == len(await world.effects(change["id"], "charge"))


async def test_killed_worker_leaves_no_payable_invoice(world: World, tmp_path: Path) -> None:
    """At every point of a declined change: the next worker voids its invoice and ends it."""
    changes = await _kill_at_each(world, tmp_path, DECLINES, "pm_card_chargeCustomerFail")
    async with child(world, tmp_path, "work"):
        ended = [await world.settled(change, wait=30) for change in changes]
    assert ["failed"] * len(DECLINES) == [change["state"] for change in ended]
    for change in ended:
        invoice = await world.stripe("GET", f"/v1/invoices/{change['now']['stripe_invoice_id']}")
        assert "void" == invoice["status"]
        assert [] == await world.effects(change["id"], "subscription_updated")


@pytest.mark.parametrize("point", DOORS)
async def test_killed_server_leaves_at_most_one_change(world: World, tmp_path: Path, point: str) -> None:
    """The server dies around the confirm's commit: the caller's retry elsewhere is the same change."""
    async with child(world, tmp_path, "work") as worker:
        await world.buy()
        quote = await world.quote({"seats": 8})
        port = free_port()
        async with child(world, tmp_path, "serve", point, http=f"127.0.0.1:{port}") as server:
            await _confirm_until_cut(quote, f"http://127.0.0.1:{port}")
            await dies(server)
        change = await world.settled((await world.confirm(quote)).body, wait=30)
        assert worker.returncode is None
    assert "settled" == change["state"]
    assert 1 == len(await world.effects(change["id"], "charge"))


async def _kill_at_each(
    world: World, folder: Path, points: list[Failpoint], card: str
) -> list[dict[str, Any]]:
    """One account and one change for each point; each worker dies at its own."""
    accounts = [f"acme{number}" for number in range(len(points))]
    async with child(world, folder, "work"):
        await world.sell(MARKETING)
        for account in accounts:
            await world.account(account)
            await world.change(MARKETING.to_json(), account)
            await world.card(card, account)
    await world.pass_time(HALF_MONTH)
    changes = []
    for account, point in zip(accounts, points, strict=True):
        quote = await world.quote({"seats": 8}, account)
        async with child(world, folder, "work", point) as worker:
            path = f"/v1/quotes/{quote['id']}/confirm"
            confirming = asyncio.create_task(world.call("POST", path, {"actor": ADMIN}))
            await dies(worker)
            confirming.cancel()
        found = (await world.call("GET", f"/v1/changes?account_id={account}&limit=1")).body["data"]
        changes += found
    return changes


async def _confirm_until_cut(quote: dict[str, Any], url: str) -> None:
    """Confirm at a server that dies while it answers."""
    headers = {"Authorization": f"Bearer {KEY}", "Idempotency-Key": "one-that-died"}
    async with aiohttp.ClientSession() as client:
        for _ in range(400):
            try:
                await client.post(
                    f"{url}/v1/quotes/{quote['id']}/confirm", json={"actor": ADMIN}, headers=headers
                )
            except aiohttp.ClientConnectorError:
                await asyncio.sleep(0.05)
            except aiohttp.ClientError:
                return
    raise AssertionError("the server never died")
