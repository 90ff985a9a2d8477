"""Row 18: the connection is cut at the commit, and nobody knows whether it happened."""

from __future__ import annotations

import asyncio
import json
import secrets
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from sync import audit, promise
from sync.store.db import TROUBLE
from tests.cli.shell import Shell
from tests.faults.doors import deliver
from tests.faults.hands import HALF_MONTH, Hands
from tests.faults.processes import environment
from tests.flows.world import Said, whole_world
from tests.support.patience import DOOR_SECONDS
from tests.support.proxy import Proxy, road_to


@dataclass(slots=True)
class Cut:
    """A world in the middle of a paid month, whose road to the database can be cut."""

    hands: Hands
    road: Proxy

    def at(self, what: bytes, *, answer_only: bool) -> None:
        """Cut the next message that holds these bytes; or only its answer, after it took effect."""
        self.road.cut_at, self.road.cut_answer, self.road.cuts = what, answer_only, 0


@pytest.fixture
async def cut(database_url: str) -> AsyncIterator[Cut]:
    async with road_to(database_url) as road, whole_world(road.url, work=False) as world:
        world.patience = 0
        hands = Hands(world)
        await hands.buy()
        await world.pass_time(HALF_MONTH)
        yield Cut(hands, road)


@pytest.mark.parametrize("happened", [True, False])
async def test_confirm_that_may_have_committed_is_one_change(cut: Cut, happened: bool) -> None:
    """The caller hears 503 and repeats; the quote's own row decides whether there is a change already."""
    world, pool = cut.hands.world, cut.hands.world.billing.pool
    quote = await world.quote({"seats": 8})
    cut.at(b"COMMIT;", answer_only=happened)
    said = await world.call("POST", f"/v1/quotes/{quote['id']}/confirm?wait=0", {"actor": "ada"})
    assert (503, 1) == (said.status, cut.road.cuts), said.body
    stored = "SELECT count(*) FROM change WHERE quote_id = $1"
    assert int(happened) == await pool.fetchval(stored, quote["id"])

    change = await cut.hands.confirm(quote)
    change = await cut.hands.settle(await cut.hands.step(change))
    effects = await world.effects(change["id"], "subscription_updated")
    assert ("settled", 1, 1) == (change["state"], len(effects), await pool.fetchval(stored, quote["id"]))
    acts = [link.entry.act for link in (await audit.shown(pool, "acme", limit=100))[0]]
    assert 2 == acts.count("quote.confirmed")
    assert (await audit.verify(pool, "acme")).broken is None


async def test_commit_that_is_not_answered_is_a_503_in_time(cut: Cut) -> None:
    """The server falls silent at the COMMIT. The caller is told in time that nobody knows, a repetition waits
    no longer either, and once the server speaks again the same key tells: one change."""
    world, road = cut.hands.world, cut.road
    quote = await world.quote({"seats": 8})
    path, body = f"/v1/quotes/{quote['id']}/confirm?wait=0", {"actor": "ada"}
    road.silent_at = b"COMMIT;"
    for _ in range(2):
        began = time.monotonic()
        said = await world.call("POST", path, body, "click")
        assert time.monotonic() - began < DOOR_SECONDS
        assert (503, True) == (said.status, said.body["retryable"]), said.body
        assert "cannot say what became of this request" in said.body["detail"]
    assert not road.speaks.is_set()
    road.speaks.set()

    async def is_told() -> bool:
        return (await world.call("POST", path, body, "click")).status == 202

    await world.eventually(is_told)
    changes = (await world.call("GET", "/v1/changes?account_id=acme")).body["data"]
    assert 1 == sum(change["quote_id"] == quote["id"] for change in changes)


@pytest.mark.parametrize("happened", [True, False])
async def test_command_that_may_have_committed_says_so(cut: Cut, tmp_path: Path, happened: bool) -> None:
    """Its own exit code, and what to do: the same command again shows the one change there is."""
    world = cut.hands.world
    quote = await world.quote({"seats": 8})
    shell = Shell(tmp_path, environment(world))
    command = ("confirm", quote["id"], "--as", "ada", "--wait", "0", "--yes", "--json")
    cut.at(b"COMMIT;", answer_only=happened)
    said = await shell.quick(*command)
    assert (9, 1) == (said.code, cut.road.cuts), said
    document = json.loads(said.err)
    assert ("database_unavailable", True) == (document["code"], document["retryable"])
    assert "Repeat the same command: nothing is ever charged twice." in document["detail"]
    stored = "SELECT id FROM change WHERE quote_id = $1"
    assert happened == bool(await world.billing.pool.fetch(stored, quote["id"]))
    said = await shell.quick(*command)
    assert [said.data["id"]] == [row["id"] for row in await world.billing.pool.fetch(stored, quote["id"])]


