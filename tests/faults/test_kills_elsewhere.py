"""SIGKILL on each side of what is no step of a worker's: doors, events and reads."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import pytest

from sync.mirror_rows import Kind
from sync.steps import Call, Chore, Step
from sync.store import refresh
from sync.store.refresh import Wish
from tests.faults.places import BOUGHT, MORE, Place
from tests.faults.stories import around, call, now
from tests.faults.workers import worker
from tests.flows.world import ADMIN, KEY, World, whole_world
from worker.local import free_port
from worker.twin.delivery import signature

CONFIRMED = around(now(Step.CONFIRM))
WITHDRAWN = around(now(Step.WITHDRAW))
CUSTOMERS = around(call(Call.CUSTOMER))
STORED = around(Chore.STORE_EVENTS)
APPLIED = around(Chore.APPLY_EVENTS)
READ = around(Chore.READ_OBJECT)
DIED_AT = (*CONFIRMED, *WITHDRAWN, *CUSTOMERS, *STORED, *APPLIED, *READ)


@pytest.fixture
async def world(database_url: str) -> AsyncIterator[World]:
    """Doors here, work in children that may die."""
    async with whole_world(database_url, work=False) as made:
        yield made


@asynccontextmanager
async def mortal_doors(world: World, folder: Path, point: str) -> AsyncIterator[str]:
    """The address of doors that die at `point`, and that have died when this is left."""
    http = f"127.0.0.1:{free_port()}"
    async with worker(world.settings, folder, point, http=http) as server:
        await world.eventually(lambda: _listens(http))
        yield f"http://{http}"
        await server.dies()


async def _listens(http: str) -> bool:
    host, port = http.split(":")
    try:
        _, writer = await asyncio.open_connection(host, int(port))
    except OSError:
        return False
    writer.close()
    return True


async def cut_off(world: World, url: str, body: dict[str, Any]) -> None:
    """A POST at doors that die while they answer."""
    headers = {"Authorization": f"Bearer {KEY}", "Idempotency-Key": f"cut-off-{time.monotonic_ns()}"}
    with pytest.raises(aiohttp.ClientError):
        async with world.client.post(url, json=body, headers=headers) as answer:
            raise AssertionError(await answer.text())


async def bought(world: World, folder: Path) -> Place:
    """An account in the middle of its month."""
    await world.sell(BOUGHT)
    place = Place(world, "acme", folder)
    async with worker(world.settings, folder):
        await place.buy()
    await world.pass_time(14 * 86_400)
    return place


@pytest.mark.parametrize("point", CONFIRMED)
async def test_killed_server_leaves_at_most_one_change(world: World, tmp_path: Path, point: str) -> None:
    """The server dies around the confirm's commit: the caller's retry elsewhere is the same change."""
    await bought(world, tmp_path)
    quote = await world.quote(MORE)
    async with mortal_doors(world, tmp_path, point) as url:
        await cut_off(world, f"{url}/v1/quotes/{quote['id']}/confirm", {"actor": ADMIN})
    async with worker(world.settings, tmp_path):
        change = await world.settled((await world.confirm(quote)).body)
    assert "settled" == change["state"]
    assert 1 == len(await world.effects(change["id"], "charge"))


@pytest.mark.parametrize("point", WITHDRAWN)
async def test_killed_server_leaves_a_withdrawal_that_can_be_repeated(
    world: World, tmp_path: Path, point: str
) -> None:
    """The server dies around the withdrawal's commit: asked again elsewhere, nothing is ever charged."""
    place = await bought(world, tmp_path)
    async with worker(world.settings, tmp_path):
        await place.awaiting()
    async with mortal_doors(world, tmp_path, point) as url:
        await cut_off(world, f"{url}/v1/changes/{place.change_id}/withdraw", {"actor": ADMIN})
    async with worker(world.settings, tmp_path):
        said = await world.call("POST", f"/v1/changes/{place.change_id}/withdraw", {"actor": ADMIN})
        # A worker that died with the job in its hands keeps it for a while: then this answer comes before.
        assert said.status in (200, 202), said.body
        await place.until(lambda change: change["state"] == "withdrawn")
    assert [] == await world.effects(place.change_id, "charge")


