"""Schedules: changes at the end of a period."""

from __future__ import annotations

from typing import Any

from tests.sandbox.lab import JSON, MONTH, Lab, quantities, refusal, status_of
from tests.sandbox.probe import Seen, probe


async def _scheduled(lab: Lab, made: JSON, quantity: int) -> JSON:
    """A schedule that lowers the quantity at the period's end."""
    schedules = lab.v1.subscription_schedules
    schedule = (await schedules.create_async({"from_subscription": made["id"]})).to_dict()
    phase, price = schedule["phases"][0], made["items"]["data"][0]["price"]["id"]
    present = {"items": [{"price": price, "quantity": made["items"]["data"][0]["quantity"]}]}
    present |= {"start_date": phase["start_date"], "end_date": phase["end_date"]}
    following = {"items": [{"price": price, "quantity": quantity}], "proration_behavior": "none"}
    following["duration"] = {"interval": "month", "interval_count": 1}
    params: Any = {"end_behavior": "release", "phases": [present, following]}
    return (await schedules.update_async(schedule["id"], params)).to_dict()


@probe("Does a schedule from a subscription exclude other parameters?", {"alone": 200, "more": 400})
async def schedule_from_subscription(lab: Lab) -> Seen:
    create, made = lab.v1.subscription_schedules.create_async, await lab.seats()
    more: Any = {"from_subscription": made["id"], "end_behavior": "cancel"}
    refused = await status_of(create(more))
    return {"alone": await status_of(create({"from_subscription": made["id"]})), "more": refused}


@probe(
    "Does the first phase describe the subscription as it is?",
    {"status": "active", "phases": 1, "quantities": [5], "start": True, "end": True, "linked": True},
)
async def first_phase(lab: Lab) -> Seen:
    made = await lab.seats()
    schedule = (await lab.v1.subscription_schedules.create_async({"from_subscription": made["id"]})).to_dict()
    phase, item = schedule["phases"][0], made["items"]["data"][0]
    return {
        "status": schedule["status"],
        "phases": len(schedule["phases"]),
        "quantities": [i["quantity"] for i in phase["items"]],
        "start": phase["start_date"] == item["current_period_start"],
        "end": phase["end_date"] == item["current_period_end"],
        "linked": (await lab.now(made))["schedule"] == schedule["id"],
    }


@probe(
    "Does the next phase take hold before the renewal is billed?",
    {"before": [5], "after": [2], "total": 4000, "lines": 1},
)
async def phase_at_the_renewal(lab: Lab) -> Seen:
    made = await lab.seats()
    await _scheduled(lab, made, 2)
    before = quantities(await lab.now(made))
    await lab.advance(made, MONTH + 3 * 3600)
    now = await lab.now(made)
    invoice = now["latest_invoice"]
    lines = len(invoice["lines"]["data"])
    return {"before": before, "after": quantities(now), "total": invoice["total"], "lines": lines}


@probe(
    "Does a direct change split the present phase, and does the next still win?",
    {"phases": 3, "now": [8], "after": [2]},
)
async def change_beside_a_schedule(lab: Lab) -> Seen:
    made = await lab.seats()
    schedule = await _scheduled(lab, made, 2)
    await lab.advance(made, 86400)
    changed = await lab.quantity(made, 8)
    phases = (await lab.v1.subscription_schedules.retrieve_async(schedule["id"])).to_dict()["phases"]
    await lab.advance(made, MONTH + 3 * 3600)
    return {"phases": len(phases), "now": quantities(changed), "after": quantities(await lab.now(made))}


@probe("Is an end refused while a schedule is attached?", {"status": 400})
async def end_beside_a_schedule(lab: Lab) -> Seen:
    made = await lab.seats()
    await _scheduled(lab, made, 2)
    ending = lab.v1.subscriptions.update_async(made["id"], {"cancel_at_period_end": True})
    return {"status": (await refusal(ending))["status"]}


@probe(
    "Does a release leave the subscription as it is?",
    {"status": "released", "linked": None, "after": [5]},
)
async def release(lab: Lab) -> Seen:
    made = await lab.seats()
    schedule = await _scheduled(lab, made, 2)
    released = await lab.v1.subscription_schedules.release_async(schedule["id"])
    linked = (await lab.now(made))["schedule"]
    await lab.advance(made, MONTH + 3 * 3600)
    return {"status": released.status, "linked": linked, "after": quantities(await lab.now(made))}
