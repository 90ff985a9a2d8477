"""A twin that is killed after `save` goes on where it was, in another process."""

from __future__ import annotations

import asyncio
import gzip
import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest

from tests.twin.api import JSON, MONTH, NOVEMBER, Api, first_item, types
from tests.twin.receiver import Receiver
from worker.local import free_port
from worker.twin.server import TwinSettings, make_app

DAY = 86400


class Saved:
    """A twin's file, and the processes that go on with it one after the other."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "twin.gz"

    @asynccontextmanager
    async def process(self, *options: str) -> AsyncIterator[Api]:
        """Start a twin with the file; at the end it is killed with no time to save anything."""
        command = ("-m", "worker.twin", "--persist", str(self.path), *options)
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *command,
            cwd=Path(__file__).parents[2],
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
        )
        assert process.stdout is not None
        try:
            listening = (await process.stdout.readline()).decode().split()
            async with aiohttp.ClientSession() as session:
                yield Api(listening[-1], session)
        finally:
            process.kill()
            await process.wait()


@pytest.fixture
def saved(tmp_path: Path) -> Saved:
    """A file that is not there yet."""
    return Saved(tmp_path)


async def seats(api: Api) -> JSON:
    """A subscription on the twin's own clock."""
    return await api.subscribe(await api.customer(), (await api.price(2000), 5))


async def all_delivered(api: Api) -> None:
    """Wait until the twin knows that everything has arrived; half a minute at most."""
    for _ in range(3000):
        if not await api.events(delivery_success=False):
            return
        await asyncio.sleep(0.01)
    raise AssertionError("events that arrived are still waiting")


async def test_every_object_and_event_comes_back(saved: Saved) -> None:
    """The state, the events and the ledger are the same, and new ids are new."""
    async with saved.process() as api:
        subscription = await api.held_change()
        before = await api.control("state", method="GET"), await api.events(), await api.ledger()
        await api.control("save")
    async with saved.process() as api:
        after = await api.control("state", method="GET"), await api.events(), await api.ledger()
        fresh = (await api.customer())["id"]

    for one in (before[0], after[0]):
        del one["now"], one["requests"]
    assert after == before
    assert fresh != subscription["customer"]
    assert fresh not in [c["id"] for c in before[0]["objects"]["customer"]]


async def test_due_work_and_test_clocks_go_on(saved: Saved) -> None:
    """What was planned before runs after: renewals by the twin's clock and by a test clock."""
    async with saved.process() as api:
        own, frozen = await seats(api), await api.seats()
        await api.control("clock", {"advance_seconds": 10 * DAY})
        await api.control("save")
    async with saved.process() as api:
        clock = frozen["test_clock"]
        await api.post(
            f"/v1/test_helpers/test_clocks/{clock}/advance", {"frozen_time": NOVEMBER + MONTH + DAY}
        )
        await api.control("clock", {"advance_seconds": 22 * DAY})
        for subscription in (own, frozen):
            invoices = (await api.get("/v1/invoices", {"subscription": subscription["id"]}))["data"]
            assert [i["billing_reason"] for i in invoices] == ["subscription_cycle", "subscription_create"]
            assert [i["status"] for i in invoices] == ["paid", "paid"]


async def test_keys_go_on(saved: Saved) -> None:
    """The same key gets the same answer, and nothing is done twice."""
    async with saved.process() as api:
        subscription = await seats(api)
        item = {"id": first_item(subscription)["id"], "quantity": 8}
        first = await api.change(subscription, item, key="change-1")
        await api.control("save")
    async with saved.process() as api:
        again = await api.change(subscription, item, key="change-1")
        replayed = api.headers["Idempotent-Replayed"]
        await api.post(
            f"/v1/subscriptions/{subscription['id']}", {"items": [item]}, key="change-1", status=400
        )
        effects = await api.ledger(idempotency_key="change-1", kind="subscription_updated")

    assert (again, replayed, len(effects)) == (first, "true", 1)


async def test_a_waiting_pending_update_is_applied_by_a_payment(saved: Saved) -> None:
    """It waits in the file with its invoice; paying that invoice with a good card applies it."""
    async with saved.process() as api:
        held = await api.held_change()
        await api.control("save")
    async with saved.process() as api:
        card = await api.new_card(held["customer"], "pm_card_visa")
        await api.post(f"/v1/invoices/{held['latest_invoice']['id']}/pay", {"payment_method": card})
        after = await api.get(f"/v1/subscriptions/{held['id']}")

    assert (first_item(held)["quantity"], first_item(after)["quantity"]) == (5, 8)
    assert after["pending_update"] is None


async def test_what_had_not_arrived_is_delivered_after_the_restart(saved: Saved) -> None:
    """Events that nobody took go out again, with the same ids; what had arrived does not."""
    port = free_port()
    url = f"http://127.0.0.1:{port}/hook"
    receiver = await Receiver().start(port)
    async with saved.process("--webhook-url", url) as api:
        await api.customer(card=None)
        await receiver.until(lambda: "customer.created" in receiver.types())
        arrived = receiver.ids()
        await receiver.close()
        await seats(api)
        missed = [e["id"] for e in reversed(await api.events()) if e["id"] not in arrived]
        await api.control("save")
    receiver = await Receiver().start(port)
    async with saved.process("--webhook-url", url) as api:
        await receiver.until(lambda: set(missed) <= set(receiver.ids()))
        await all_delivered(api)
    await receiver.close()

    assert "customer.subscription.created" in receiver.types()
    assert set(receiver.ids()) == set(missed)


async def test_old_events_are_forgotten_after_a_restart_too(saved: Saved) -> None:
    """A restart does not make an event younger."""
    async with saved.process() as api:
        await api.customer()
        await api.control("save")
    async with saved.process() as api:
        await api.control("clock", {"advance_seconds": 31 * DAY})
        await api.customer()

        assert types(await api.events()).count("customer.created") == 1


def test_a_file_of_another_version_is_refused(saved: Saved) -> None:
    """It is not half read: the message names the file, and says what to do."""
    saved.path.write_bytes(gzip.compress(json.dumps({"version": 0}).encode()))
    with pytest.raises(ValueError, match="another version of the twin"):
        make_app(TwinSettings(persist_path=str(saved.path)))
