"""How long people wait for an estimate, a quote and a confirm; shared by `make bench` and the tests."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from sync.telemetry import REGISTRY
from tests.flows.world import World


@dataclass(frozen=True, slots=True)
class Times:
    """Seconds, shortest first."""

    seconds: list[float]

    def percentile(self, share: float) -> float:
        """The time that this share of the calls stays within."""
        return self.seconds[min(len(self.seconds) - 1, int(len(self.seconds) * share))]

    def __str__(self) -> str:
        shown = {share: self.percentile(share / 100) for share in (50, 95, 99)}
        return ", ".join(f"p{share} {seconds * 1000:.1f} ms" for share, seconds in shown.items())


async def times(count: int, call: Callable[[int], Awaitable[Any]]) -> Times:
    """Call it so often, one after the other."""
    taken = []
    for number in range(count):
        began = time.perf_counter()
        await call(number)
        taken.append(time.perf_counter() - began)
    return Times(sorted(taken))


async def estimates(world: World, count: int) -> Times:
    """Round trips to `estimates` over one connection: an upper bound of the server's own time."""

    async def ask(number: int) -> None:
        terms = {"seats": 4 + number % 5, "contact_limit": (1000, 2500)[number % 2]}
        said = await world.call("POST", "/v1/accounts/acme/estimates", {"terms": terms})
        assert said.status == 200, said

    return await times(count, ask)


def quickly_served(seconds: float) -> tuple[int, int]:
    """How many estimates the server itself answered within a bound of its histogram, and how many in all."""
    labels = {"method": "POST", "route": "/v1/accounts/{account_id}/estimates", "status": "200"}
    within = REGISTRY.get_sample_value("http_request_seconds_bucket", {**labels, "le": str(seconds)})
    total = REGISTRY.get_sample_value("http_request_seconds_count", labels)
    return int(within or 0), int(total or 0)


async def waves(world: World, terms: dict[str, Any], latency_seconds: float = 0.25) -> float:
    """How many round trips to Stripe a quote waits for, one after the other, by its time under latency."""
    async with latency(world, latency_seconds):
        began = time.perf_counter()
        quote = await world.quote(terms)
        taken = time.perf_counter() - began
    assert quote["refusals"] == [], quote
    return taken / latency_seconds


@asynccontextmanager
async def latency(world: World, seconds: float) -> AsyncIterator[None]:
    """Every call to Stripe takes this much longer."""
    fault = {"method": "*", "path": "/v1/*", "times": -1, "slow_seconds": seconds}
    await world.control("POST", "faults", fault)
    try:
        yield
    finally:
        await world.control("DELETE", "faults")


async def quotes(world: World, count: int) -> Times:
    """Quotes of an increase, with Stripe as fast as the local one is."""
    return await times(count, lambda number: world.quote({"seats": 5 + number % 4}))


async def settlements(world: World, accounts: list[str]) -> Times:
    """From the admin's confirm to the settled change, one account after the other."""
    offered = {account: await world.quote({"seats": 6}, account) for account in accounts}

    async def settle(number: int) -> None:
        said = await world.confirm(offered[accounts[number]])
        change = await world.settled(said.body)
        assert ("settled", 0) == (change["state"], change["now"]["difference_minor"])

    return await times(len(accounts), settle)
