"""Tier: choose a higher one, see the amounts, confirm purchase."""

from __future__ import annotations

from tests.flows.bought import assert_bought
from tests.flows.world import World


async def test_a_higher_tier_is_charged_as_quoted(stocked: World) -> None:
    """The same items at the tier's prices, and what the tier includes is no longer bought on top."""
    quote = await assert_bought(stocked, {"tier": "pro"})
    assert quote["due_today"]["amount_minor"] > 0


async def test_two_tiers_at_once(stocked: World) -> None:
    """From plus to enterprise in one step."""
    await assert_bought(stocked, {"tier": "enterprise"})
