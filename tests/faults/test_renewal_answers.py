"""Lost answers, errors and lagging reads around a promise for the renewal: made once, and never too much."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from sync import advance as advancing
from sync.advance import advance
from sync.states import Leg
from tests.faults.hands import HALF_MONTH, Hands
from tests.flows.world import MARKETING

BOUGHT = replace(MARKETING, seats=8)
SCHEDULES = "/v1/subscription_schedules"
STEPS_MOST = 8

LOST = [
    {"when": "after", "reset": True},
    {"when": "after", "status": 500},
    {"when": "before", "status": 500},
    {"when": "before", "status": 429},
    {"when": "after", "garbage": True, "status": 200},
]


@pytest.fixture
async def eight(hands: Hands) -> Hands:
    """Eight seats, in the middle of a paid month; nobody works by itself."""
    await hands.world.sell(BOUGHT, replace(BOUGHT, contact_limit=2500))
    await hands.world.account()
    change = await hands.step(await hands.confirm(await hands.world.quote(BOUGHT.to_json())))
    assert (await hands.settle(change))["state"] == "settled"
    await hands.world.pass_time(HALF_MONTH)
    return hands


async def until(hands: Hands, change: dict[str, Any], *states: str) -> dict[str, Any]:
    """Step as workers would, one nudge after the other, until the promise has come so far."""
    for _ in range(STEPS_MOST):
        found = await hands.step(change)
        if found["at_renewal"]["state"] in states:
            return found
        # What waits on purpose has waited.
        await hands.world.billing.pool.execute(
            "UPDATE change_leg SET clean_read_at = clean_read_at - interval '6 s' WHERE change_id = $1",
            change["id"],
        )
    raise AssertionError(found)


async def promised(hands: Hands) -> dict[str, Any]:
    """Five seats from the renewal on."""
    change = await hands.confirm(await hands.world.quote({"seats": 5}))
    return await until(hands, change, "scheduled")


async def withdraw(hands: Hands, change: dict[str, Any]) -> None:
    """Ask to take it back; nobody carries that out yet."""
    path = f"/v1/changes/{change['id']}/withdraw"
    asked = asyncio.create_task(hands.world.call("POST", path, {"actor": "ada"}))
    pool, ending = hands.world.billing.pool, None
    while ending is None and not asked.done():
        await asyncio.sleep(0.02)
        ending = await pool.fetchval("SELECT ending FROM change_leg WHERE change_id = $1", change["id"])
    asked.cancel()


async def active(hands: Hands) -> list[dict[str, Any]]:
    customer = (await hands.world.view())["stripe_customer_id"]
    found = (await hands.world.stripe("GET", SCHEDULES, customer=customer))["data"]
    return [each for each in found if each["status"] == "active"]


async def renew(hands: Hands, seconds: int = 2 * 3600) -> None:
    item = (await hands.world.subscription())["items"]["data"][0]
    now = (await hands.world.control("GET", "clock"))["now"]
    await hands.world.pass_time(item["current_period_end"] - now + seconds)


async def seats(hands: Hands) -> int:
    found = await hands.world.items()
    included = hands.world.billing.catalog.included_seats("marketing", "plus") or 0
    return included + next(count for key, count in found.items() if ":seats:" in key)


@pytest.mark.parametrize("fault", LOST, ids=str)
@pytest.mark.parametrize("call", ["create", "phases"])
async def test_a_promise_is_made_once_whatever_the_answer(
    eight: Hands, call: str, fault: dict[str, Any]
) -> None:
    """The answer is lost, an error or unreadable: one schedule, and the renewal brings the five seats."""
    change = await eight.confirm(await eight.world.quote({"seats": 5}))
    path = SCHEDULES if call == "create" else f"{SCHEDULES}/*"
    await eight.fault(method="POST", path=path, **fault)
    await until(eight, change, "scheduled")
    assert 1 == len(await active(eight))

    await renew(eight)
    done = await until(eight, change, "settled")
    assert (0, 5, []) == (done["at_renewal"]["difference_minor"], await seats(eight), await active(eight))


@pytest.mark.parametrize("fault", LOST, ids=str)
async def test_a_promise_is_taken_back_whatever_the_answer(eight: Hands, fault: dict[str, Any]) -> None:
    """The release's answer is lost or an error: the promise goes, and the subscription is what it was."""
    before = await eight.world.subscription()
    change = await promised(eight)
    await eight.fault(method="POST", path=f"{SCHEDULES}/*/release", **fault)
    await withdraw(eight, change)
    await until(eight, change, "withdrawn")

    assert before == await eight.world.subscription()
    await renew(eight)
    assert 8 == await seats(eight)


@pytest.mark.parametrize("fault", LOST, ids=str)
async def test_a_withdrawal_finds_the_schedule_that_nobody_knows_of(
    eight: Hands, fault: dict[str, Any]
) -> None:
    """Withdrawn while nobody knows whether the schedule was made: none stays behind."""
    change = await eight.confirm(await eight.world.quote({"seats": 5}))
    await eight.fault(method="POST", path=SCHEDULES, **fault)
    await eight.fault(method="GET", path="/v1/events", when="before", status=500, times=3)
    await eight.step(change)
    await withdraw(eight, change)
    await until(eight, change, "withdrawn")
    assert [] == await active(eight)