async def test_command_whose_server_goes_away_says_that_it_is_the_database(
    cut: Cut, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server is restarted between two statements: nobody listens when the command comes back to it."""
    world = cut.hands.world
    quote = await world.quote({"seats": 8})
    here, plain = asyncio.get_running_loop(), promise.broken

    async def broken(*args: Any) -> str | None:
        found = await plain(*args)
        await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(cut.road.close(), here))
        return found

    monkeypatch.setattr(promise, "broken", broken)
    command = ("confirm", quote["id"], "--as", "ada", "--wait", "0", "--yes", "--json")
    said = await Shell(tmp_path, environment(world)).quick(*command)
    await cut.road.open()
    # The road's own end is logged before it.
    document = json.loads(said.err.splitlines()[-1])
    assert (7, "database_unavailable", True) == (said.code, document["code"], document["retryable"])
    assert "Repeat the same command: nothing is ever charged twice." in document["detail"]


async def test_request_and_decision_that_may_have_committed_are_one(cut: Cut) -> None:
    """Asked for, declined, taken back: each is told 503 though it is done, and the same key then shows it
    instead of a refusal by itself."""
    wish = {"effective": "now", "reason": "We are fewer now.", "actor": "ada", "cancel": True}
    asked = await told_late(cut, "/v1/accounts/acme/change-requests", wish)
    request = f"/v1/change-requests/{asked.body['id']}"
    declined = await told_late(cut, f"{request}/decline", {"actor": "sam", "note": "Stay."})
    assert (201, "submitted", 200, "declined") == (
        asked.status,
        asked.body["state"],
        declined.status,
        declined.body["state"],
    )
    asked = await told_late(cut, "/v1/accounts/acme/change-requests", wish)
    withdrawn = await told_late(cut, f"/v1/change-requests/{asked.body['id']}/withdraw", {"actor": "ada"})
    assert (200, "withdrawn") == (withdrawn.status, withdrawn.body["state"])


async def told_late(cut: Cut, path: str, body: dict[str, Any]) -> Said:
    """Post, with the commit's answer cut off, and post the same again."""
    world, key = cut.hands.world, secrets.token_hex(8)
    cut.at(b"COMMIT;", answer_only=True)
    said = await world.call("POST", path, body, key)
    assert (503, 1) == (said.status, cut.road.cuts), said.body
    return await world.call("POST", path, body, key)


@pytest.mark.parametrize("happened", [True, False])
async def test_answer_of_stripe_whose_commit_may_be_lost_is_read_back(cut: Cut, happened: bool) -> None:
    """The worker's own commit is cut after Stripe applied the change: it is applied here once, as well."""
    world = cut.hands.world
    change = await cut.hands.confirm(await world.quote({"seats": 8}))
    gateway = world.billing.gateway
    plain = gateway.send

    async def send(*args: object, **named: object) -> object:
        answer = await plain(*args, **named)  # type: ignore[arg-type]
        cut.at(b"COMMIT;", answer_only=happened)
        return answer

    gateway.send = send  # type: ignore[method-assign,assignment]
    with pytest.raises(TROUBLE):
        await cut.hands.step(change)
    gateway.send = plain  # type: ignore[method-assign]
    assert 1 == cut.road.cuts
    await world.billing.pool.execute(
        "UPDATE change_leg SET leased_until = '-infinity' WHERE ended_at IS NULL"
    )
    change = await cut.hands.step(change)
    change = await cut.hands.settle(change)
    effects = await world.effects(change["id"], "subscription_updated")
    assert ("settled", 0, 1) == (change["state"], change["now"]["difference_minor"], len(effects))
    acts = [link.entry.act for link in (await audit.shown(world.billing.pool, "acme", limit=100))[0]]
    assert 2 == acts.count("change.applied")


@pytest.mark.parametrize("happened", [True, False])
async def test_delivery_that_may_be_stored_is_refused_and_stored_once(cut: Cut, happened: bool) -> None:
    """503 either way; the second delivery of the same event meets the row, if it is there."""
    world = cut.hands.world
    cut.at(b"evt_unknown", answer_only=happened)
    status, headers = await deliver(world, "evt_unknown")
    assert (503, 1, True) == (status, cut.road.cuts, "Retry-After" in headers)
    stored = "SELECT count(*) FROM inbox WHERE id = 'evt_unknown'"
    assert int(happened) == await world.billing.pool.fetchval(stored)
    status, _ = await deliver(world, "evt_unknown")
    assert (200, 1) == (status, await world.billing.pool.fetchval(stored))
