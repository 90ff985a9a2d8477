"""Subscription schedules: a decrease at renewal, and what may happen to it on the way."""

from __future__ import annotations

from tests.twin.api import JSON, MONTH, NOVEMBER, Api, amounts, first_item, types

DECEMBER = NOVEMBER + MONTH


async def scheduled(api: Api, subscription: JSON, quantity: int = 2, **extra: object) -> JSON:
    """A schedule that lowers the seats at the next renewal."""
    made = await api.post("/v1/subscription_schedules", {"from_subscription": subscription["id"]})
    first = made["phases"][0]
    price = first["items"][0]["price"]
    phases = [
        {
            "items": [{"price": price, "quantity": 5}],
            "start_date": first["start_date"],
            "end_date": first["end_date"],
        },
        {
            "items": [{"price": price, "quantity": quantity}],
            "duration": {"interval": "month"},
            "proration_behavior": "none",
        },
    ]
    params = {"phases": phases, "end_behavior": "release", "proration_behavior": "none", **extra}
    return await api.post(f"/v1/subscription_schedules/{made['id']}", params)


async def advance(api: Api, subscription: JSON, to: int) -> JSON:
    """Move the customer's test clock and read the subscription."""
    await api.post(f"/v1/test_helpers/test_clocks/{subscription['test_clock']}/advance", {"frozen_time": to})
    return await api.get(f"/v1/subscriptions/{subscription['id']}", {"expand": ["latest_invoice"]})


async def test_a_decrease_takes_hold_before_the_renewal_bills(api: Api) -> None:
    """The phase changes first, so the renewal invoice is already of the lower quantity, with no proration."""
    subscription = await api.seats()
    schedule = await scheduled(api, subscription)
    assert [p["start_date"] for p in schedule["phases"]] == [NOVEMBER, DECEMBER]
    now = await advance(api, subscription, DECEMBER + 3600)
    assert (first_item(now)["quantity"], amounts(now["latest_invoice"])) == (2, [4000])
    assert now["schedule"] == schedule["id"]
    found = await api.get(f"/v1/subscription_schedules/{schedule['id']}")
    assert found["current_phase"]["start_date"] == DECEMBER


async def test_the_last_phase_releases(api: Api) -> None:
    """At its end the subscription goes on by itself and the schedule says what it released."""
    subscription = await api.seats()
    schedule = await scheduled(api, subscription)
    await advance(api, subscription, DECEMBER + 3600)
    now = await advance(api, subscription, DECEMBER + 31 * 86400 + 3600)
    found = await api.get(f"/v1/subscription_schedules/{schedule['id']}")
    assert (found["status"], found["released_subscription"], now["schedule"]) == (
        "released",
        subscription["id"],
        None,
    )
    assert amounts(now["latest_invoice"]) == [4000]


async def test_release_keeps_the_items(api: Api) -> None:
    """A withdrawn decrease leaves the subscription as it is; releasing twice is refused."""
    subscription = await api.seats()
    path = f"/v1/subscription_schedules/{(await scheduled(api, subscription))['id']}/release"
    assert (await api.post(path))["status"] == "released"
    await api.post(path, status=400)
    now = await advance(api, subscription, DECEMBER + 3600)
    assert (first_item(now)["quantity"], now["schedule"]) == (5, None)


async def test_a_change_meanwhile_splits_the_phase_and_is_overwritten(api: Api) -> None:
    """More seats bought under a schedule hold until the next phase, which still lowers them."""
    subscription = await api.seats()
    schedule = await scheduled(api, subscription)
    await advance(api, subscription, NOVEMBER + 1000)
    await api.change(subscription, {"id": first_item(subscription)["id"], "quantity": 9})
    found = await api.get(f"/v1/subscription_schedules/{schedule['id']}")
    assert [(p["start_date"], p["items"][0]["quantity"]) for p in found["phases"]] == [
        (NOVEMBER, 5),
        (NOVEMBER + 1000, 9),
        (DECEMBER, 2),
    ]
    assert first_item(await advance(api, subscription, DECEMBER))["quantity"] == 2


async def test_a_transition_voids_a_pending_update(api: Api) -> None:
    """What nobody paid by then is gone with its invoice."""
    subscription = await api.seats()
    await advance(api, subscription, DECEMBER - 7200)
    await scheduled(api, subscription)
    await api.new_card(subscription["customer"], "pm_card_chargeCustomerFail")
    item = {"id": first_item(subscription)["id"], "quantity": 900}
    held = await api.change(subscription, item, payment_behavior="pending_if_incomplete")
    assert held["pending_update"]
    now = await advance(api, subscription, DECEMBER)
    assert (now["pending_update"], first_item(now)["quantity"]) == (None, 2)
    assert (await api.get(f"/v1/invoices/{held['latest_invoice']['id']}"))["status"] == "void"


async def test_cancellation_belongs_to_the_schedule(api: Api) -> None:
    """Direct edits of the end are refused; `preserve_cancel_date` keeps an end over the release."""
    subscription = await api.seats()
    path = f"/v1/subscriptions/{subscription['id']}"
    await api.post(path, {"cancel_at_period_end": True})
    made = await api.post("/v1/subscription_schedules", {"from_subscription": subscription["id"]})
    assert (
        "schedule" in (await api.post(path, {"cancel_at_period_end": False}, status=400))["error"]["message"]
    )
    await api.post(f"/v1/subscription_schedules/{made['id']}/release", {"preserve_cancel_date": True})
    assert (await api.get(path))["cancel_at"] == DECEMBER


async def test_phases_are_a_full_replacement(api: Api) -> None:
    """Discounts and tax rates that a phase does not name are lost when it is applied."""
    coupon = await api.post("/v1/coupons", {"percent_off": 20, "duration": "forever"})
    subscription = await api.seats(discounts=[{"coupon": coupon["id"]}])
    assert len(subscription["discounts"]) == 1
    await scheduled(api, subscription)
    assert (await api.get(f"/v1/subscriptions/{subscription['id']}"))["discounts"] == []


async def test_refused_schedules(api: Api) -> None:
    """A second schedule, other parameters beside `from_subscription`, a moved start, and a gap."""
    subscription = await api.seats()
    both = {"from_subscription": subscription["id"], "end_behavior": "cancel"}
    await api.post("/v1/subscription_schedules", both, status=400)
    schedule = await scheduled(api, subscription)
    await api.post("/v1/subscription_schedules", {"from_subscription": subscription["id"]}, status=400)
    path = f"/v1/subscription_schedules/{schedule['id']}"
    phase = {"items": [{"price": await api.price(2000), "quantity": 5}], "end_date": DECEMBER}
    await api.post(path, {"phases": [{**phase, "start_date": NOVEMBER + 1}]}, status=400)
    gap = {**phase, "start_date": DECEMBER + 5, "end_date": DECEMBER + 10}
    await api.post(path, {"phases": [{**phase, "start_date": NOVEMBER}, gap]}, status=400)


async def test_events_of_a_schedule(api: Api) -> None:
    """Created, updated, released, and the subscription that names it."""
    subscription = await api.seats()
    schedule = await scheduled(api, subscription)
    await api.post(f"/v1/subscription_schedules/{schedule['id']}/release")
    seen = [
        t
        for t in types(await api.events())
        if t.startswith(("subscription_schedule", "customer.subscription"))
    ]
    assert seen[:4] == [
        "customer.subscription.updated",
        "subscription_schedule.released",
        "subscription_schedule.updated",
        "customer.subscription.updated",
    ]
