"""An account that was adopted: its own prices are right, its past stays as it was, and its changes add up."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from sync.rules.adoption_prices import MapLine
from tests.adopt.builders import BASE, CONTACTS, SEATS
from tests.adopt.shop import Shop
from tests.flows.world import MARKETING, World
from tests.reports.conftest import Told, audited, told

MONTH = 31 * 86_400
OLD_SEAT = 1250  # below the catalog's 1500


@pytest.fixture
async def shop(world: World) -> Shop:
    """A shop that sold seats at a price of its own, beside a catalog that is on sale."""
    await world.sell(MARKETING)
    made = Shop(world)
    await made.tagged(BASE, CONTACTS)
    await made.price(SEATS, OLD_SEAT)
    return made


async def adopt(shop: Shop, customer: str, seats: int) -> str:
    """Adopt a new subscription of this customer."""
    made = await shop.subscribe(customer, {BASE: 1, CONTACTS: 1, SEATS: seats})
    await shop.adopted(made, lines={shop.prices[SEATS]: MapLine(SEATS, OLD_SEAT)})
    return made


def renewals(report: Told, subscription_id: str) -> list[dict[str, Any]]:
    """The lines of a subscription's renewals, the oldest first."""
    return report.where(subscription_id=subscription_id, billing_reason="subscription_cycle")


async def test_story_of_an_adopted_account(shop: Shop, world: World) -> None:
    """Renewed as it was, edited by hand, canceled, sold and adopted anew."""
    customer = await shop.customer(account_id="acme")
    first = await adopt(shop, customer, 2)
    await world.pass_time(MONTH)
    clean = renewals(await audited(world), first)
    assert [(4900, None), (2000, None), (2 * OLD_SEAT, None)] == [
        (row["expected_minor"], row["reason"]) for row in clean
    ]

    await swap_price(shop)
    await world.pass_time(MONTH)
    edited = renewals(await audited(world), first)
    assert clean == edited[:3]
    assert [(2 * OLD_SEAT, 500, "wrong_price")] == [
        (row["expected_minor"], row["diff_minor"], row["reason"]) for row in edited[3:] if row["reason"]
    ]

    await cancel(world, first)
    await adopt(shop, customer, 12)
    await at_stripes_time(world)
    assert edited == renewals(await audited(world), first)


async def swap_price(shop: Shop) -> None:
    """The seats get the catalog's price by hand, without prorations."""
    found = await shop.world.subscription()
    item = next(each for each in found["items"]["data"] if each["price"]["id"] == shop.prices[SEATS])
    key = "prorata:seats:marketing:plus:-:month:usd:v1"
    sold = (await shop.world.stripe("GET", "/v1/prices", **{"lookup_keys[]": key}))["data"][0]["id"]
    changed = {"items[0][id]": item["id"], "items[0][price]": sold, "items[0][quantity]": "2"}
    path = f"/v1/subscriptions/{found['id']}"
    await shop.world.stripe("POST", path, proration_behavior="none", **changed)


async def cancel(world: World, subscription_id: str) -> None:
    """At Stripe, at once."""
    await world.stripe("DELETE", f"/v1/subscriptions/{subscription_id}")

    async def ended() -> bool:
        return bool((await world.view())["subscription_status"] == "canceled")

    await world.eventually(ended)


async def at_stripes_time(world: World) -> None:
    """Move the newest terms to the local Stripe's moment, which this test has moved away from ours."""
    now = (await world.control("GET", "clock"))["now"]
    moved = "UPDATE account_terms SET effective_at = to_timestamp($1) WHERE ended_at IS NULL"
    await world.billing.pool.execute(moved, now)


async def test_increase_after_an_adoption_starts_from_the_adopted_terms(shop: Shop, world: World) -> None:
    """Not from what the account had bought before it canceled, and at the prices that it has now."""
    await world.buy(replace(MARKETING, seats=5))
    found = await world.view()
    await cancel(world, found["stripe_subscription_id"])
    await adopt(shop, found["stripe_customer_id"], 12)
    await world.change({"seats": 16})

    _, row = (await told(world.billing, "change-register")).rows

    before = 4900 + 2000 + 12 * OLD_SEAT
    assert (15, 16, before, before + OLD_SEAT) == tuple(
        row[name]
        for name in ("seats_before", "seats_after", "recurring_before_minor", "recurring_after_minor")
    )
    assert row["recurring_after_minor"] == row["recurring_quoted_minor"]
