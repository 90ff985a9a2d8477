"""Throwing the stop switch, and what the tests about it look at."""

from __future__ import annotations

import asyncio
from typing import Any

from sync import switch
from sync.gateway import StoredCall
from tests.faults.hands import Hands
from tests.flows.world import World

WAITS = "SELECT attempts, extract(epoch FROM next_attempt_at - now())::float8 AS seconds FROM change_leg"


async def stop(world: World, account_id: str | None = None) -> dict[str, Any]:
    return await switch.stop(world.billing.pool, actor="olga", reason="a test", account_id=account_id)


async def go(world: World, account_id: str | None = None) -> None:
    await switch.go(world.billing.pool, actor="olga", reason="the test is over", account_id=account_id)


def newcomer(account_id: str) -> dict[str, Any]:
    return {
        "account_id": account_id,
        "email": f"{account_id}@late.example",
        "name": "Late",
        "primary_admin": {"user_id": "ada", "email": "ada@late.example"},
        "locale": "en",
        "currency": "usd",
    }


def stop_after_send(hands: Hands) -> asyncio.Task[None]:
    """Throw the switch as soon as the change's call has left, and before anything else does."""
    gateway, thrown = hands.world.billing.gateway, asyncio.Event()
    plain = gateway.send

    async def send(call: StoredCall, still_wanted: Any = None) -> Any:
        answer = await plain(call, still_wanted)
        if call.step == "send":
            await stop(hands.world)
            thrown.set()
        return answer

    gateway.send = send  # type: ignore[method-assign]

    async def wait() -> None:
        await thrown.wait()

    return asyncio.create_task(wait())


async def is_stopped(world: World) -> bool:
    return (await switch.status(world.billing.pool))["all_accounts"] is not None


async def is_on_the_wire(world: World) -> bool:
    """Sent by us, and being worked on at Stripe."""
    faults = await world.control("GET", "faults")
    return not faults["planned"] and (await switch.status(world.billing.pool))["on_the_wire"] == 1


async def sends(world: World, change: dict[str, Any]) -> tuple[int, Any]:
    row = await world.billing.pool.fetchrow(
        "SELECT sends, first_sent_at FROM stripe_call WHERE subject_id = $1", change["id"]
    )
    return row["sends"], row["first_sent_at"]


async def step_until_ended(hands: Hands, change: dict[str, Any]) -> None:
    while (await hands.step(change))["state"] == "awaiting_payment":
        pass


def until_renewal(subscription: dict[str, Any], clock: dict[str, Any]) -> int:
    """Seconds until twelve hours before the renewal."""
    end: int = subscription["items"]["data"][0]["current_period_end"]
    return end - 43_200 - int(clock["now"])
