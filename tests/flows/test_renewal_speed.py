"""A price is there after two round trips to Stripe, also beside a promise; `make bench` has the figures."""

from __future__ import annotations

from dataclasses import replace

from tests.benchmarks import quotes
from tests.flows.world import MARKETING, World

# On a busy machine; the figures that count are in `make bench`. A call would cost an estimate twice that.
ESTIMATE_SECONDS = 2.5
SETTLE_SECONDS = 15.0
SLOW_SECONDS = 1.5
WAVES = 3.0


async def test_nobody_waits_for_one_call_after_the_other(world: World) -> None:
    """With slow answers of Stripe a quote takes less than three of them; an estimate takes none."""
    await world.buy(replace(MARKETING, seats=4))
    await world.sell(replace(MARKETING, contact_limit=2500, seats=9))
    await world.pass_time(14 * 86_400)
    assert await quotes.waves(world, {"seats": 6}, SLOW_SECONDS) < WAVES
    assert (await quotes.settlements(world, ["acme"])).percentile(0.5) < SETTLE_SECONDS

    said = await world.confirm(await world.quote({"seats": 3}))
    assert "scheduled" == said.body["state"]
    assert await quotes.waves(world, {"contact_limit": 2500}, SLOW_SECONDS) < WAVES
    async with quotes.latency(world, 5.0):
        assert (await quotes.estimates(world, 20)).percentile(0.5) < ESTIMATE_SECONDS
