"""Findings: what drifted apart, and what a person decides about it."""

from __future__ import annotations

from handlers.api.lists import page
from handlers.registry import Answer, Call, Nothing
from handlers.schemas import AcceptFindingBody, FindingsQuery, RepairBody
from sync.reconcile import accept as accepting
from sync.reconcile import finding_views, shown
from sync.reconcile import repair as repairing
from sync.reconcile.repair_sides import Side


async def list_all(call: Call[Nothing, FindingsQuery]) -> Answer:
    """Return findings, the youngest first."""
    query = call.query
    return page(
        await finding_views.list_findings(
            call.billing,
            account_id=query.account_id,
            state=query.state,
            kind=query.kind,
            limit=query.limit,
            starting_after=query.starting_after,
        )
    )


async def show(call: Call[Nothing, Nothing]) -> Answer:
    """Return one finding; while it is open, with a dry run of the suggested repair."""
    return Answer.json(await shown.show(call.billing, call.path["finding_id"]))


async def repair(call: Call[RepairBody, Nothing]) -> Answer:
    """Repair a finding without moving money, or say what that would do."""
    body, finding_id = call.body, call.path["finding_id"]
    side = Side(body.side) if body.side else None
    if body.dry_run:
        return Answer.json(await shown.try_out(call.billing, finding_id, side))
    found = await repairing.repair(
        call.billing, finding_id, actor=body.actor, reason=body.reason, side=side, expect=body.expect
    )
    return Answer.json({**found, "dry_run": None}, 202 if found["state"] == "repairing" else 200)


async def accept(call: Call[AcceptFindingBody, Nothing]) -> Answer:
    """Let a finding stay as it is, for as long as it stays the same."""
    body = call.body
    found = await accepting.accept(
        call.billing,
        call.path["finding_id"],
        actor=body.actor,
        reason=body.reason,
        expect=body.expect,
    )
    return Answer.json(found)
