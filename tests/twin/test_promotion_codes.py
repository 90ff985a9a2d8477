"""Promotion codes: who may redeem them, how often, and what a redemption leaves behind."""

from __future__ import annotations

from typing import Any

import pytest

from tests.twin.api import JSON, NOVEMBER, Api, first_item, types


async def code(api: Api, coupon: JSON | None = None, **params: Any) -> JSON:
    """A promotion code over a coupon of 10 % for ever."""
    made = await api.post("/v1/coupons", {"percent_off": 10, "duration": "forever", **(coupon or {})})
    promotion = {"type": "coupon", "coupon": made["id"]}
    return await api.post("/v1/promotion_codes", {"promotion": promotion, **params})


def use(made: JSON) -> JSON:
    """The parameter that redeems it."""
    return {"discounts": [{"promotion_code": made["id"]}]}


async def test_a_code_becomes_a_discount(api: Api) -> None:
    """The discount names the code and the coupon; both count the redemption, and events tell it."""
    made = await code(api, code="WELCOME-10")
    subscription = await api.seats(5, **use(made))
    expanded = {"expand": ["discounts.promotion_code", "discounts.source.coupon", "latest_invoice"]}
    now = await api.get(f"/v1/subscriptions/{subscription['id']}", expanded)
    discount = now["discounts"][0]
    assert discount["promotion_code"]["code"] == "WELCOME-10"
    assert (discount["source"]["coupon"]["times_redeemed"], now["latest_invoice"]["total"]) == (1, 9000)
    assert (await api.get(f"/v1/promotion_codes/{made['id']}"))["times_redeemed"] == 1
    seen = types(await api.events())
    assert {"promotion_code.created", "promotion_code.updated", "customer.discount.created"} <= set(seen)


async def test_codes_work_wherever_discounts_do(api: Api) -> None:
    """Updates, items, previews, invoice items: each takes the code."""
    made = await code(api)
    subscription = await api.seats(5)
    path = f"/v1/subscriptions/{subscription['id']}"
    edit = {"id": first_item(subscription)["id"], "quantity": 5, **use(made)}
    preview = {"subscription": subscription["id"], **use(made)}
    assert (await api.post("/v1/invoices/create_preview", preview))["total"] == 9000
    assert len((await api.post(path, use(made)))["discounts"]) == 1
    assert len(first_item(await api.post(path, {"items": [edit]}))["discounts"]) == 1
    item = {"customer": subscription["customer"], "amount": 100, "currency": "usd", **use(made)}
    assert len((await api.post("/v1/invoiceitems", item))["discounts"]) == 1
    assert (await api.get(f"/v1/promotion_codes/{made['id']}"))["times_redeemed"] == 3


async def refused(api: Api, made: JSON, now: int = NOVEMBER) -> JSON:
    """The refusal of a new subscription with the code; nothing is left behind."""
    who = await api.frozen_customer(now)
    items = [{"price": await api.price(2000), "quantity": 1}]
    order = {"customer": who["id"], "items": items, **use(made)}
    error: JSON = (await api.post("/v1/subscriptions", order, status=400))["error"]
    assert (await api.get("/v1/subscriptions", {"customer": who["id"]}))["data"] == []
    return error


async def test_an_inactive_code_is_refused(api: Api) -> None:
    """Switched off by hand; switched on again it works."""
    made = await code(api)
    await api.post(f"/v1/promotion_codes/{made['id']}", {"active": False})
    await refused(api, made)
    await api.post(f"/v1/promotion_codes/{made['id']}", {"active": True})
    assert len((await api.seats(**use(made)))["discounts"]) == 1


async def test_a_code_ends_by_its_date(api: Api) -> None:
    """After `expires_at` it is refused, in the customer's time: a test clock may be ahead of the account."""
    now = (await api.control("clock", method="GET"))["now"]
    made = await code(api, expires_at=now + 60)
    assert (await refused(api, made, now + 90))["code"] == "coupon_expired"


