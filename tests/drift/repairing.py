"""A repair whose process died: stored and not sent, and taken up again by a worker."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from sync.gateway import Answer, StoredCall
from sync.reconcile.repair_send import resume_due
from tests.drift.edits import BY, repair
from tests.faults.hands import Hands
from tests.flows.world import World

# As if the dead process's lease were over.
AGAIN = "UPDATE repair SET leased_until = '-infinity', next_attempt_at = now() WHERE ended_at IS NULL"


async def again(world: World) -> None:
    """As if the dead process's lease were over, and a worker came by."""
    await world.billing.pool.execute(AGAIN)
    await resume_due(world.billing)


async def stored(slow: Hands, finding_id: str) -> str:
    """A repair that is stored, and that nobody has sent; returns its id."""
    world = slow.world
    plain = world.billing.gateway.send

    async def dies(call: StoredCall, still_wanted: Any = None) -> Answer:
        raise asyncio.CancelledError

    # The process dies where nothing was sent; who looks at what it left must not be killed with it.
    world.billing.gateway.send = dies  # type: ignore[method-assign]
    with pytest.raises(asyncio.CancelledError):
        await repair(world.billing, finding_id, **BY)
    world.billing.gateway.send = plain  # type: ignore[method-assign]
    return str(await world.billing.pool.fetchval("SELECT id FROM repair WHERE ended_at IS NULL"))
