"""Schedules that make their subscription: now, later, or counted from a day that is past."""

from __future__ import annotations

from typing import Any

import pytest

from tests.twin.api import JSON, MID_NOVEMBER, NOVEMBER, Api, amounts
from tests.twin.schedules import DAY, DECEMBER, adopt, advance, items, plan, shape


async def begin(api: Api, start: int | str, status: int = 200, **extra: Any) -> JSON:
    """A schedule of five seats for one month from `start`."""
    customer = extra.pop("customer", None) or await api.frozen_customer()
    phase = {"items": items((await api.price(2000), 5)), **extra.pop("phase", {})}
    params = {"customer": customer["id"], "start_date": start, "phases": [phase], **extra}
    return await api.post("/v1/subscription_schedules", params, status=status)


async def subscription_of(api: Api, schedule: JSON) -> JSON:
    """The subscription that a schedule made."""
    found = await api.get(f"/v1/subscription_schedules/{schedule['id']}")
    path = f"/v1/subscriptions/{found['subscription']}"
    return await api.get(path, {"expand": ["latest_invoice"]})


async def test_a_schedule_that_starts_now(api: Api) -> None:
    """The subscription is active at once; its first invoice is a draft for an hour, then paid."""
    schedule = await begin(api, "now")
    made = await subscription_of(api, schedule)
    assert (schedule["status"], schedule["current_phase"]) == (
        "active",
        {"start_date": NOVEMBER, "end_date": DECEMBER},
    )
    assert (made["status"], made["schedule"], made["latest_invoice"]["status"]) == (
        "active",
        schedule["id"],
        "draft",
    )
    await advance(api, schedule["test_clock"], NOVEMBER + 3700)
    assert (await subscription_of(api, schedule))["latest_invoice"]["status"] == "paid"


async def test_a_schedule_that_starts_later(api: Api) -> None:
    """Nothing exists until then; the start makes the subscription and says what changed."""
    schedule = await begin(api, MID_NOVEMBER)
    assert (schedule["status"], schedule["subscription"], schedule["current_phase"]) == (
        "not_started",
        None,
        None,
    )
    await advance(api, schedule["test_clock"], MID_NOVEMBER + 10)
    made = await subscription_of(api, schedule)
    assert (made["start_date"], amounts(made["latest_invoice"])) == (MID_NOVEMBER, [10000])
    told = next(e for e in await api.events() if e["type"] == "subscription_schedule.updated")
    assert told["data"]["previous_attributes"]["status"] == "not_started"
    assert told["data"]["object"]["subscription"] == made["id"]


async def test_a_start_in_the_past_bills_the_time_since(api: Api) -> None:
    """The cycle counts from the start; the first invoice holds the past days and the rest of the period."""
    schedule = await begin(api, NOVEMBER - 10 * DAY)
    made = await subscription_of(api, schedule)
    assert made["start_date"] == NOVEMBER - 10 * DAY
    ends = made["items"]["data"][0]["current_period_end"]
    assert ends == schedule["phases"][0]["end_date"] == NOVEMBER + 21 * DAY
    lines = made["latest_invoice"]["lines"]["data"]
    assert [(line["period"]["start"], line["period"]["end"]) for line in lines] == [
        (NOVEMBER, ends),
        (NOVEMBER - 10 * DAY, NOVEMBER),
    ]
    assert lines[1]["amount"] == 3226


async def test_without_prorations_the_past_is_free(api: Api) -> None:
    """`proration_behavior=none` of the phase bills nothing before the next renewal."""
    schedule = await begin(api, NOVEMBER - 10 * DAY, phase={"proration_behavior": "none"})
    assert (await subscription_of(api, schedule))["latest_invoice"]["subtotal"] == 0


async def test_phases_that_are_all_over_are_refused(api: Api) -> None:
    """A schedule needs a present or future phase."""
    await begin(api, NOVEMBER - 90 * DAY, status=400)


