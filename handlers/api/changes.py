"""Changes: what became of a confirmed quote."""

from __future__ import annotations

from handlers.api.lists import page
from handlers.registry import Answer, Call, Nothing
from handlers.schemas import ActorBody, ChangesQuery, WaitQuery
from sync import change_views, withdrawal
from sync.states import LegState


async def list_all(call: Call[Nothing, ChangesQuery]) -> Answer:
    """Return changes, newest first."""
    query = call.query
    return page(
        await change_views.list_changes(
            call.billing,
            account_id=query.account_id,
            limit=query.limit,
            starting_after=query.starting_after,
        )
    )


async def show(call: Call[Nothing, WaitQuery]) -> Answer:
    """Return one change, at once or when it has come to rest."""
    found = await change_views.get(call.billing, call.path["change_id"], wait_seconds=call.query.wait)
    return Answer.json(found)


async def withdraw(call: Call[ActorBody, Nothing]) -> Answer:
    """Withdraw what is still open of a change; what was paid stays."""
    found = await withdrawal.withdraw(call.billing, call.path["change_id"], call.body.actor)
    # Until Stripe has voided the invoice it can still be paid: only then is the end certain.
    return Answer.json(found, 202 if found["state"] == LegState.AWAITING_PAYMENT else 200)