async def test_a_renewal_that_comes_before_the_answer_is_no_miss(eight: Hands) -> None:
    """The phases were written, the answer was lost, and a month passes: the promise was kept."""
    change = await eight.confirm(await eight.world.quote({"seats": 5}))
    await eight.fault(method="POST", path=f"{SCHEDULES}/*", when="after", reset=True)
    await eight.step(change)
    await renew(eight)
    done = await until(eight, change, "settled", "failed")
    assert "settled" == done["at_renewal"]["state"], done
    assert (await eight.world.view())["parked"] is None


async def test_several_renewals_in_one_sleep(eight: Hands) -> None:
    """Nobody looks for three months: the first of their invoices is compared, the terms are right."""
    change = await promised(eight)
    await renew(eight, 70 * 86_400)
    done = await until(eight, change, "settled")
    assert (0, 5) == (done["at_renewal"]["difference_minor"], (await eight.world.view())["terms"]["seats"])


@pytest.mark.parametrize("times", [1, 2])
async def test_a_lagging_read_takes_no_purchase_away(eight: Hands, times: int) -> None:
    """Bought, paid, and the next read does not show it: the present phase is written as it really is."""
    await promised(eight)
    change = await eight.confirm(await eight.world.quote({"contact_limit": 2500}))
    await advancing._advance(eight.world.billing, change["id"], Leg.NOW)
    bought = await eight.world.items()
    path = f"/v1/subscriptions/{(await eight.world.subscription())['id']}"
    await eight.fault(method="GET", path=path, stale=True, times=times)
    await until(eight, change, "scheduled")

    assert bought == await eight.world.items()
    await renew(eight)
    await until(eight, change, "settled")
    assert 5 == await seats(eight)


@pytest.mark.parametrize("path", [SCHEDULES + "/*", "/v1/subscriptions/*"])
async def test_a_lagging_read_makes_no_second_schedule(eight: Hands, path: str) -> None:
    """A read from before the promise was placed: it is looked at again, and nobody is alarmed."""
    change = await promised(eight)
    await eight.fault(method="GET", path=path, stale=True)
    await eight.step(change)
    found = await until(eight, change, "scheduled")
    assert 1 == len(await active(eight))
    assert found["at_renewal"]["detail"] is None


async def test_a_lagging_read_hides_no_schedule_from_a_withdrawal(eight: Hands) -> None:
    """The read of the subscription lags, so it shows no schedule: ours is released all the same."""
    change = await promised(eight)
    await withdraw(eight, change)
    path = f"/v1/subscriptions/{(await eight.world.subscription())['id']}"
    await eight.fault(method="GET", path=path, stale=True)
    await until(eight, change, "withdrawn")
    assert [] == await active(eight)


async def test_whoever_lost_the_lease_writes_nothing(eight: Hands) -> None:
    """A process is held up right before the wire, another one takes over: one schedule, one write each."""
    change = await eight.confirm(await eight.world.quote({"seats": 5}))
    held_up = eight.hold_up_write()
    late = asyncio.create_task(advance(eight.world.billing, change["id"]))
    await held_up.reached.wait()
    eight.world.billing.gateway._transport._budget = held_up.plain
    pool = eight.world.billing.pool
    await pool.execute("UPDATE change_leg SET leased_until = '-infinity' WHERE change_id = $1", change["id"])
    await until(eight, change, "scheduled")
    held_up.go_on.set()
    await late

    assert 1 == len(await active(eight))
    assert 2 == len(await eight.requests("POST", SCHEDULES))
    await renew(eight)
    await until(eight, change, "settled")


async def test_a_schedule_of_ours_is_known_by_the_call_that_made_it(eight: Hands) -> None:
    """Its id was lost with its worker: the event that tells of it names our key."""
    change = await promised(eight)
    pool = eight.world.billing.pool
    await pool.execute("UPDATE account SET stripe_schedule_id = NULL")
    await until(eight, await eight.step(change), "scheduled")
    [schedule] = await active(eight)
    assert schedule["id"] == await pool.fetchval("SELECT stripe_schedule_id FROM account")


async def test_a_mended_schedule_writes_no_purchase_over(eight: Hands) -> None:
    """The schedule is removed by hand while a purchase is on its way to Stripe: what is bought stays."""
    promise = await promised(eight)
    change = await eight.confirm(await eight.world.quote({"contact_limit": 2500}))
    [schedule] = await active(eight)
    await eight.world.control(
        "POST", "dashboard", {"method": "POST", "path": f"{SCHEDULES}/{schedule['id']}/release"}
    )
    waiting = await eight.step(promise)
    assert "scheduled" == waiting["at_renewal"]["state"]
    assert [] == await active(eight)

    ended = await eight.step(change)
    assert ("failed", "quote_stale") == (ended["now"]["state"], ended["now"]["reason"])
    await until(eight, promise, "scheduled")
    assert 1 == len(await active(eight))
