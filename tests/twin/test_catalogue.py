"""Products, prices, lookup keys, tiers."""

from __future__ import annotations

from typing import Any

import pytest

from tests.twin.api import Api, amounts


async def test_a_lookup_key_belongs_to_one_price(api: Api) -> None:
    """It moves only with `transfer_lookup_key`, and the old price says so in an event."""
    base = {
        "product_data": {"name": "x"},
        "currency": "usd",
        "recurring": {"interval": "month"},
        "lookup_key": "k",
    }
    first = await api.post("/v1/prices", {**base, "unit_amount": 100})
    await api.post("/v1/prices", {**base, "unit_amount": 200}, status=400)
    second = await api.post("/v1/prices", {**base, "unit_amount": 200, "transfer_lookup_key": True})
    found = (await api.get("/v1/prices", {"lookup_keys": ["k", "other"]}))["data"]
    assert [p["id"] for p in found] == [second["id"]]
    assert (await api.get(f"/v1/prices/{first['id']}"))["lookup_key"] is None
    assert (await api.events(type="price.updated"))[0]["data"]["previous_attributes"] == {"lookup_key": "k"}


@pytest.mark.parametrize("count", [-1, 0, 37])
async def test_an_interval_is_between_one_and_three_years(api: Api, count: int) -> None:
    """Nothing is billed every minus one months."""
    price = {"product_data": {"name": "x"}, "currency": "usd", "unit_amount": 100}
    refused = await api.post(
        "/v1/prices", {**price, "recurring": {"interval": "month", "interval_count": count}}, status=400
    )
    assert "recurring[interval_count]" == refused["error"]["param"]


async def test_amounts_are_immutable(api: Api) -> None:
    """A price takes a nickname but no other amount; items show the price as it is now."""
    subscription = await api.seats()
    price = subscription["items"]["data"][0]["price"]["id"]
    await api.post(f"/v1/prices/{price}", {"unit_amount": 1}, status=400)
    await api.post(f"/v1/prices/{price}", {"nickname": "Seats", "active": False})
    shown = (await api.get(f"/v1/subscriptions/{subscription['id']}"))["items"]["data"][0]
    assert (shown["price"]["nickname"], shown["plan"]["active"]) == ("Seats", False)


@pytest.mark.parametrize(
    ("extra", "quantity", "expected"),
    [
        (
            {
                "tiers_mode": "graduated",
                "tiers": [{"up_to": 1000, "unit_amount": 2}, {"up_to": "inf", "unit_amount": 1}],
            },
            1500,
            2500,
        ),
        (
            {
                "tiers_mode": "volume",
                "tiers": [{"up_to": 5, "unit_amount": 9}, {"up_to": "inf", "unit_amount": 5}],
            },
            6,
            30,
        ),
        ({"tiers_mode": "volume", "tiers": [{"up_to": "inf", "unit_amount": 5, "flat_amount": 100}]}, 4, 120),
        ({"transform_quantity": {"divide_by": 1000, "round": "up"}}, 2001, 300),
        ({"unit_amount_decimal": "0.5"}, 7, 3),
    ],
    ids=["graduated", "volume", "flat fee", "blocks", "half cents"],
)
async def test_what_a_quantity_costs(api: Api, extra: dict[str, Any], quantity: int, expected: int) -> None:
    """Tiers, blocks and fractions of a cent."""
    scheme = {"billing_scheme": "tiered"} if "tiers" in extra else {}
    subscription = await api.seats(quantity, 100)
    price = await api.price(100, **{**scheme, **extra})
    params = {
        "customer": subscription["customer"],
        "subscription_details": {"items": [{"price": price, "quantity": quantity}]},
    }
    assert amounts(await api.post("/v1/invoices/create_preview", params)) == [expected]


async def test_tiers_are_shown_on_demand(api: Api) -> None:
    """`tiers` need expansion, `inf` reads back as null."""
    tiers = [{"up_to": 1000, "unit_amount": 2}, {"up_to": "inf", "unit_amount": 1}]
    price = await api.price(0, billing_scheme="tiered", tiers_mode="graduated", tiers=tiers)
    assert "tiers" not in await api.get(f"/v1/prices/{price}")
    shown = (await api.get(f"/v1/prices/{price}", {"expand": ["tiers"]}))["tiers"]
    assert [(t["up_to"], t["unit_amount"]) for t in shown] == [(1000, 2), (None, 1)]
