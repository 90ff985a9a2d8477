"""Previews under schedules: they announce what the phases will bill."""

from __future__ import annotations

from typing import Any

from tests.twin.api import JSON, MID_NOVEMBER, NOVEMBER, Api, amounts, first_item
from tests.twin.schedules import DECEMBER, adopt, advance, at, items, plan, present

KEPT = ("amount", "description", "period", "quantity", "pricing", "taxes", "discount_amounts")


async def preview(api: Api, *, status: int = 200, **params: Any) -> JSON:
    """One preview."""
    return await api.post("/v1/invoices/create_preview", params, status=status)


async def everything(api: Api) -> list[Any]:
    """What a preview must not touch."""
    objects = (await api.control("state", method="GET"))["objects"]
    return [objects, await api.events(), await api.ledger()]


async def test_planned_phases_are_previewed_and_then_come_true(api: Api) -> None:
    """`schedule_details.phases` show the next invoice as it will be; nothing is written."""
    subscription = await api.seats()
    schedule = await adopt(api, subscription)
    later = {"items": items((await api.price(1500), 3)), "proration_behavior": "none"}
    before = await everything(api)
    seen = await preview(
        api, schedule=schedule["id"], schedule_details={"phases": [present(schedule), later]}
    )
    assert before == await everything(api)
    assert (amounts(seen), seen["period_end"], seen["id"][:12]) == ([4500], DECEMBER, "upcoming_in_")
    await plan(api, schedule, present(schedule), later)
    came = (await at(api, subscription, DECEMBER + 10))["latest_invoice"]
    assert [[line[k] for k in KEPT] for line in seen["lines"]["data"]] == [
        [line[k] for k in KEPT] for line in came["lines"]["data"]
    ]
    assert (seen["total"], seen["amount_due"]) == (came["total"], came["amount_due"])


async def test_a_change_of_the_present_phase_is_previewed(api: Api) -> None:
    """With `always_invoice` the preview is the invoice of this moment."""
    subscription = await api.seats()
    schedule = await adopt(api, subscription)
    await advance(api, subscription["test_clock"], MID_NOVEMBER)
    more = present(schedule, items=items((await api.price(2000), 8)))
    details = {"phases": [more], "proration_behavior": "always_invoice"}
    assert amounts(await preview(api, schedule=schedule["id"], schedule_details=details)) == [-4833, 7733]
    details["proration_behavior"] = "create_prorations"
    seen = await preview(api, schedule=schedule["id"], schedule_details=details)
    assert amounts(seen) == [-4833, 7733, 16000]


async def test_the_subscription_s_preview_follows_its_schedule(api: Api) -> None:
    """The next renewal is the next phase's; a change of now is prorated against the present phase."""
    subscription = await api.seats()
    schedule = await adopt(api, subscription)
    later = {"items": items((await api.price(2000), 2)), "proration_behavior": "none"}
    await plan(api, schedule, present(schedule), later)
    await advance(api, subscription["test_clock"], MID_NOVEMBER)
    assert amounts(await preview(api, subscription=subscription["id"])) == [4000]
    more = {"items": [{"id": first_item(subscription)["id"], "quantity": 8}]}
    seen = await preview(api, subscription=subscription["id"], subscription_details=more)
    assert amounts(seen) == [-4833, 7733, 4000]
    now = {**more, "proration_behavior": "always_invoice"}
    seen = await preview(api, subscription=subscription["id"], subscription_details=now)
    assert amounts(seen) == [-4833, 7733]


async def test_a_schedule_that_would_begin(api: Api) -> None:
    """Without a schedule, phases preview the first invoice that they would make."""
    customer = await api.frozen_customer()
    phases = [{"items": items((await api.price(2000), 5)), "start_date": MID_NOVEMBER}]
    seen = await preview(api, customer=customer["id"], schedule_details={"phases": phases})
    assert (amounts(seen), seen["lines"]["data"][0]["period"]["start"]) == ([10000], MID_NOVEMBER)
    assert (await api.get("/v1/subscription_schedules", {"customer": customer["id"]}))["data"] == []


async def test_recurring_mode_of_a_schedule(api: Api) -> None:
    """Only what repeats once the next invoice has come: no prorations, no coupon that ends."""
    once = await api.post("/v1/coupons", {"percent_off": 50, "duration": "once"})
    subscription = await api.seats(discounts=[{"coupon": once["id"]}])
    schedule = await adopt(api, subscription)
    later = {"items": items((await api.price(1500), 3)), "discounts": [{"coupon": once["id"]}]}
    details = {"phases": [present(schedule), later]}
    seen = await preview(api, schedule=schedule["id"], schedule_details=details, preview_mode="recurring")
    assert seen["total"] == 4500


async def test_a_schedule_that_ends_the_subscription_has_no_next_invoice(api: Api) -> None:
    """404 `invoice_upcoming_none`, for the schedule as for the subscription."""
    subscription = await api.seats()
    schedule = await adopt(api, subscription)
    await plan(api, schedule, present(schedule), end_behavior="cancel")
    for named in ({"schedule": schedule["id"]}, {"subscription": subscription["id"]}):
        error = (await preview(api, status=404, **named))["error"]
        assert error["code"] == "invoice_upcoming_none"


async def test_refused_previews_of_schedules(api: Api) -> None:
    """Not together with a subscription; not with phases that an update would refuse."""
    subscription = await api.seats()
    schedule = await adopt(api, subscription)
    await preview(api, schedule=schedule["id"], subscription=subscription["id"], status=400)
    wrong = {"phases": [present(schedule, start_date=NOVEMBER + 1)]}
    await preview(api, schedule=schedule["id"], schedule_details=wrong, status=400)
    cancel = {"cancel_at_period_end": True}
    await preview(api, subscription=subscription["id"], subscription_details=cancel, status=400)
