"""A promise for the renewal, while people edit its subscription and its schedule in Stripe's dashboard."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from sync.telemetry import RENEWAL_AT_RISK
from tests.flows.world import MARKETING, World

BOUGHT = replace(MARKETING, seats=8)
FEWER = replace(BOUGHT, seats=5)
DAY = 86_400
SCHEDULES = "/v1/subscription_schedules"


@pytest.fixture
async def promised(world: World) -> World:
    """Eight seats in the middle of a month, five promised for the renewal."""
    await world.buy(BOUGHT)
    await world.pass_time(14 * DAY)
    change = (await world.confirm(await world.quote({"seats": 5}))).body
    await world.eventually(lambda: is_scheduled(world, change))
    return world


async def promise(world: World) -> dict[str, Any]:
    """The change with the promise."""
    found = (await world.call("GET", "/v1/changes?account_id=acme")).body["data"]
    return next(change for change in found if change["at_renewal"])


async def is_scheduled(world: World, change: dict[str, Any]) -> bool:
    found = (await world.call("GET", f"/v1/changes/{change['id']}")).body
    return bool(found["at_renewal"]["state"] == "scheduled")


async def by_hand(world: World, path: str, method: str = "POST", **params: Any) -> Any:
    """An edit in the dashboard; it must work there."""
    body = {"method": method, "path": path, "params": params}
    return await world.control("POST", "dashboard", body)


async def schedules(world: World, status: str = "active") -> list[dict[str, Any]]:
    customer = (await world.view())["stripe_customer_id"]
    found = (await world.stripe("GET", SCHEDULES, customer=customer))["data"]
    return [each for each in found if each["status"] == status]


async def own(world: World) -> str:
    """The path of the active schedule."""
    [schedule] = await schedules(world)
    return f"{SCHEDULES}/{schedule['id']}"


async def look(world: World) -> None:
    """The next look at the promise is due: a guard, or an event."""
    await world.billing.pool.execute(
        "UPDATE change_leg SET next_attempt_at = now(), leased_until = '-infinity' WHERE ended_at IS NULL"
    )


async def mended(world: World, times: int = 1) -> None:
    """Written again, and said so exactly once."""

    async def again() -> bool:
        found = await promise(world)
        steps = [step["step"] for step in found["steps"]]
        return steps.count("mend") >= times and found["at_renewal"]["state"] == "scheduled"

    await look(world)
    await world.eventually(again)
    steps = [step["step"] for step in (await promise(world))["steps"]]
    assert times == steps.count("mend"), steps
    assert 1 == len(await schedules(world))


async def to_renewal(world: World, seconds: int = 2 * 3600) -> None:
    """Move to so many seconds after (or before) the period's end."""
    item = (await world.subscription())["items"]["data"][0]
    now = (await world.control("GET", "clock"))["now"]
    await world.pass_time(item["current_period_end"] - now + seconds)


async def kept(world: World) -> dict[str, Any]:
    """The renewal brings the promise; returns its invoice."""
    await to_renewal(world)
    await look(world)

    async def over() -> bool:
        return bool((await promise(world))["at_renewal"]["state"] in ("settled", "failed"))

    await world.eventually(over)
    found = await promise(world)
    assert ("settled", 0) == (found["at_renewal"]["state"], found["at_renewal"]["difference_minor"])
    assert FEWER.to_json() == (await world.view())["terms"]
    assert (await world.subscription())["schedule"] is None
    return (await world.invoices())[0]


async def test_released_by_hand_it_is_written_again(promised: World) -> None:
    """The schedule goes in the dashboard: a new one before the renewal, and one warning."""
    await by_hand(promised, f"{await own(promised)}/release")
    await mended(promised)
    await kept(promised)


@pytest.mark.parametrize("edit", ["quantity", "prorations", "end", "one phase"])
async def test_edited_by_hand_it_is_written_again(promised: World, edit: str) -> None:
    """Whoever edits the next phase, its prorations or the end does not take the promise away."""
    path = await own(promised)
    schedule = await promised.stripe("GET", path)
    phases = [_phase_params(phase) for phase in schedule["phases"] if phase["end_date"] > _now(schedule)]
    if edit == "quantity":
        phases[1]["items"][-1]["quantity"] += 1
    elif edit == "prorations":
        phases[1]["proration_behavior"] = "create_prorations"
    elif edit == "one phase":
        phases = phases[:1]
    end = {"end_behavior": "cancel"} if edit == "end" else {}
    await by_hand(promised, path, phases=phases, proration_behavior="none", **end)
    await mended(promised)
    await kept(promised)


def _now(schedule: dict[str, Any]) -> int:
    return int(schedule["current_phase"]["start_date"])


def _phase_params(phase: dict[str, Any]) -> dict[str, Any]:
    items = [{"price": item["price"], "quantity": item["quantity"]} for item in phase["items"]]
    return {
        "items": items,
        "start_date": phase["start_date"],
        "end_date": phase["end_date"],
        "proration_behavior": "none",
    }


async def test_cancelled_by_hand_the_promise_ends(promised: World) -> None:
    """Cancelling the schedule cancels the subscription: nothing is left to decrease."""
    await by_hand(promised, f"{await own(promised)}/cancel")

    async def failed() -> bool:
        return bool((await promise(promised))["at_renewal"]["state"] == "failed")

    await promised.eventually(failed)
    found = (await promise(promised))["at_renewal"]
    assert "subscription_canceled" == found["reason"]
    assert [] == (await promised.view())["open_legs"]
    await promised.change(BOUGHT.to_json())


