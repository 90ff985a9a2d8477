"""Amounts and words that are not true, and guards that do not guard."""

from __future__ import annotations

import asyncio

from tests.flows.world import ADMIN
from tests.review.conftest import Hands


async def test_demoted_admin_cannot_confirm(mid: Hands) -> None:
    """S4: the actor is the primary admin when the intent is committed, not only when the request came."""
    quote = await mid.world.quote({"seats": 8})
    await mid.fault(method="POST", path="/v1/invoices/create_preview", slow_seconds=1.0)
    confirming = asyncio.create_task(
        mid.world.call("POST", f"/v1/quotes/{quote['id']}/confirm?wait=0", {"actor": ADMIN})
    )
    await asyncio.sleep(0.4)
    await mid.world.call(
        "PUT", "/v1/accounts/acme/primary-admin", {"user_id": "bob", "email": "bob@acme.example"}
    )
    said = await confirming
    assert 403 == said.status, said.body