@pytest.mark.parametrize("point", CUSTOMERS)
async def test_killed_server_leaves_at_most_one_customer(world: World, tmp_path: Path, point: str) -> None:
    """The server dies around the call that makes the customer: the retry finds or makes the same one."""
    admin = {"user_id": ADMIN, "email": "ada@acme.example"}
    body = {"account_id": "acme", "email": "billing@acme.example", "primary_admin": admin, "currency": "usd"}
    body |= {"name": "Acme", "locale": "en"}
    async with mortal_doors(world, tmp_path, point) as url:
        await cut_off(world, f"{url}/v1/accounts", body)
    said = await world.call("POST", "/v1/accounts", body)
    assert 200 == said.status, said.body
    customers = (await world.stripe("GET", "/v1/customers"))["data"]
    assert [said.body["stripe_customer_id"]] == [each["id"] for each in customers]


@pytest.mark.parametrize("point", STORED)
async def test_killed_server_never_said_that_it_has_an_event(
    world: World, tmp_path: Path, point: str
) -> None:
    """The server dies around the commit of an event: no 2xx was said, and sent again it is there once."""
    event = {"id": "evt_cut_off", "object": "event", "type": "customer.updated", "created": int(time.time())}
    event |= {
        "livemode": False,
        "api_version": None,
        "data": {"object": {"id": "cus_1", "object": "customer"}},
    }
    payload = msgspec.json.encode(event)
    async with mortal_doors(world, tmp_path, point) as url:
        with pytest.raises(aiohttp.ClientError):
            await deliver(world, url, payload)
    assert 200 == await deliver(world, world.running.http_url or "", payload)
    found = await world.billing.pool.fetchval("SELECT count(*) FROM inbox WHERE id = 'evt_cut_off'")
    assert 1 == found


async def deliver(world: World, url: str, payload: bytes) -> int:
    [secret] = [each.get_secret_value() for each in world.settings.stripe_webhook_secrets]
    headers = {"Stripe-Signature": signature([secret], payload, int(time.time()))}
    async with world.client.post(f"{url}/webhooks/stripe", data=payload, headers=headers) as answer:
        return answer.status


@pytest.mark.parametrize("point", APPLIED)
async def test_killed_worker_leaves_no_event_behind(world: World, tmp_path: Path, point: str) -> None:
    """The worker dies around the commit of a batch: the next one applies what is left."""
    await world.account()
    await world.eventually(lambda: _waiting(world, at_least=1))
    async with worker(world.settings, tmp_path, point) as doomed:
        await doomed.dies()
    async with worker(world.settings, tmp_path):
        await world.eventually(lambda: _waiting(world, at_least=0))
    customer = (await world.view())["stripe_customer_id"]
    found = "SELECT count(*) FROM stripe_object WHERE id = $1"
    assert 1 == await world.billing.pool.fetchval(found, customer)
    assert 0 == await world.billing.pool.fetchval("SELECT count(*) FROM inbox WHERE state = 'buried'")


async def _waiting(world: World, *, at_least: int) -> bool:
    """Whether events wait, or (for 0) none does."""
    count = await world.billing.pool.fetchval("SELECT count(*) FROM inbox WHERE state = 'waiting'")
    return bool(count >= at_least if at_least else count == 0)


@pytest.mark.parametrize("point", READ)
async def test_killed_worker_leaves_no_doubt_behind(world: World, tmp_path: Path, point: str) -> None:
    """The worker dies around the commit of what it read: the next one reads the object, once it is due."""
    await world.account()
    customer, pool = (await world.view())["stripe_customer_id"], world.billing.pool
    async with pool.acquire() as conn:
        await refresh.wish(conn, [Wish(customer, Kind.CUSTOMER, "a test")])
    async with worker(world.settings, tmp_path, point) as doomed:
        await doomed.dies()
    # As if the dead one's lease were over.
    await pool.execute("UPDATE refresh SET leased_until = '-infinity'")
    async with worker(world.settings, tmp_path):
        await world.eventually(lambda: _is_certain(world))
    assert 1 == await pool.fetchval("SELECT count(*) FROM stripe_object WHERE id = $1", customer)


async def _is_certain(world: World) -> bool:
    return bool(await world.billing.pool.fetchval("SELECT count(*) = 0 FROM refresh"))
