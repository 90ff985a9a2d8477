"""Quotes: the price that a confirm charges to the cent."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Final

from handlers.errors import STATUS, code_of
from handlers.registry import Answer, Call, Nothing
from handlers.schemas import ActorBody, ConfirmQuery, QuoteBody
from sync import changes, quotes
from sync.errors import Code, Conflict
from sync.rules.terms import parse_partial
from sync.states import LegState

_WORKING: Final = frozenset({LegState.CONFIRMED, LegState.APPLYING, LegState.AWAITING_PAYMENT})
_DONE: Final = frozenset({LegState.APPLIED, LegState.SETTLED, LegState.SCHEDULED})


async def create(call: Call[QuoteBody, Nothing]) -> Answer:
    """Quote a wish. Nothing is charged; what a rule forbids is a quote with refusals."""
    wanted = parse_partial(call.body.terms)
    return Answer.json(await quotes.create(call.billing, call.path["account_id"], call.body.actor, wanted))


async def show(call: Call[Nothing, Nothing]) -> Answer:
    """Return one quote."""
    return Answer.json(await quotes.get(call.billing, call.path["quote_id"]))


async def confirm(call: Call[ActorBody, ConfirmQuery]) -> Answer:
    """Confirm a quote: 200 when it is done, 202 while it is being worked on or paid, 402 when declined."""
    wait = call.settings.confirm_wait_seconds if call.query.wait is None else call.query.wait
    quote_id, actor = call.path["quote_id"], call.body.actor
    return confirmed(await changes.confirm(call.billing, quote_id, actor, wait_seconds=wait))


def confirmed(change: Mapping[str, Any]) -> Answer:
    """Return the answer to a confirm: what became of the part that costs money decides, if there is one."""
    state = (change["now"] or change)["state"]
    headers = {"Location": f"/v1/changes/{change['id']}"}
    if state in _DONE:
        return Answer.json(change, 200, headers)
    if state in _WORKING:
        return Answer.json(change, 202, headers)
    raise _ended(change, state)


def _ended(change: Mapping[str, Any], state: str) -> Conflict:
    """Return the problem of a change that ended without effect, with the change's own members.

    Only the reason of a failure is its end; a withdrawn change may still say what it had waited for.
    """
    leg = change["now"] or change
    reason = code_of(leg.get("reason") or Code.QUOTE_USED) if state == LegState.FAILED else Code.QUOTE_USED
    code = reason if STATUS[reason] == HTTPStatus.PAYMENT_REQUIRED else Code.QUOTE_USED
    said = (leg.get("detail") if state == LegState.FAILED else None) or f"The change is {state}."
    if "nothing was charged" not in said.lower():
        said = f"{said} Nothing was changed and nothing was charged."
    return Conflict(code, f"{said} The quote is used up: ask for a new one.", extra=change)
