"""How a schedule ends: completed, released, canceled or aborted, and what it tells before."""

from __future__ import annotations

from tests.twin.api import NOVEMBER, Api, types
from tests.twin.schedules import DAY, DECEMBER, JANUARY, adopt, at, plan, present


async def test_cancelling_at_the_end_of_the_last_phase(api: Api) -> None:
    """The subscription shows the date at once; then it ends and the schedule is completed."""
    subscription = await api.seats()
    schedule = await adopt(api, subscription)
    await plan(api, schedule, present(schedule), end_behavior="cancel")
    assert (await at(api, subscription, NOVEMBER + 1))["cancel_at"] == DECEMBER
    now = await at(api, subscription, DECEMBER + 10)
    found = await api.get(f"/v1/subscription_schedules/{schedule['id']}")
    assert (now["status"], found["status"], found["completed_at"]) == ("canceled", "completed", DECEMBER)
    assert "subscription_schedule.completed" in types(await api.events())


async def test_a_release_drops_the_date_that_the_schedule_set(api: Api) -> None:
    """Unless `preserve_cancel_date` keeps it."""
    subscription = await api.seats()
    schedule = await adopt(api, subscription)
    await plan(api, schedule, present(schedule), end_behavior="cancel")
    await api.post(f"/v1/subscription_schedules/{schedule['id']}/release")
    assert (await at(api, subscription, DECEMBER + 10))["status"] == "active"


async def test_expiring_is_told_seven_days_ahead(api: Api) -> None:
    """Once for the end that counts, not for one that was moved."""
    subscription = await api.seats()
    schedule = await adopt(api, subscription)
    await plan(api, schedule, present(schedule), {"items": present(schedule)["items"]})
    await at(api, subscription, DECEMBER + 10)
    assert "subscription_schedule.expiring" not in types(await api.events())
    await at(api, subscription, JANUARY - 7 * DAY + 1)
    assert types(await api.events()).count("subscription_schedule.expiring") == 1


async def test_how_the_end_of_the_subscription_ends_the_schedule(api: Api) -> None:
    """Cancelled by hand: `canceled`."""
    subscription = await api.seats()
    schedule = await adopt(api, subscription)
    await api.delete(f"/v1/subscriptions/{subscription['id']}")
    assert (await api.get(f"/v1/subscription_schedules/{schedule['id']}"))["status"] == "canceled"
    assert "subscription_schedule.canceled" in types(await api.events())


async def test_nobody_paid_so_the_schedule_is_aborted(api: Api) -> None:
    """Ended by the last failed retry: `aborted`."""
    subscription = await api.seats()
    schedule = await adopt(api, subscription)
    await plan(api, schedule, present(schedule, end_date=JANUARY + 90 * DAY))
    await api.new_card(subscription["customer"], "pm_card_chargeCustomerFail")
    await at(api, subscription, DECEMBER + 30 * DAY)
    assert (await api.get(f"/v1/subscription_schedules/{schedule['id']}"))["status"] == "canceled"
    assert "subscription_schedule.aborted" in types(await api.events())


async def test_an_end_taken_over_from_the_period_stays_where_it_is(api: Api) -> None:
    """A schedule made from a subscription that ends with its period: a fresh anchor moves neither date."""
    subscription = await api.seats()
    await api.post(f"/v1/subscriptions/{subscription['id']}", {"cancel_at_period_end": True})
    schedule = await adopt(api, subscription)
    await at(api, subscription, NOVEMBER + 10 * DAY)
    details = {"billing_cycle_anchor": {"type": "now"}}
    asked = {"subscription": subscription["id"], "subscription_details": details}
    preview = await api.post("/v1/invoices/create_preview", asked)
    changed = await api.change(subscription, **details)
    assert (changed["cancel_at"], changed["cancel_at_period_end"]) == (DECEMBER, False)
    assert preview["total"] == changed["latest_invoice"]["total"]
    found = await api.get(f"/v1/subscription_schedules/{schedule['id']}")
    assert found["phases"][-1]["end_date"] == DECEMBER
    assert (await at(api, subscription, DECEMBER + 1))["status"] == "canceled"
