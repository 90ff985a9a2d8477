"""Estimates: what a change would cost about, at once, for sliders and buttons."""

from __future__ import annotations

from handlers.registry import Answer, Call, Nothing
from handlers.schemas import EstimateBody
from sync import estimates
from sync.rules.terms import parse_partial


async def create(call: Call[EstimateBody, Nothing]) -> Answer:
    """Estimate a wish. Nothing is stored and Stripe is not asked."""
    wanted = parse_partial(call.body.terms)
    return Answer.json(await estimates.estimate(call.billing, call.path["account_id"], wanted))
