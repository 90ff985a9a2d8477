"""Fewer contacts or seats: promised now, in force from the next renewal, without refund."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tests.flows.world import MARKETING, World

BOUGHT = replace(MARKETING, contact_limit=2500, seats=8)
DAY = 86_400
HALF_MONTH = 14 * DAY


@pytest.fixture
async def mid(world: World) -> World:
    """An account in the middle of its first period."""
    await world.buy(BOUGHT)
    await world.sell(replace(BOUGHT, contact_limit=1000), replace(BOUGHT, contact_limit=5000))
    await world.pass_time(HALF_MONTH)
    return world


async def renew(world: World) -> None:
    """Let the period end, and the renewal's invoice be paid."""
    item = (await world.subscription())["items"]["data"][0]
    now = (await world.control("GET", "clock"))["now"]
    await world.pass_time(item["current_period_end"] - now + 2 * 3600)


async def fewer(world: World, **terms: Any) -> dict[str, Any]:
    """Quote and confirm a decrease; returns the change."""
    quote = await world.quote(terms)
    assert quote["refusals"] == []
    said = await world.confirm(quote)
    assert said.status == 200, said.body
    return said.body


async def applied(world: World, change: dict[str, Any]) -> dict[str, Any]:
    """The change once its renewal leg is over."""

    async def over() -> bool:
        found = (await world.call("GET", f"/v1/changes/{change['id']}")).body
        return found["at_renewal"]["state"] in ("settled", "failed")

    await world.eventually(over)
    return (await world.call("GET", f"/v1/changes/{change['id']}")).body


async def test_nothing_is_charged_and_both_amounts_are_shown(mid: World) -> None:
    """The quote of a decrease: nothing today, less from the renewal on, and the next invoice says so."""
    quote = await mid.quote({"seats": 5, "contact_limit": 1000})
    less = replace(BOUGHT, seats=5, contact_limit=1000)
    minor = mid.billing.catalog.recurring_minor(less, "usd")

    assert (quote["refusals"], quote["self_serve"], quote["now"]) == ([], True, None)
    assert quote["at_renewal"] == less.to_json()
    assert (quote["due_today"]["amount_minor"], quote["due_today_lines"]) == (0, [])
    assert quote["from_now_on"]["amount"]["amount_minor"] == minor
    assert quote["next_invoice"]["amount"]["amount_minor"] == minor


async def test_fewer_seats_come_with_the_renewal(mid: World) -> None:
    """Until the period ends nothing changes; then items, terms and invoice are the smaller ones."""
    before = await mid.items()
    change = await fewer(mid, seats=5)
    view = await mid.view()

    assert change["state"] == change["at_renewal"]["state"] == "scheduled"
    assert (await mid.items(), view["terms"]["seats"]) == (before, 8)
    assert view["terms_after_renewal"]["seats"] == 5
    assert view["entitled"]["seats"] == 8

    await renew(mid)
    settled = await applied(mid, change)
    bill = (await mid.invoices())[0]

    assert (settled["at_renewal"]["state"], settled["at_renewal"]["difference_minor"]) == ("settled", 0)
    assert (await mid.view())["terms"]["seats"] == 5
    assert bill["total"] == mid.billing.catalog.recurring_minor(replace(BOUGHT, seats=5), "usd")
    assert (await mid.subscription())["schedule"] is None


async def test_a_decrease_can_be_taken_back(mid: World) -> None:
    """Withdrawn before the renewal, it never happens, and no schedule stays behind."""
    before = await mid.items()
    change = await fewer(mid, seats=5)
    said = await mid.call("POST", f"/v1/changes/{change['id']}/withdraw", {"actor": "ada"})

    assert (said.status, said.body["at_renewal"]["state"]) == (200, "withdrawn")
    assert (await mid.subscription())["schedule"] is None
    await renew(mid)
    assert await mid.items() == before


async def test_buying_more_keeps_the_promised_decrease(mid: World) -> None:
    """More contacts now, while fewer seats are promised: both hold, and the renewal bills both."""
    promised = await fewer(mid, seats=5)
    more = await mid.change({"contact_limit": 5000})
    both = replace(BOUGHT, contact_limit=5000, seats=5)

    assert more["now"]["state"] == "settled"
    assert more["now"]["difference_minor"] == 0
    assert (await mid.call("GET", f"/v1/changes/{promised['id']}")).body["at_renewal"]["state"] == "replaced"
    view = await mid.view()
    assert (view["terms"]["contact_limit"], view["terms"]["seats"]) == (5000, 8)
    assert view["terms_after_renewal"] == both.to_json()

    await renew(mid)
    settled = await applied(mid, more)
    assert (settled["at_renewal"]["state"], settled["at_renewal"]["difference_minor"]) == ("settled", 0)
    assert (await mid.view())["terms"] == both.to_json()
    assert (await mid.invoices())[0]["total"] == mid.billing.catalog.recurring_minor(both, "usd")


async def test_a_cart_of_more_and_fewer(mid: World) -> None:
    """Its increase happens now, its decrease at the renewal; one confirm covers both."""
    quote = await mid.quote({"contact_limit": 5000, "seats": 5})
    said = await mid.confirm(quote)
    assert said.status == 200
    both = replace(BOUGHT, contact_limit=5000, seats=5)

    change = await mid.settled(said.body)
    assert change["now"]["charged"] == quote["due_today"]
    await mid.eventually(lambda: _is(mid, change, "scheduled"))
    await renew(mid)
    assert (await applied(mid, change))["at_renewal"]["state"] == "settled"
    assert (await mid.view())["terms"] == both.to_json()


async def _is(world: World, change: dict[str, Any], state: str) -> bool:
    found = (await world.call("GET", f"/v1/changes/{change['id']}")).body
    return bool(found["at_renewal"]["state"] == state)


async def test_a_declined_increase_takes_its_decrease_along(mid: World) -> None:
    """A cart whose increase is not paid promises nothing for the renewal."""
    await mid.card("pm_card_chargeCustomerFail")
    said = await mid.confirm(await mid.quote({"contact_limit": 5000, "seats": 5}))

    assert said.status == 402
    assert said.body["at_renewal"]["state"] == "failed"
    assert (await mid.subscription())["schedule"] is None
    assert (await mid.view())["terms_after_renewal"] == BOUGHT.to_json()


async def test_a_new_target_replaces_the_promised_one(mid: World) -> None:
    """Six seats instead of the promised five; naming the present number takes the promise back."""
    first = await fewer(mid, seats=5, contact_limit=1000)
    second = await fewer(mid, seats=6)
    assert (await mid.view())["terms_after_renewal"] == replace(BOUGHT, seats=6, contact_limit=1000).to_json()
    assert await _is(mid, first, "replaced")

    third = await fewer(mid, seats=8)
    assert (await mid.view())["terms_after_renewal"] == replace(BOUGHT, contact_limit=1000).to_json()
    assert await _is(mid, second, "replaced")

    await renew(mid)
    await applied(mid, third)
    assert (await mid.view())["terms"] == replace(BOUGHT, contact_limit=1000).to_json()
