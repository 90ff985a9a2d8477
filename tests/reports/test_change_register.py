"""One row for each part of a change: who, when, before, after, and what it cost."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from tests.flows.world import ADMIN, MARKETING, World
from tests.reports.conftest import approved, caught_up, told

DAY = 86_400
MORE = replace(MARKETING, contact_limit=2500, seats=8)


async def test_story_of_an_account(world: World) -> None:
    """A purchase, a cart with a part at renewal, a declined card, and a wish that support approved."""
    await world.sell(MORE, replace(MORE, tier="starter"))
    await world.buy(replace(MARKETING, seats=5))
    await world.pass_time(10 * DAY)
    cart = await world.change({"contact_limit": 2500, "seats": 4})
    await world.card("pm_card_chargeDeclined")
    assert 402 == (await world.confirm(await world.quote({"seats": 8}))).status
    await approved(world, {"terms": {"tier": "starter"}, "effective": "renewal", "reason": "=too dear"})
    await caught_up(world)

    first, now, later, declined, asked = (await told(world.billing, "change-register")).rows

    assert [("now", "settled"), ("now", "settled"), ("at_renewal", "replaced"), ("now", "failed")] == [
        (row["leg"], row["state"]) for row in (first, now, later, declined)
    ]
    assert (None, 5, 9900, 0) == tuple(
        first[name]
        for name in ("seats_before", "seats_after", "charged_today_minor", "quote_minus_charge_minor")
    )
    assert (cart["id"], ADMIN, 1000, 2500, 5, 5) == tuple(
        now[name]
        for name in (
            "change_id", "confirmed_by", "contact_limit_before", "contact_limit_after",
            "seats_before", "seats_after",
        )
    )  # fmt: skip
    assert (5, 4, None) == (later["seats_before"], later["seats_after"], later["charged_today_minor"])
    assert [(None, 9900), (9900, 12100), (12100, 10600)] == [recurring(row) for row in (first, now, later)]
    assert 10600 == now["recurring_quoted_minor"]
    assert ("payment_declined", None) == (declined["reason"], declined["applied_at"])
    assert all(row["stripe_request_ids"] for row in (first, now, declined))
    assert all(
        row["customer_id"] and row["subscription_id"] and row["quote_id"] for row in (first, now, later)
    )
    assert now["invoice_number"]
    names = ("requested_by", "decided_by", "request_reason", "tier_before", "tier_after")
    assert (ADMIN, "sam", "=too dear", "plus", "starter") == tuple(asked[name] for name in names)
    assert asked["requested_at"] <= asked["decided_at"] <= asked["confirmed_at"]


def recurring(row: dict[str, Any]) -> tuple[int | None, int | None]:
    """What an interval costs before and after a part."""
    return row["recurring_before_minor"], row["recurring_after_minor"]


async def test_what_repeats_adds_up_to_what_the_account_pays(world: World) -> None:
    """Fewer seats promised, then more contacts, which takes the promise over; then the end."""
    await world.sell(replace(MARKETING, contact_limit=2500, seats=8))
    await world.buy(replace(MARKETING, seats=8))
    await world.change({"seats": 4})
    await world.change({"contact_limit": 2500})
    await world.pass_time(32 * DAY)

    async def smaller() -> bool:
        return bool((await world.view())["terms"]["seats"] == 4)

    await world.eventually(smaller)
    await approved(world, {"cancel": True, "effective": "renewal", "reason": "too dear"})
    bought, replaced, more, fewer, end = (await told(world.billing, "change-register")).rows

    assert [(None, 14400), (14400, 8400), (14400, 16600), (16600, 10600), (10600, 0)] == [
        recurring(row) for row in (bought, replaced, more, fewer, end)
    ]
    assert ("replaced", None) == (replaced["state"], replaced["applied_at"])
    assert all(row["applied_at"] for row in (bought, more, fewer))
