"""The flows of the matrix: each tries one thing to the end and returns the codes that stood in its way."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from tests.flows.states.place import BOUGHT, HELPER, Place
from tests.flows.world import ADMIN, Said

# The codes of what was refused; none: it was done, and did what it should.
Codes = list[str]
Flow = Callable[[Place], Awaitable[Codes]]
MORE_SEATS, FEWER_SEATS, MORE_CONTACTS = 10, 6, 5000


async def purchase(place: Place) -> Codes:
    """first purchase, by an account whose customer has a subscription like this that was not bought here"""
    return await _ordered(place, BOUGHT.to_json(), now="settled")


async def more(place: Place) -> Codes:
    """increase, now"""
    return await _ordered(place, {"seats": MORE_SEATS}, now="settled")


async def fewer(place: Place) -> Codes:
    """decrease, at renewal"""
    return await _ordered(place, {"seats": FEWER_SEATS}, at_renewal="scheduled")


async def cart(place: Place) -> Codes:
    """a cart of both"""
    wish = {"contact_limit": MORE_CONTACTS, "seats": FEWER_SEATS}
    return await _ordered(place, wish, now="settled", at_renewal="scheduled")


async def again(place: Place) -> Codes:
    """the complete terms of the first purchase once more; takes back what is promised otherwise"""
    codes = await _ordered(place, BOUGHT.to_json())
    if not codes:

        async def nothing_is_promised() -> bool:
            view = (await place.call("GET", f"/v1/accounts/{place.account_id}")).body
            return bool(view["terms"] == view["terms_after_renewal"] == BOUGHT.to_json())

        await place.world.eventually(nothing_is_promised)
    return codes


async def withdraw(place: Place) -> Codes:
    """taking the newest change back"""
    said = await place.call("POST", f"/v1/changes/{place.change}/withdraw", {"actor": ADMIN})
    if said.status == 200:
        legs = [said.body[leg] for leg in ("now", "at_renewal") if said.body[leg]]
        assert "withdrawn" in [leg["state"] for leg in legs], said.body
    return _codes(said)


async def approved_now(place: Place) -> Codes:
    """a lower tier, approved by support for now, with credit"""
    return await _requested(place, {"terms": {"tier": "plus"}}, "now", now="settled")


async def approved_later(place: Place) -> Codes:
    """a lower tier, approved by support for the renewal"""
    return await _requested(place, {"terms": {"tier": "plus"}}, "renewal", at_renewal="scheduled")


async def cancel(place: Place) -> Codes:
    """ending with the period"""
    return await _requested(place, {"cancel": True}, "renewal", now="settled")


async def undo(place: Place) -> Codes:
    """taking that end back"""
    return await _requested(place, {"cancel": False}, "now", now="settled")


FLOWS: tuple[Flow, ...] = (
    purchase, more, fewer, cart, withdraw, approved_now, approved_later, cancel, undo, again,
)  # fmt: skip


async def _ordered(place: Place, wish: dict[str, Any], **legs: str) -> Codes:
    """Quote and confirm. What a quote refuses, its confirm refuses with the same first code."""
    quoted = await place.quote(wish)
    if quoted.status != 200:
        return _codes(quoted)
    codes = [each["code"] for each in quoted.body["refusals"]]
    confirmed = await place.confirm(quoted.body)
    if codes:
        assert confirmed.body["code"] == codes[0], confirmed.body
        return codes
    if confirmed.status == 200:
        await _came_about(place, quoted.body, **legs)
    return _codes(confirmed)


async def _requested(place: Place, wish: dict[str, Any], effective: str, **legs: str) -> Codes:
    """Ask, and let support approve it; a request that could not be carried out is taken back."""
    path = f"/v1/accounts/{place.account_id}/change-requests"
    body = {"effective": effective, "reason": "We are fewer now.", "actor": ADMIN, **wish}
    asked = await place.call("POST", path, body)
    if asked.status != 201:
        return _codes(asked)
    request = f"/v1/change-requests/{asked.body['id']}"
    approved = await place.call("POST", f"{request}/approve", {"actor": HELPER})
    if approved.status != 200:
        await place.call("POST", f"{request}/withdraw", {"actor": ADMIN})
        return _codes(approved)
    assert approved.body["state"] == "approved", approved.body
    place.change = approved.body["change_id"]
    await _came_about(place, None, **legs)
    return []


def _codes(said: Said) -> Codes:
    return [] if said.status == 200 else [said.body["code"]]


async def _came_about(place: Place, quote: dict[str, Any] | None, **legs: str) -> None:
    """The change's legs reach their states, and nothing else than the quote was charged."""

    async def reached() -> bool:
        change = (await place.call("GET", f"/v1/changes/{place.change}")).body
        return all((change[leg] or {}).get("state") == state for leg, state in legs.items())

    await place.world.eventually(reached)
    change = await place.world.settled({"id": place.change})
    if change["now"]:
        assert change["now"]["difference_minor"] == 0
        assert quote is None or change["now"]["charged"] == quote["due_today"]
