"""A cart whose increase is paid and whose decrease Stripe does not take: nobody is left in the dark."""

from __future__ import annotations

import pytest

from sync.rules.terms import Terms
from sync.telemetry import RENEWAL_AT_RISK
from tests.flows.world import World

BOUGHT = Terms("marketing", "plus", 1000, 8)
CART = {"contact_limit": 2500, "seats": 5}
# The next try of what waits on purpose.
DUE_NOW = "UPDATE change_leg SET next_attempt_at = now() WHERE change_id = $1 AND ended_at IS NULL"
SCHEDULES = {"method": "POST", "path": "/v1/subscription_schedules", "times": -1, "status": 400}


@pytest.fixture
async def mid(world: World) -> World:
    """Eight seats, at mid-cycle; Stripe refuses every schedule."""
    await world.sell(BOUGHT, Terms("marketing", "plus", 2500, 8))
    await world.account()
    await world.change(BOUGHT.to_json())
    await world.pass_time(14 * 86_400)
    await world.control("POST", "faults", SCHEDULES)
    return world


async def test_people_are_told_and_the_increase_stays(mid: World) -> None:
    """The change says what is paid, what is not promised at Stripe, and what to do about it; one alarm."""
    alarms = RENEWAL_AT_RISK._value.get()
    half = (await mid.confirm(await mid.quote(CART))).body

    async def is_told() -> bool:
        # The two parts go on beside each other, and either may be the first to end.
        said = (await mid.call("GET", f"/v1/changes/{half['id']}")).body
        return bool(
            said["now"]["state"] == "settled" and said["at_renewal"].get("reason") == "renewal_at_risk"
        )

    await mid.eventually(is_told)
    change = (await mid.call("GET", f"/v1/changes/{half['id']}")).body
    assert ("settled", 0) == (change["now"]["state"], change["now"]["difference_minor"])
    assert "propose a credit note" in change["at_renewal"]["detail"]
    assert 2500 == (await mid.view())["terms"]["contact_limit"]
    assert 8 == (await mid.view())["terms"]["seats"]
    assert alarms + 1 == RENEWAL_AT_RISK._value.get()


async def test_it_is_made_once_stripe_takes_it(mid: World) -> None:
    """The promise outlives the refusals: the renewal bills five seats and the higher limit."""
    half = (await mid.confirm(await mid.quote(CART))).body
    await mid.control("DELETE", "faults")
    path = f"/v1/changes/{half['id']}"

    async def is_promised() -> bool:
        await mid.billing.pool.execute(DUE_NOW, half["id"])
        return bool((await mid.call("GET", path)).body["at_renewal"]["state"] == "scheduled")

    await mid.eventually(is_promised)
    await mid.pass_time(18 * 86_400)

    async def is_in_force() -> bool:
        terms = (await mid.view())["terms"]
        return (terms["contact_limit"], terms["seats"]) == (2500, 5)

    await mid.eventually(is_in_force)
