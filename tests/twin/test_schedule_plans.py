"""Random phase plans: the items are always those of the phase, and each invoice is what was previewed."""

from __future__ import annotations

import random
from typing import Any

import pytest

from tests.twin.api import JSON, Api
from tests.twin.schedules import DAY, adopt, advance, items, plan, present, shape

KEPT = ("amount", "description", "period", "quantity", "discountable", "taxes")
HOUR = 3700
BEHAVIORS = ("none", "create_prorations", "always_invoice")


async def drawn(api: Api, dice: random.Random, schedule: JSON) -> list[JSON]:
    """The present phase and two to five later ones, on and off the boundaries of periods."""
    prices = [await api.price(amount) for amount in (1000, 1999, 3333, 50)]
    prices.append(await api.price(12345, "year"))
    coupon = await api.post("/v1/coupons", {"percent_off": dice.choice([10, 33.3]), "duration": "forever"})
    phases = [present(schedule)]
    ends = phases[0]["end_date"]
    for _ in range(dice.randint(2, 5)):
        chosen = dice.sample(prices, dice.randint(1, 4))
        phase: dict[str, Any] = {"items": items(*((p, dice.randint(1, 9)) for p in chosen))}
        phase["proration_behavior"] = dice.choice(BEHAVIORS)
        if dice.random() < 0.4:
            phase["discounts"] = [{"coupon": coupon["id"]}]
        if dice.random() < 0.2:
            phase["billing_cycle_anchor"] = "phase_start"
        if dice.random() < 0.5:
            phase["end_date"] = ends + dice.randint(2, 45) * DAY + dice.randint(0, 86399)
        elif prices[-1] in chosen or dice.random() < 0.5:
            phase["duration"] = {"interval": "month"}
        phases.append(phase)
        ends = phase.get("end_date", ends + 31 * DAY)
    return phases


class Story:
    """One subscription under one drawn plan."""

    def __init__(self, api: Api, seed: int) -> None:
        self.api, self.dice = api, random.Random(seed)

    async def begin(self) -> None:
        """Make the subscription and plan its phases."""
        customer = await self.api.frozen_customer()
        self.subscription = await self.api.subscribe(customer, (await self.api.price(1000), 4))
        schedule = await adopt(self.api, self.subscription)
        phases = await drawn(self.api, self.dice, schedule)
        end = self.dice.choice(["release", "cancel"])
        self.schedule = await plan(self.api, schedule, *phases, end_behavior=end)

    async def look(self) -> None:
        """Read both again."""
        self.subscription = await self.api.get(f"/v1/subscriptions/{self.subscription['id']}")
        self.schedule = await self.api.get(f"/v1/subscription_schedules/{self.schedule['id']}")

    def next_moment(self) -> int:
        """When the next phase or period begins."""
        ends = [i["current_period_end"] for i in self.subscription["items"]["data"]]
        return int(min([*ends, self.schedule["current_phase"]["end_date"]]))

    async def invoices(self) -> list[JSON]:
        """All invoices, oldest first."""
        wanted = {"subscription": self.subscription["id"], "limit": 100}
        found: list[JSON] = (await self.api.get("/v1/invoices", wanted))["data"]
        return found[::-1]

    async def preview(self) -> JSON | None:
        """The next invoice, or None if there is none."""
        named = {"subscription": self.subscription["id"]}
        path = "/v1/invoices/create_preview"
        try:
            return await self.api.post(path, named)
        except AssertionError as error:
            if "invoice_upcoming_none" not in str(error):
                raise
            return None

    def phase_now(self) -> list[tuple[str, int]]:
        """What the present phase says about items."""
        start = self.schedule["current_phase"]["start_date"]
        phase = next(p for p in self.schedule["phases"] if p["start_date"] == start)
        return sorted((i["price"], i["quantity"]) for i in phase["items"])


def content(invoice: JSON) -> list[Any]:
    """What an invoice says, without ids."""
    lines = [[line[k] for k in KEPT] for line in invoice["lines"]["data"]]
    return [lines, invoice["subtotal"], invoice["total"], invoice["amount_due"], invoice["currency"]]


@pytest.mark.parametrize("seed", range(12))
async def test_every_invoice_is_the_one_previewed_and_every_phase_holds(api: Api, seed: int) -> None:
    """Step by step from one boundary to the next, until the schedule is over."""
    story = Story(api, seed)
    await story.begin()
    compared = 0
    while story.schedule["status"] == "active":
        assert sorted(shape(story.subscription)) == story.phase_now()
        seen, known, moment = await story.preview(), len(await story.invoices()), story.next_moment()
        await advance(api, story.subscription["test_clock"], moment)
        fresh = (await story.invoices())[known:]
        if fresh and seen is not None:
            assert content(fresh[0]) == content(seen)
            compared += 1
        await advance(api, story.subscription["test_clock"], moment + HOUR)
        await story.look()
    assert compared > 0


@pytest.mark.parametrize("seed", range(6))
async def test_jumps_over_several_boundaries_bill_the_same(api: Api, seed: int) -> None:
    """Whether the clock moves in steps or jumps, the same invoices come."""
    told = []
    for jump in (False, True):
        story = Story(api, seed)
        await story.begin()
        for _ in range(40):
            if story.schedule["status"] != "active":
                break
            clock, moment = story.subscription["test_clock"], story.next_moment()
            await advance(api, clock, moment + (25 * DAY if jump else HOUR))
            await story.look()
        last = story.schedule["phases"][-1]["end_date"]
        told.append([content(i) for i in await story.invoices() if i["created"] <= last])
    assert told[0] == told[1]
