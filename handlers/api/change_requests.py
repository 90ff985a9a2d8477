"""Change requests: what is not self-serve, asked for and decided."""

from __future__ import annotations

from handlers.api.lists import page
from handlers.registry import Answer, Call, Nothing
from handlers.schemas import (
    ActorBody,
    ApproveBody,
    ChangeRequestBody,
    ChangeRequestsQuery,
    DeclineBody,
)
from sync import change_requests, request_decisions
from sync.rules.policy_rule import Effective
from sync.rules.terms import parse_partial


async def submit(call: Call[ChangeRequestBody, Nothing]) -> Answer:
    """Ask support for a change."""
    body = call.body
    made = await change_requests.submit(
        call.billing,
        call.path["account_id"],
        body.actor,
        terms=None if body.terms is None else parse_partial(body.terms),
        cancel=body.cancel,
        effective=Effective(body.effective),
        reason=body.reason,
        contact_email=body.contact_email,
    )
    return Answer.json(made, 201, {"Location": f"/v1/change-requests/{made['id']}"})


async def show(call: Call[Nothing, Nothing]) -> Answer:
    """Return one request; while it waits, with a dry run of both timings."""
    return Answer.json(await change_requests.show(call.billing, call.path["request_id"]))


async def list_all(call: Call[Nothing, ChangeRequestsQuery]) -> Answer:
    """Return requests, newest first."""
    query = call.query
    return page(
        await change_requests.list_requests(
            call.billing,
            account_id=query.account_id,
            state=query.state,
            limit=query.limit,
            starting_after=query.starting_after,
        )
    )


async def approve(call: Call[ApproveBody, Nothing]) -> Answer:
    """Say yes: carried out at once, or put before the admin where it costs something now."""
    body = call.body
    effective = Effective(body.effective) if body.effective else None
    found = await request_decisions.approve(
        call.billing, call.path["request_id"], body.actor, effective=effective, note=body.note
    )
    return Answer.json(found)


async def decline(call: Call[DeclineBody, Nothing]) -> Answer:
    """Say no, with a reason."""
    body = call.body
    found = await request_decisions.decline(call.billing, call.path["request_id"], body.actor, body.note)
    return Answer.json(found)


async def withdraw(call: Call[ActorBody, Nothing]) -> Answer:
    """Take a request back, in the name of the primary admin."""
    found = await request_decisions.withdraw(call.billing, call.path["request_id"], call.body.actor)
    return Answer.json(found)
