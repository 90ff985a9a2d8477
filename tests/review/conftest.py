"""A world in which nobody works by itself: each test takes the steps with its own hands."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import pytest

from sync.advance import advance
from tests.flows.world import ADMIN, MARKETING, World, whole_world

HALF_MONTH = 14 * 86_400


@dataclass(slots=True)
class Hands:
    """The worker's steps, taken one at a time."""

    world: World

    async def confirm(self, quote: dict[str, Any]) -> dict[str, Any]:
        """Confirm without waiting; nobody applies it by itself."""
        said = await self.world.call("POST", f"/v1/quotes/{quote['id']}/confirm?wait=0", {"actor": ADMIN})
        assert said.status == 202, said.body
        return said.body

    async def step(self, change: dict[str, Any]) -> dict[str, Any]:
        """What a worker does when it is nudged; returns the change."""
        await advance(self.world.billing, change["id"])
        return await self.look(change)

    async def look(self, change: dict[str, Any]) -> dict[str, Any]:
        return (await self.world.call("GET", f"/v1/changes/{change['id']}?wait=0")).body

    async def settle(self, change: dict[str, Any]) -> dict[str, Any]:
        """As if the webhook had come."""
        await self.world.billing.pool.execute(
            "UPDATE change_leg SET event_seen_at = now() WHERE change_id = $1", change["id"]
        )
        return await self.step(change)

    async def buy(self) -> dict[str, Any]:
        await self.world.sell(MARKETING)
        await self.world.account()
        change = await self.confirm(await self.world.quote(MARKETING.to_json()))
        assert (await self.step(change))["state"] == "applied"
        done = await self.settle(change)
        assert done["state"] == "settled", done
        return done

    async def awaiting(self, terms: dict[str, Any]) -> dict[str, Any]:
        """A change that waits for the payer's bank."""
        await self.world.card("pm_card_authenticationRequired")
        change = await self.step(await self.confirm(await self.world.quote(terms)))
        assert change["state"] == "awaiting_payment", change
        return change

    async def charged(self, change: dict[str, Any]) -> int:
        """How much the twin's ledger says was taken for it."""
        return sum(entry["amount_minor"] for entry in await self.world.effects(change["id"], "charge"))

    async def fault(self, **fault: Any) -> None:
        await self.world.control("POST", "faults", fault)

    async def requests(self, method: str, part: str) -> list[dict[str, Any]]:
        """What the twin was asked, oldest first."""
        state = await self.world.control("GET", "state")
        return [each for each in state["requests"] if each["method"] == method and part in each["path"]]


@pytest.fixture
async def hands(database_url: str) -> AsyncIterator[Hands]:
    async with whole_world(database_url, work=False) as world:
        yield Hands(world)


@pytest.fixture
async def mid(hands: Hands) -> Hands:
    """In the middle of a paid month."""
    await hands.buy()
    await hands.world.pass_time(HALF_MONTH)
    return hands
