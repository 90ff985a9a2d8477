"""A world in which nobody works by itself: each test takes the steps with its own hands."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

from sync.advance import advance
from sync.gateway import Answer, StoredCall
from sync.gateway.transport import StillWanted, Transport
from tests.flows.world import ADMIN, MARKETING, World

HALF_MONTH = 14 * 86_400
READS_AT_MOST = 1_000


class HeldUp:
    """A rate budget that keeps calls waiting after the first few: `reached` tells that one waits."""

    def __init__(self, transport: Transport, granted_first: int) -> None:
        self.transport, self.plain, self.left = transport, transport._budget, granted_first
        self.reached, self.go_on = asyncio.Event(), asyncio.Event()
        transport._budget = self

    def let_others_pass(self) -> None:
        """Who waits goes on waiting; calls from now on do not."""
        self.transport._budget = self.plain

    async def take(self, *, urgent: bool) -> None:
        """Grant the first ones at once, the others only once `go_on` is set."""
        self.left -= 1
        if self.left < 0:
            self.reached.set()
            await self.go_on.wait()
        await self.plain.take(urgent=urgent)


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

    def hold_up(self) -> HeldUp:
        """Let every call to Stripe wait from now on."""
        return HeldUp(self.world.billing.gateway._transport, 0)

    def hold_up_write(self) -> HeldUp:
        """Let the next write wait, right before it would leave; reads go on."""
        gateway = self.world.billing.gateway
        held, plain = HeldUp(gateway._transport, READS_AT_MOST), gateway.send

        async def send(call: StoredCall, still_wanted: StillWanted | None = None) -> Answer:
            held.left = 0
            return await plain(call, still_wanted)

        gateway.send = send  # type: ignore[method-assign]
        return held

    async def fault(self, **fault: Any) -> None:
        await self.world.control("POST", "faults", fault)

    async def requests(self, method: str, part: str) -> list[dict[str, Any]]:
        """What the twin was asked, oldest first."""
        state = await self.world.control("GET", "state")
        return [each for each in state["requests"] if each["method"] == method and part in each["path"]]
