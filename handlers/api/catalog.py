"""The catalog: what is sold, in which combinations, for how much."""

from __future__ import annotations

from handlers.registry import Answer, Call, Nothing


async def show(call: Call[Nothing, Nothing]) -> Answer:
    """Return the whole catalog."""
    return Answer.json(call.billing.catalog.to_json())