async def test_a_code_ends_by_its_redemptions(api: Api) -> None:
    """The last redemption makes it inactive; it cannot be activated again."""
    made = await code(api, max_redemptions=1)
    await api.seats(**use(made))
    assert (await api.get(f"/v1/promotion_codes/{made['id']}"))["active"] is False
    await refused(api, made)
    await api.post(f"/v1/promotion_codes/{made['id']}", {"active": True}, status=400)


async def test_a_code_ends_with_its_coupon(api: Api) -> None:
    """A deleted coupon takes its codes with it."""
    made = await code(api)
    await api.delete(f"/v1/coupons/{made['promotion']['coupon']}")
    assert (await api.get(f"/v1/promotion_codes/{made['id']}"))["active"] is False
    await refused(api, made)


async def test_a_code_for_new_customers(api: Api) -> None:
    """An open invoice is a prior transaction, too (stripe-node issue 2349, with this text)."""
    made = await code(api, restrictions={"first_time_transaction": True})
    subscription = await api.seats(**use(made))
    assert len(subscription["discounts"]) == 1
    again = {"customer": subscription["customer"], "items": [{"price": await api.price(999)}], **use(made)}
    error = (await api.post("/v1/subscriptions", again, status=400))["error"]
    assert error["message"] == (
        "This promotion code cannot be redeemed because the associated customer has prior transactions."
    )


async def test_a_code_for_one_customer(api: Api) -> None:
    """Another customer is refused."""
    owner = await api.frozen_customer()
    made = await code(api, customer=owner["id"])
    await refused(api, made)
    subscription = await api.subscribe(owner, (await api.price(2000), 1), **use(made))
    assert len(subscription["discounts"]) == 1


async def test_a_code_with_a_minimum(api: Api) -> None:
    """The minimum counts what is bought for a period, before discounts, in its currency."""
    least = {"minimum_amount": 5000, "minimum_amount_currency": "usd"}
    made = await code(api, restrictions={**least, "currency_options": {"eur": {"minimum_amount": 700}}})
    await refused(api, made)
    assert len((await api.seats(3, **use(made)))["discounts"]) == 1
    euros = (await api.price(800, currency="eur"), 1)
    assert len((await api.subscribe(await api.frozen_customer(), euros, **use(made)))["discounts"]) == 1


async def test_one_active_code_of_a_name(api: Api) -> None:
    """Regardless of case; an inactive one gives its name free. A missing name is made up."""
    made = await code(api, code="Spring")
    promotion = {"type": "coupon", "coupon": made["promotion"]["coupon"]}
    again = {"promotion": promotion, "code": "SPRING"}
    await api.post("/v1/promotion_codes", again, status=400)
    await api.post(f"/v1/promotion_codes/{made['id']}", {"active": False})
    other = await api.post("/v1/promotion_codes", again)
    found = (await api.get("/v1/promotion_codes", {"code": "spring", "active": True}))["data"]
    assert [c["id"] for c in found] == [other["id"]]
    assert (await api.post("/v1/promotion_codes", {"promotion": promotion}))["code"]


@pytest.mark.parametrize(
    "params",
    [
        {"code": "ten percent"},
        {"max_redemptions": 6},
        {"expires_at": NOVEMBER},
        {"expires_at": 4102444801},
        {"restrictions": {"minimum_amount": 5}},
        {"promotion": {"type": "coupon", "coupon": "none"}},
        {"promotion": {"type": "coupon"}},
    ],
)
async def test_codes_that_stripe_refuses(api: Api, params: JSON) -> None:
    """Characters, and limits beyond the coupon's (SDK `PromotionCodeCreateParams`)."""
    limits = {"percent_off": 5, "max_redemptions": 5, "redeem_by": 4102444800}
    made = await api.post("/v1/coupons", limits)
    promotion = {"type": "coupon", "coupon": made["id"]}
    await api.post("/v1/promotion_codes", {"promotion": promotion, **params}, status=400)


async def test_an_unknown_code_is_refused(api: Api) -> None:
    """400 `resource_missing`."""
    who = await api.frozen_customer()
    order = {"customer": who["id"], "items": [{"price": await api.price(2000)}]}
    error = await api.post("/v1/subscriptions", {**order, **use({"id": "promo_no"})}, status=400)
    assert error["error"]["code"] == "resource_missing"
