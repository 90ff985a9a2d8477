"""Asking by the right road: quote and confirm, or change request, approval and the admin's confirm."""

from __future__ import annotations

from typing import Any

from tests.flows.pairwise import checks
from tests.flows.pairwise.stage import Actor
from tests.flows.world import ADMIN, Said, World

HELPER = "sam"


async def ask(world: World, actor: Actor) -> None:
    """Ask for the wish, and hold what is promised against the rules and the golden arithmetic."""
    if actor.story.is_request:
        await _request(world, actor)
    else:
        actor.quote = await world.quote(actor.story.wish, actor.name)
    if actor.story.refused is None:
        checks.promise(world.billing.catalog, actor)


async def confirm(world: World, actor: Actor) -> None:
    """The admin says yes; the payer's bank may want to hear it as well."""
    if actor.story.refused is not None or actor.change:
        return
    said = await world.confirm(actor.quote)
    if actor.case["payment"].startswith("bank"):
        said = await _bank(world, actor, said)
    checks.answer(actor, said)
    actor.change = said.body


async def end(world: World, actor: Actor) -> None:
    """Wait until the part that happens now is over, then hold it against the promise."""
    if actor.story.refused is not None:
        await checks.untouched(world, actor)
        return
    if actor.case["payment"] == "bank_paid":
        await world.eventually(lambda: _is_settled(world, actor))
    actor.change = await world.settled(actor.change)
    await checks.outcome(world, actor)


async def _request(world: World, actor: Actor) -> None:
    """Not self-serve: the form, support's approval, and the admin where it costs."""
    story, when = actor.story, actor.case["approval"]
    if story.cancel is None:
        checks.needs_request(await world.quote(story.wish, actor.name))
    body = {"effective": when, "reason": "The rules have changed.", "actor": ADMIN}
    body |= {"terms": story.wish} if story.cancel is None else {"cancel": story.cancel}
    request = await world.call("POST", f"/v1/accounts/{actor.name}/change-requests", body)
    assert request.status == 201, request.body
    said = await world.call("POST", f"/v1/change-requests/{request.body['id']}/approve", {"actor": HELPER})
    if story.refused is not None:
        assert (said.body["code"], said.status) == (story.refused, 409), said.body
        return
    assert said.status == 200, said.body
    if said.body["state"] == "awaiting_admin_confirm":
        actor.quote = said.body["quote"]
        return
    actor.change = said.body["change"]
    actor.quote = (await world.call("GET", f"/v1/quotes/{actor.change['quote_id']}")).body


async def _bank(world: World, actor: Actor, said: Said) -> Said:
    """The payer confirms at the bank, or fails to."""
    assert (said.status, said.body["state"]) == (202, "awaiting_payment"), said.body
    act = "complete" if actor.case["payment"] == "bank_paid" else "fail"
    body: dict[str, Any] = {"act": f"{act}_authentication", "invoice": said.body["now"]["stripe_invoice_id"]}
    await world.control("POST", "dashboard", body)
    return said


async def _is_settled(world: World, actor: Actor) -> bool:
    """Whether the part that happens now is over; the other one may be only promised."""
    found = (await world.call("GET", f"/v1/changes/{actor.change['id']}")).body
    return bool(found["now"]["state"] == "settled")
