"""The timeline of an account: who did what, when and by which door, and what came of it."""

from __future__ import annotations

from handlers.api.lists import page
from handlers.registry import Answer, Call, Nothing
from handlers.schemas import PageQuery
from sync import timeline


async def list_entries(call: Call[Nothing, PageQuery]) -> Answer:
    """Return the acts and steps of an account, newest first."""
    account_id, query = call.path["account_id"], call.query
    return page(
        await timeline.entries(
            call.billing, account_id, limit=query.limit, starting_after=query.starting_after
        )
    )
