"""Never below what is in use: quotes, confirms and approvals refuse it, and more is always welcome."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tests.flows.test_usage import BOUGHT, DAY, fewer, report
from tests.flows.world import ADMIN, MARKETING, World


@pytest.fixture
async def mid(world: World) -> World:
    """An account in the middle of its first period, with everything on sale that it could move to."""
    await world.buy(BOUGHT)
    await world.sell(*(replace(BOUGHT, contact_limit=band) for band in (1000, 5000)))
    await world.pass_time(14 * DAY)
    return world


@pytest.mark.parametrize(
    ("terms", "code"),
    [({"seats": 5}, "seats_in_use"), ({"contact_limit": 1000}, "contacts_in_use")],
    ids=["seats", "contacts"],
)
async def test_a_quote_below_the_use_is_refused(mid: World, terms: dict[str, Any], code: str) -> None:
    """Fewer than are in use cannot be promised, and the refusal says how many are in use."""
    await report(mid, contacts=1200, seats=6)
    quote = await mid.quote(terms)
    assert [code] == [refusal["code"] for refusal in quote["refusals"]]
    assert (await mid.confirm(quote)).body["code"] == code


async def test_more_is_welcome_although_it_is_still_too_little(mid: World) -> None:
    """Above the limit already: any increase helps, and is not refused."""
    await report(mid, contacts=9000, seats=20)
    assert [] == (await mid.quote({"seats": 9, "contact_limit": 5000}))["refusals"]


async def test_use_that_grew_after_the_quote_is_seen_at_the_confirm(mid: World) -> None:
    """The quote was right when it was made; the promise would not be."""
    quote = await mid.quote({"seats": 5})
    await report(mid, seats=6)
    said = await mid.confirm(quote)
    assert (422, "seats_in_use") == (said.status, said.body["code"]), said.body
    assert "Nothing was charged" in said.body["detail"]
    assert [] == (await mid.view())["open_legs"]


async def test_an_outgrown_promise_stops_no_purchase(mid: World) -> None:
    """Five seats are promised, six are in use: more contacts can be bought all the same."""
    await fewer(mid, seats=5)
    await report(mid, seats=6)
    assert "settled" == (await mid.change({"contact_limit": 5000}))["now"]["state"]


async def test_a_first_purchase_below_the_use_is_refused(world: World) -> None:
    """Whoever brings 1,200 contacts cannot begin with 1,000."""
    await world.sell(MARKETING)
    await world.account()
    await report(world, contacts=1200)
    quote = await world.quote(MARKETING.to_json())
    assert ["contacts_in_use"] == [refusal["code"] for refusal in quote["refusals"]]


@pytest.mark.parametrize("effective", ["now", "renewal"])
async def test_support_cannot_approve_below_the_use(mid: World, effective: str) -> None:
    """Nobody goes below what is in use: the request stays open, with the reason."""
    await mid.sell(replace(BOUGHT, tier="starter"))
    wish = {"terms": {"tier": "starter", "seats": 5}, "reason": "We are fewer.", "effective": effective}
    asked = await mid.call("POST", "/v1/accounts/acme/change-requests", wish | {"actor": ADMIN})
    assert asked.status == 201, asked.body
    await report(mid, seats=6)
    path = f"/v1/change-requests/{asked.body['id']}"
    said = await mid.call("POST", f"{path}/approve", {"actor": "sam", "effective": effective})
    assert (422, "seats_in_use") == (said.status, said.body["code"]), said.body
    assert "submitted" == (await mid.call("GET", path)).body["state"]
    assert [] == (await mid.view())["open_legs"]
