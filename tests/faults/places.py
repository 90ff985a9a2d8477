"""One account in a story about a worker that dies: what its admin, its bank and the dashboard do."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from sync import switch
from tests.faults.workers import worker
from tests.flows.world import ADMIN, MARKETING, World

BOUGHT = replace(MARKETING, seats=8)
MORE, FEWER = {"seats": 10}, {"seats": 5}
DAY = 86_400
SCHEDULES = "/v1/subscription_schedules"

Change = dict[str, Any]
Leg = dict[str, Any]

# As if the leases of the dead were over, and whatever waits on purpose had waited.
HURRY = """
UPDATE change_leg
   SET leased_until = '-infinity', next_attempt_at = now(), clean_read_at = clean_read_at - interval '70 s'
 WHERE ended_at IS NULL AND account_id = ANY ($1)
"""
# The same, where somebody who lives may hold it.
HURRY_ALONE = """
UPDATE change_leg SET next_attempt_at = now(), clean_read_at = clean_read_at - interval '70 s'
 WHERE ended_at IS NULL AND leased_until < now() AND account_id = $1
   AND state NOT IN ('scheduled', 'awaiting_payment')
"""
# As if somebody held it: until everybody is dead at the place that is theirs.
FREEZE = "UPDATE change_leg SET leased_until = 'infinity' WHERE ended_at IS NULL AND account_id = $1"
OVERDUE = """
UPDATE change_leg SET payable_until = now() - interval '1 hour' WHERE ended_at IS NULL AND account_id = $1
"""
TOO_LATE = """
UPDATE change_leg
   SET apply_deadline_at = now() - interval '1 s', leased_until = '-infinity', next_attempt_at = now()
 WHERE ended_at IS NULL AND account_id = $1
"""


@dataclass(slots=True)
class Place:
    """An account with eight seats."""

    world: World
    account: str
    folder: Path
    change_id: str = ""

    async def buy(self) -> None:
        await self.world.account(self.account)
        await self.world.change(BOUGHT.to_json(), self.account)

    async def confirm(self, terms: dict[str, Any]) -> None:
        """Confirmed; nobody works on it yet."""
        quote = await self.world.quote(terms, self.account)
        path = f"/v1/quotes/{quote['id']}/confirm?wait=0"
        said = await self.world.call("POST", path, {"actor": ADMIN})
        assert said.status in (200, 202), said.body
        self.change_id = said.body["id"]

    async def more(self) -> None:
        await self.confirm(MORE)

    async def fewer(self) -> None:
        await self.confirm(FEWER)

    async def change(self) -> Change:
        return (await self.world.call("GET", f"/v1/changes/{self.change_id}?wait=0")).body

    async def until(self, found: Callable[[Change], bool], seconds: float = 40) -> None:
        async def is_so() -> bool:
            return found(await self.change())

        await self.world.eventually(is_so, seconds)

    async def execute(self, statement: str) -> None:
        await self.world.billing.pool.execute(statement, self.account)

    async def hurry(self) -> None:
        await self.world.billing.pool.execute(HURRY, [self.account])

    async def hurry_alone(self) -> None:
        """Do not wait for what waits on purpose."""
        await self.execute(HURRY_ALONE)

    # ---- the bank

    async def card(self, card: str) -> None:
        await self.world.card(card, self.account)

    async def awaiting(self) -> None:
        """More, which the payer's bank wants to have confirmed."""
        await self.card("pm_card_authenticationRequired")
        await self.more()
        await self.until(lambda change: change["state"] == "awaiting_payment")

    async def authenticate(self) -> None:
        """The payer says yes to the bank, if there still is something to say yes to."""
        await self.until(lambda change: change["now"]["state"] not in ("confirmed", "applying"))
        invoice_id = (await self.change())["now"]["stripe_invoice_id"]
        if invoice_id is None:
            return
        if (await self.world.stripe("GET", f"/v1/invoices/{invoice_id}"))["status"] == "open":
            act = {"act": "complete_authentication", "invoice": invoice_id}
            await self.world.control("POST", "dashboard", act)

    async def withdraw(self) -> None:
        """Ask to take it back; nobody carries that out yet."""
        path = f"/v1/changes/{self.change_id}/withdraw"
        asking = asyncio.create_task(self.world.call("POST", path, {"actor": ADMIN}))
        ending = "SELECT count(ending) FROM change_leg WHERE change_id = $1"
        while not await self.world.billing.pool.fetchval(ending, self.change_id):
            assert not asking.done(), asking.result()
            await asyncio.sleep(0.02)
        asking.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await asking

    # ---- the network

    async def subscription_path(self) -> str:
        return f"/v1/subscriptions/{(await self.world.subscription(self.account))['id']}"

    async def fault(self, **fault: Any) -> None:
        """The next update of the subscription goes wrong."""
        await self.world.control(
            "POST", "faults", {"method": "POST", "path": await self.subscription_path(), **fault}
        )

    # ---- the dashboard, and our staff

    async def by_hand(self, path: str, method: str = "POST", **params: Any) -> Any:
        return await self.world.control(
            "POST", "dashboard", {"method": method, "path": path, "params": params}
        )

    async def schedules(self, status: str = "active") -> list[dict[str, Any]]:
        customer = (await self.world.view(self.account))["stripe_customer_id"]
        found = (await self.world.stripe("GET", SCHEDULES, customer=customer))["data"]
        return [each for each in found if each["status"] == status]

    async def release_by_hand(self) -> None:
        """Whatever schedule drives the subscription is let go in the dashboard."""
        for schedule in await self.schedules():
            await self.by_hand(f"{SCHEDULES}/{schedule['id']}/release")

    async def stop(self) -> None:
        await switch.stop(self.world.billing.pool, actor="olga", reason="a test", account_id=self.account)

    async def go(self) -> None:
        await switch.go(self.world.billing.pool, actor="olga", reason="a test", account_id=self.account)

    # ---- what has come so far

    async def promised(self) -> None:
        """Fewer at the renewal, and Stripe has it."""
        await self.fewer()
        await self.until(lambda change: change["at_renewal"]["state"] == "scheduled")

    async def died_before(self, point: str) -> None:
        """Somebody died there before the story begins."""
        async with worker(self.world.settings, self.folder, point) as doomed:
            await doomed.dies()