async def test_the_end_of_the_subscription_is_left_alone(promised: World) -> None:
    """Released and set to end with its period by hand: no schedule of ours may take that back."""
    await by_hand(promised, f"{await own(promised)}/release")
    path = f"/v1/subscriptions/{(await promised.subscription())['id']}"
    await promised.control("POST", "delivery", {"mode": "hold"})
    await by_hand(promised, path, cancel_at_period_end="true")
    await promised.control("POST", "delivery", {"mode": "normal"})
    await look(promised)
    await to_renewal(promised)

    async def failed() -> bool:
        return bool((await promise(promised))["at_renewal"]["state"] == "failed")

    await promised.eventually(failed)
    assert "canceled" == (await promised.subscription())["status"]


async def test_a_foreign_schedule_is_told_and_never_touched(promised: World) -> None:
    """Ours was replaced by somebody else's: people are told at once; once it is gone, ours comes back."""
    alarms = RENEWAL_AT_RISK._value.get()
    await promised.control("POST", "delivery", {"mode": "hold"})
    await by_hand(promised, f"{await own(promised)}/release")
    theirs = await by_hand(promised, SCHEDULES, from_subscription=(await promised.subscription())["id"])
    await promised.control("POST", "delivery", {"mode": "normal"})
    await look(promised)

    async def told() -> bool:
        return bool((await promise(promised))["at_renewal"]["reason"] == "renewal_at_risk")

    await promised.eventually(told)
    detail = (await promise(promised))["at_renewal"]["detail"]
    assert theirs["id"] in detail
    assert "propose a credit note" in detail
    assert alarms + 1 == RENEWAL_AT_RISK._value.get()
    assert [theirs["id"]] == [each["id"] for each in await schedules(promised)]

    await by_hand(promised, f"{SCHEDULES}/{theirs['id']}/release")
    await mended(promised)
    await kept(promised)


@pytest.mark.parametrize("minutes", [2, 50])
async def test_removed_minutes_before_the_renewal_people_hear_within_the_hour(
    promised: World, minutes: int
) -> None:
    """No event, no guard in between: while the renewal's invoice is a draft, the account is parked."""
    alarms = RENEWAL_AT_RISK._value.get()
    await to_renewal(promised, -60 * minutes)
    await promised.control("POST", "delivery", {"mode": "drop"})
    await by_hand(promised, f"{await own(promised)}/release")
    await promised.control("POST", "delivery", {"mode": "normal"})
    await to_renewal(promised, 15 * 60)

    async def failed() -> bool:
        return bool((await promise(promised))["at_renewal"]["state"] == "failed")

    await promised.eventually(failed)
    newest = (await promised.invoices())[0]
    assert ("subscription_cycle", "draft") == (newest["billing_reason"], newest["status"])
    found = (await promise(promised))["at_renewal"]
    assert "renewal_missed" == found["reason"]
    assert "credit note" in found["detail"]
    assert found["detail"] in (await promised.view())["parked"]["reason"]
    assert alarms < RENEWAL_AT_RISK._value.get()
    assert 8 == (await promised.view())["terms"]["seats"]


async def test_a_foreign_item_is_carried_along(promised: World) -> None:
    """Somebody adds an item of their own while the promise stands: it is still there after the renewal."""
    product = (await promised.stripe("POST", "/v1/products", name="Foreign"))["id"]
    params = {"recurring[interval]": "month", "unit_amount": 700, "currency": "usd", "product": product}
    price = (await promised.stripe("POST", "/v1/prices", **params))["id"]
    subscription = (await promised.subscription())["id"]
    await by_hand(
        promised,
        "/v1/subscription_items",
        subscription=subscription,
        price=price,
        quantity=3,
        proration_behavior="none",
    )
    await mended(promised)
    invoice = await kept(promised)
    held = {i["price"]["id"]: i["quantity"] for i in (await promised.subscription())["items"]["data"]}
    assert 3 == held[price]
    assert promised.billing.catalog.recurring_minor(FEWER, "usd") + 3 * 700 == invoice["total"]


async def test_seats_edited_by_hand_still_become_the_promised_ones(promised: World) -> None:
    """A promise is a number, not a difference: nine by hand, five from the renewal on."""
    found = (await promised.subscription())["items"]["data"]
    item = next(each for each in found if ":seats:" in each["price"]["lookup_key"])
    await by_hand(
        promised,
        f"/v1/subscription_items/{item['id']}",
        quantity=item["quantity"] + 1,
        proration_behavior="none",
    )
    await look(promised)
    await kept(promised)


async def test_a_discount_given_meanwhile_outlives_the_renewal(promised: World) -> None:
    """A coupon for three months and a tax rate, given while the promise stands: both go on, none anew."""
    coupon = await promised.stripe(
        "POST", "/v1/coupons", percent_off=10, duration="repeating", duration_in_months=3
    )
    rate = await promised.stripe(
        "POST", "/v1/tax_rates", display_name="VAT", percentage=20, inclusive="false"
    )
    path = f"/v1/subscriptions/{(await promised.subscription())['id']}"
    given = {"discounts": [{"coupon": coupon["id"]}], "default_tax_rates": [rate["id"]]}
    await by_hand(promised, path, proration_behavior="none", **given)
    before = await promised.stripe("GET", path, **{"expand[]": "discounts"})
    await mended(promised)
    invoice = await kept(promised)
    after = await promised.stripe("GET", path, **{"expand[]": "discounts"})

    assert [(each["id"], each["end"]) for each in before["discounts"]] == [
        (each["id"], each["end"]) for each in after["discounts"]
    ]
    assert [rate["id"]] == [each["id"] for each in after["default_tax_rates"]]
    plain = promised.billing.catalog.recurring_minor(FEWER, "usd")
    assert plain == invoice["subtotal"]
    assert abs(invoice["total"] - plain * 0.9 * 1.2) < 2