@pytest.mark.parametrize("lacking", ["customer", "phases", "start_date"])
async def test_what_a_schedule_needs(api: Api, lacking: str) -> None:
    """Without a subscription to start from it needs a customer, phases and a start."""
    seats = items((await api.price(2000), 5))
    params = {"customer": (await api.customer())["id"], "phases": [{"items": seats}], "start_date": "now"}
    error = await api.post(
        "/v1/subscription_schedules", {k: v for k, v in params.items() if k != lacking}, status=400
    )
    assert error["error"]["param"] == lacking


@pytest.mark.parametrize(
    "other", [{"metadata": {"a": "b"}}, {"end_behavior": "cancel"}, {"start_date": "now"}]
)
async def test_from_subscription_excludes_everything_else(api: Api, other: JSON) -> None:
    """Phases, metadata and the end need a second request."""
    subscription = await api.seats()
    params = {"from_subscription": subscription["id"], **other}
    error = (await api.post("/v1/subscription_schedules", params, status=400))["error"]
    assert error["param"] == next(iter(other))


async def test_an_ended_subscription_has_no_schedule(api: Api) -> None:
    """400 for a canceled subscription."""
    subscription = await api.seats()
    await api.delete(f"/v1/subscriptions/{subscription['id']}")
    await api.post("/v1/subscription_schedules", {"from_subscription": subscription["id"]}, status=400)


async def test_a_schedule_that_has_not_started_can_be_moved(api: Api) -> None:
    """Its first phase may begin at another moment, also `now`, but not in the past."""
    schedule = await begin(api, DECEMBER)
    seats = items((await api.price(2000), 4))
    await plan(api, schedule, {"items": seats, "start_date": NOVEMBER - 1}, status=400)
    moved = await plan(api, schedule, {"items": seats, "start_date": MID_NOVEMBER})
    assert (moved["status"], moved["phases"][0]["start_date"]) == ("not_started", MID_NOVEMBER)
    await plan(api, schedule, {"items": seats, "start_date": "now"})
    made = await subscription_of(api, schedule)
    assert (made["start_date"], shape(made)) == (NOVEMBER, [(seats[0]["price"], 4)])


@pytest.mark.parametrize("end", ["cancel", "release"])
async def test_a_schedule_that_never_started_makes_nothing(api: Api, end: str) -> None:
    """Canceled or released before its start, it is over, and every further request is refused."""
    schedule = await begin(api, MID_NOVEMBER)
    path = f"/v1/subscription_schedules/{schedule['id']}"
    ended = await api.post(f"{path}/{end}")
    await advance(api, schedule["test_clock"], DECEMBER)
    assert ended["status"] in ("canceled", "released")
    assert (await api.get(path))["subscription"] is None
    for refused in ("", "/release", "/cancel"):
        await api.post(path + refused, status=400)


async def test_cancelling_a_schedule_ends_its_subscription(api: Api) -> None:
    """With a last invoice of the unused time, unless that is not wanted."""
    credited = []
    for wanted in (True, False):
        subscription = await api.seats()
        schedule = await adopt(api, subscription)
        await advance(api, subscription["test_clock"], MID_NOVEMBER)
        path = f"/v1/subscription_schedules/{schedule['id']}/cancel"
        await api.post(path, {"invoice_now": wanted, "prorate": wanted})
        found = await api.get("/v1/subscriptions", {"customer": subscription["customer"], "status": "all"})
        customer = await api.get(f"/v1/customers/{subscription['customer']}")
        credited.append((found["data"][0]["status"], customer["balance"]))
    assert credited == [("canceled", -4833), ("canceled", 0)]


async def test_settings_of_the_whole_schedule(api: Api) -> None:
    """`default_settings` hold for every phase that says nothing itself."""
    settings = {"collection_method": "send_invoice", "invoice_settings": {"days_until_due": 7}}
    schedule = await begin(api, "now", default_settings=settings, metadata={"order": "7"})
    made = await subscription_of(api, schedule)
    assert (made["collection_method"], made["days_until_due"]) == ("send_invoice", 7)
    assert (schedule["metadata"], made["metadata"]) == ({"order": "7"}, {})
    assert schedule["default_settings"]["billing_cycle_anchor"] == "automatic"


