"""Two people at once: what is true when the intent is committed counts."""

from __future__ import annotations

import asyncio

from tests.faults.hands import Hands
from tests.flows.world import ADMIN


async def test_demoted_admin_cannot_confirm(mid: Hands) -> None:
    """The actor must be the primary admin when the intent is committed, not only when the request came."""
    quote = await mid.world.quote({"seats": 8})
    held_up = mid.hold_up()
    path = f"/v1/quotes/{quote['id']}/confirm?wait=0"
    confirming = asyncio.create_task(mid.world.call("POST", path, {"actor": ADMIN}))
    await held_up.reached.wait()
    bob = {"user_id": "bob", "email": "bob@acme.example"}
    await mid.world.call("PUT", "/v1/accounts/acme/primary-admin", bob)
    held_up.go_on.set()
    assert 403 == (await confirming).status
