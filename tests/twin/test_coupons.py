"""Coupons: what they may be, whom and what they serve, how long they last, what ends them."""

from __future__ import annotations

import pytest

from tests.twin.api import JSON, Api, amounts, types
from tests.twin.test_discounts import HALF, coupon, latest, to_december


async def test_a_coupon_for_a_product_spares_the_others(api: Api) -> None:
    """`applies_to` restricts a coupon to products, in full periods and in prorations."""
    prices = [await api.price(1000), await api.price(500)]
    product = (await api.get(f"/v1/prices/{prices[0]}"))["product"]
    only = await coupon(api, percent_off=50, applies_to={"products": [product]})
    who = await api.frozen_customer()
    subscription = await api.subscribe(who, (prices[0], 1), (prices[1], 1), discounts=[only])
    assert (await latest(api, subscription))["total"] == 1000
    edits = [{"id": i["id"], "quantity": 2} for i in subscription["items"]["data"]]
    invoice = (await api.change(subscription, *edits, proration_date=HALF))["latest_invoice"]
    assert amounts(invoice) == [-250, -250, 500, 500]
    shown = await api.get(f"/v1/coupons/{only['coupon']}", {"expand": ["applies_to"]})
    assert shown["applies_to"] == {"products": [product]}


async def test_a_once_coupon_is_spent_by_its_first_invoice(api: Api) -> None:
    """It is off the subscription afterwards, with its event, and the renewal costs the whole price."""
    subscription = await api.seats(5, discounts=[await coupon(api, percent_off=50, duration="once")])
    assert (await latest(api, subscription))["total"] == 5000
    assert (await api.get(f"/v1/subscriptions/{subscription['id']}"))["discounts"] == []
    assert {"customer.discount.created", "customer.discount.deleted"} <= set(types(await api.events()))
    assert (await to_december(api, subscription))["total"] == 10000


async def test_a_repeating_coupon_lasts_for_its_months(api: Api) -> None:
    """Two months from the first of November: November and December, not January."""
    off = await coupon(api, percent_off=10, duration="repeating", duration_in_months=2)
    subscription = await api.seats(5, discounts=[off])
    assert (await latest(api, subscription))["total"] == 9000
    assert (await to_december(api, subscription))["total"] == 9000
    assert (await to_december(api, subscription, 2))["total"] == 10000
    assert (await api.get(f"/v1/subscriptions/{subscription['id']}"))["discounts"] == []
    told = await api.events(type="customer.subscription.updated")
    assert any(e["data"]["previous_attributes"] == {"discounts": subscription["discounts"]} for e in told)


async def test_deleting_a_coupon_leaves_its_discounts(api: Api) -> None:
    """API reference "Delete a coupon": who has it keeps it, nobody else can get it."""
    off = await coupon(api, percent_off=10)
    subscription = await api.seats(5, discounts=[off])
    await api.delete(f"/v1/coupons/{off['coupon']}")
    assert (await to_december(api, subscription))["total"] == 9000
    await api.get(f"/v1/coupons/{off['coupon']}", status=404)
    assert (await api.get("/v1/coupons"))["data"] == []
    other = {"discounts": [off]}
    error = await api.post(f"/v1/subscriptions/{subscription['id']}", other, status=400)
    assert error["error"]["code"] == "resource_missing"


async def test_a_coupon_that_is_used_up_is_refused(api: Api) -> None:
    """400 `coupon_expired` after the last redemption; the discounts that it made go on."""
    off = await coupon(api, percent_off=10, max_redemptions=1)
    first = await api.seats(discounts=[off])
    assert (await api.get(f"/v1/coupons/{off['coupon']}"))["valid"] is False
    other = await api.seats()
    error = await api.post(f"/v1/subscriptions/{other['id']}", {"discounts": [off]}, status=400)
    assert error["error"]["code"] == "coupon_expired"
    assert (await to_december(api, first))["total"] == 9000


async def test_a_coupon_ends_after_its_last_day(api: Api) -> None:
    """`redeem_by` counts in the customer's time: 400 `coupon_expired` after it."""
    now = (await api.control("clock", method="GET"))["now"]
    off = await coupon(api, percent_off=10, redeem_by=now + 60)
    answer: JSON = {}
    for then, status in ((now + 30, 200), (now + 90, 400)):
        who = await api.frozen_customer(then)
        order = {"customer": who["id"], "items": [{"price": await api.price(2000)}], "discounts": [off]}
        answer = await api.post("/v1/subscriptions", order, status=status)
    assert answer["error"]["code"] == "coupon_expired"


async def test_a_fixed_amount_needs_the_currency(api: Api) -> None:
    """An amount in US dollars is no discount in euros, unless `currency_options` name one."""
    off = await coupon(api, amount_off=500)
    euros = await api.price(1000, currency="eur")
    who = await api.frozen_customer()
    order = {"customer": who["id"], "items": [{"price": euros}], "discounts": [off]}
    await api.post("/v1/subscriptions", order, status=400)
    await api.post(f"/v1/coupons/{off['coupon']}", {"currency_options": {"eur": {"amount_off": 400}}})
    subscription = await api.post("/v1/subscriptions", order)
    assert (await latest(api, subscription))["total"] == 600


@pytest.mark.parametrize(
    "params",
    [
        {},
        {"percent_off": 10, "amount_off": 100, "currency": "usd"},
        {"percent_off": 0},
        {"percent_off": 101},
        {"amount_off": 100},
        {"percent_off": 5, "duration": "repeating"},
        {"percent_off": 5, "duration_in_months": 2},
        {"percent_off": 5, "redeem_by": 1000},
    ],
)
async def test_coupons_that_stripe_refuses(api: Api, params: JSON) -> None:
    """One kind of reduction, within its limits, and months for repeating ones only."""
    await api.post("/v1/coupons", params, status=400)


async def test_a_coupon_s_id_is_taken_once(api: Api) -> None:
    """A second coupon with the same id is refused."""
    await api.post("/v1/coupons", {"id": "SPRING", "percent_off": 5})
    error = await api.post("/v1/coupons", {"id": "SPRING", "percent_off": 6}, status=400)
    assert error["error"]["code"] == "resource_already_exists"


async def test_renaming_a_coupon(api: Api) -> None:
    """Name and metadata change, with an event that tells the old ones."""
    off = await coupon(api, percent_off=5)
    await api.post(f"/v1/coupons/{off['coupon']}", {"name": "Spring"})
    event = (await api.events(type="coupon.updated"))[0]
    assert event["data"]["previous_attributes"] == {"name": None}