async def test_a_card_of_somebody_else_is_refused(api: Api) -> None:
    """A phase's payment method must be the customer's."""
    other = await api.customer()
    card = other["invoice_settings"]["default_payment_method"]
    await begin(api, "now", phase={"default_payment_method": card}, status=400)
    assert (await api.get("/v1/subscription_schedules"))["data"] == []


async def test_lists_of_schedules(api: Api) -> None:
    """By customer, not started yet, and by when they ended; those of test clocks only by customer."""
    customer = await api.customer()
    clock = (await api.control("clock", method="GET"))["now"]
    waiting = await begin(api, clock + DAY, customer=customer)
    running = await begin(api, "now", customer=customer)
    hidden = await begin(api, "now")
    await api.post(f"/v1/subscription_schedules/{running['id']}/release")

    async def listed(**wanted: Any) -> list[str]:
        return [s["id"] for s in (await api.get("/v1/subscription_schedules", wanted))["data"]]

    assert await listed() == [running["id"], waiting["id"]]
    assert await listed(customer=hidden["customer"]) == [hidden["id"]]
    assert await listed(scheduled=True) == [waiting["id"]]
    assert await listed(released_at={"gte": clock}) == [running["id"]]
    assert await listed(canceled_at={"gte": clock}) == []


async def test_the_schedule_can_be_expanded(api: Api) -> None:
    """`subscription.schedule` and the prices of phases."""
    subscription = await api.seats()
    schedule = await adopt(api, subscription)
    path = f"/v1/subscriptions/{subscription['id']}"
    assert (await api.get(path, {"expand": ["schedule"]}))["schedule"]["id"] == schedule["id"]
    shown = await api.get(
        f"/v1/subscription_schedules/{schedule['id']}", {"expand": ["phases.items.price", "customer"]}
    )
    assert shown["phases"][0]["items"][0]["price"]["unit_amount"] == 2000


async def test_several_phases_in_one_jump(api: Api) -> None:
    """A clock that jumps over months enters every phase at its own moment."""
    seats = await api.price(2000)
    customer = await api.customer()
    phases = [{"items": items((seats, n)), "proration_behavior": "none"} for n in (5, 3, 7)]
    params = {"customer": customer["id"], "start_date": "now", "phases": phases, "end_behavior": "cancel"}
    schedule = await api.post("/v1/subscription_schedules", params)
    await api.control("clock", {"advance_seconds": 150 * DAY})
    invoices = (await api.get("/v1/invoices", {"customer": customer["id"]}))["data"]
    assert [i["total"] for i in invoices] == [14000, 6000, 10000]
    assert (await subscription_of(api, schedule))["status"] == "canceled"
    path = f"/v1/subscription_schedules/{schedule['id']}"
    assert (await api.get(path))["status"] == "completed"


async def test_one_time_items_of_the_first_phase(api: Api) -> None:
    """They are on the first invoice."""
    setup = await api.post(
        "/v1/prices", {"product_data": {"name": "Setup"}, "currency": "usd", "unit_amount": 900}
    )
    schedule = await begin(api, "now", phase={"add_invoice_items": [{"price": setup["id"], "quantity": 2}]})
    assert amounts((await subscription_of(api, schedule))["latest_invoice"]) == [10000, 1800]


async def test_planned_pauses_are_refused(api: Api) -> None:
    """The twin does not model them, and says so instead of ignoring them."""
    schedule = await adopt(api, await api.seats())
    pause = [{"key": "summer", "pause": {"pause_at": {"type": "timestamp", "timestamp": DECEMBER}}}]
    path = f"/v1/subscription_schedules/{schedule['id']}"
    error = (await api.post(path, {"pause_schedules": pause}, status=400))["error"]
    assert error["param"] == "pause_schedules"
