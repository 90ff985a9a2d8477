"""Knocking at every door again and again while something is wrong with the database."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import secrets
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from tests.flows.world import KEY, World
from tests.support.patience import DOOR_SECONDS, SURELY_SECONDS


@dataclass(slots=True)
class Knocks:
    """What every door said: `slowest` in seconds, `acknowledged` the ids of events answered with 200."""

    said: Counter[tuple[str, int]] = field(default_factory=Counter)
    slowest: tuple[float, str] = (0.0, "")
    acknowledged: list[str] = field(default_factory=list)
    without_retry_after: list[str] = field(default_factory=list)
    name: str = field(default_factory=lambda: secrets.token_hex(4))
    number: int = 0

    def statuses(self, door: str) -> set[int]:
        """What one door said."""
        return {status for name, status in self.said if name == door}

    async def until(self, *wanted: tuple[str, int]) -> None:
        """Return once these doors have given these answers, counted from now."""
        before = self.said.copy()
        async with asyncio.timeout(SURELY_SECONDS):
            while any(self.said[each] == before[each] for each in wanted):  # noqa: ASYNC110  many knock
                await asyncio.sleep(0.01)

    def check(self) -> None:
        """No door answered with anything but yes or come back, and none hung."""
        assert {status for _, status in self.said} <= {200, 202, 503}, self.said
        assert [] == self.without_retry_after
        assert self.slowest < (DOOR_SECONDS, ""), self.slowest


_CREATED: dict[str, int] = {}


async def deliver(world: World, event_id: str) -> tuple[int, dict[str, str]]:
    """Deliver a signed event, the same again under the same id; the status and headers of the answer."""
    secret = world.settings.stripe_webhook_secrets[0].get_secret_value()
    now = int(time.time())
    body = json.dumps(
        {
            "id": event_id,
            "object": "event",
            "type": "customer.discount.created",
            "created": _CREATED.setdefault(event_id, now),
            "livemode": False,
            "api_version": "2026-01-01",
            "data": {"object": {"id": "di_1", "object": "discount"}},
        }
    ).encode()
    digest = hmac.new(secret.encode(), f"{now}.".encode() + body, hashlib.sha256).hexdigest()
    headers = {"Stripe-Signature": f"t={now},v1={digest}", "Content-Type": "application/json"}
    url = f"{world.running.http_url}/webhooks/stripe"
    async with world.client.post(url, data=body, headers=headers) as answer:
        await answer.read()
        return answer.status, dict(answer.headers)


async def look(world: World, path: str) -> tuple[int, dict[str, str]]:
    headers = {"Authorization": f"Bearer {KEY}"}
    async with world.client.get(f"{world.running.http_url}{path}", headers=headers) as answer:
        await answer.read()
        return answer.status, dict(answer.headers)


async def knock_once(world: World, knocks: Knocks) -> None:
    """Every door once, all at the same time."""
    knocks.number += 1
    event_id = f"evt_{knocks.name}_{knocks.number}"

    async def at(door: str, knocking: Any) -> None:
        began = time.monotonic()
        status, headers = await knocking
        knocks.slowest = max(knocks.slowest, (time.monotonic() - began, f"{door} {status}"))
        knocks.said[door, status] += 1
        if status == 503 and door not in ("/readyz",) and "Retry-After" not in headers:
            knocks.without_retry_after.append(door)
        if door == "webhook" and status == 200:
            knocks.acknowledged.append(event_id)

    await asyncio.gather(
        at("webhook", deliver(world, event_id)),
        at("/v1/accounts/acme", look(world, "/v1/accounts/acme")),
        at("/v1/changes", look(world, "/v1/changes")),
        at("/readyz", look(world, "/readyz")),
        at("/livez", look(world, "/livez")),
    )


async def knock(world: World, knocks: Knocks, stop: asyncio.Event, pause_seconds: float = 0.05) -> None:
    """Knock until `stop`."""
    while not stop.is_set():
        await knock_once(world, knocks)
        await asyncio.sleep(pause_seconds)


async def require_stored(world: World, knocks: Knocks) -> None:
    """Whatever was acknowledged is in the inbox, once."""
    rows = await world.billing.pool.fetch("SELECT id FROM inbox WHERE id LIKE $1", f"evt_{knocks.name}_%")
    stored = Counter(row["id"] for row in rows)
    assert set(knocks.acknowledged) <= set(stored)
    assert set(stored.values()) <= {1}
