"""What a preview may be asked beside items: other lines, other people, the end of the subscription."""

from __future__ import annotations

from typing import Any

import pytest

from tests.twin.api import JSON, MID_NOVEMBER, NOVEMBER, Api, amounts, first_item
from tests.twin.schedules import DAY, DECEMBER, advance


async def preview(api: Api, *, status: int = 200, **params: Any) -> JSON:
    """One preview."""
    return await api.post("/v1/invoices/create_preview", params, status=status)


async def test_added_invoice_items(api: Api) -> None:
    """New ones ride along, waiting ones may be changed; the account keeps what it has."""
    subscription = await api.seats()
    item = {"customer": subscription["customer"], "amount": 700, "currency": "usd"}
    waiting = await api.post("/v1/invoiceitems", item)
    added = [{"amount": 300, "currency": "usd"}, {"invoiceitem": waiting["id"], "amount": 50}]
    seen = await preview(api, subscription=subscription["id"], invoice_items=added)
    assert sorted(amounts(seen)) == [50, 300, 10000]
    assert amounts(await preview(api, subscription=subscription["id"])) == [700, 10000]
    wrong = [{"amount": 300, "currency": "eur"}]
    await preview(api, subscription=subscription["id"], invoice_items=wrong, status=400)


async def test_a_price_for_somebody_unknown(api: Api) -> None:
    """`customer_details` stand for a customer; nobody is made."""
    details = {"items": [{"price": await api.price(2000), "quantity": 2}]}
    address = {"address": {"country": "DE", "postal_code": "10115"}}
    seen = await preview(api, customer_details=address, subscription_details=details)
    assert (seen["total"], seen["customer"]) == (4000, None)
    assert (await api.get("/v1/customers"))["data"] == []
    await preview(api, subscription_details=details, status=400)


async def test_the_customer_s_next_invoice(api: Api) -> None:
    """Without a subscription it is that of the one that renews first."""
    customer = await api.frozen_customer()
    await preview(api, customer=customer["id"], status=404)
    await api.subscribe(customer, (await api.price(50000, "year"), 1))
    await api.subscribe(customer, (await api.price(2000), 3))
    assert amounts(await preview(api, customer=customer["id"])) == [6000]


async def test_the_end_at_once(api: Api) -> None:
    """`cancel_now` shows the last invoice: the unused time comes back."""
    subscription = await api.seats()
    await advance(api, subscription["test_clock"], MID_NOVEMBER)
    seen = await preview(api, subscription=subscription["id"], subscription_details={"cancel_now": True})
    assert (amounts(seen), seen["amount_due"]) == ([-4833], 0)
    none = {"cancel_now": True, "proration_behavior": "none"}
    await preview(api, subscription=subscription["id"], subscription_details=none, status=404)


async def test_the_end_with_the_period(api: Api) -> None:
    """`cancel_at` at the end of the period leaves no next invoice."""
    subscription = await api.seats()
    details = {"cancel_at": "min_period_end"}
    await preview(api, subscription=subscription["id"], subscription_details=details, status=404)
    assert (await api.get(f"/v1/subscriptions/{subscription['id']}"))["cancel_at"] is None


async def test_a_trial_moves_the_next_invoice(api: Api) -> None:
    """`trial_end` puts the next full period behind the trial."""
    subscription = await api.seats()
    details = {"trial_end": DECEMBER + 10 * DAY, "proration_behavior": "none"}
    seen = await preview(api, subscription=subscription["id"], subscription_details=details)
    last = seen["lines"]["data"][-1]
    assert (last["amount"], last["period"]["start"]) == (10000, DECEMBER + 10 * DAY)


async def test_discounts_of_a_preview(api: Api) -> None:
    """A list replaces what is in force, an empty value leaves all of it out."""
    half = await api.post("/v1/coupons", {"percent_off": 50, "duration": "forever"})
    tenth = await api.post("/v1/coupons", {"percent_off": 10, "duration": "forever"})
    subscription = await api.seats(discounts=[{"coupon": half["id"]}])
    asked: list[JSON] = [{}, {"discounts": [{"coupon": tenth["id"]}]}, {"discounts": ""}]
    totals = [(await preview(api, subscription=subscription["id"], **extra))["total"] for extra in asked]
    assert totals == [5000, 9000, 10000]
    assert (await api.get(f"/v1/coupons/{tenth['id']}"))["times_redeemed"] == 0


async def test_recurring_mode_leaves_out_a_coupon_that_ends(api: Api) -> None:
    """What is given for some months only is no part of what repeats."""
    months = {"percent_off": 50, "duration": "repeating", "duration_in_months": 3}
    coupon = await api.post("/v1/coupons", months)
    subscription = await api.seats(discounts=[{"coupon": coupon["id"]}])
    seen = await preview(api, subscription=subscription["id"], preview_mode="recurring")
    assert seen["total"] == 10000


async def test_an_anchor_of_a_previewed_creation(api: Api) -> None:
    """A future `timestamp` cuts the first period; it is for new subscriptions only."""
    customer = await api.frozen_customer()
    anchor = {"billing_cycle_anchor": {"type": "timestamp", "timestamp": NOVEMBER + 15 * DAY}}
    details = {"items": [{"price": await api.price(2000), "quantity": 1}], **anchor}
    seen = await preview(api, customer=customer["id"], subscription_details=details)
    assert amounts(seen) == [1000]
    subscription = await api.seats()
    await preview(api, subscription=subscription["id"], subscription_details=anchor, status=400)


@pytest.mark.parametrize("wrong", [{"currency": "eur"}, {"automatic_tax": {"enabled": True}}])
async def test_what_the_account_cannot_do(api: Api, wrong: JSON) -> None:
    """Another currency than the prices', and a tax service that is not switched on."""
    subscription = await api.seats()
    await preview(api, subscription=subscription["id"], **wrong, status=400)
    fine: JSON = {"currency": "usd", "automatic_tax": {"enabled": False}}
    assert amounts(await preview(api, subscription=subscription["id"], **fine)) == [10000]


async def test_a_preview_is_kept_for_72_hours(api: Api) -> None:
    """Then its id means nothing any more."""
    subscription = await api.seats()
    seen = await preview(api, subscription=subscription["id"])
    await advance(api, subscription["test_clock"], NOVEMBER + 72 * 3600 - 1)
    assert (await api.get(f"/v1/invoices/{seen['id']}"))["id"] == seen["id"]
    await advance(api, subscription["test_clock"], NOVEMBER + 72 * 3600)
    await api.get(f"/v1/invoices/{seen['id']}", status=404)


async def test_an_ended_subscription_has_no_next_invoice(api: Api) -> None:
    """404 `invoice_upcoming_none`."""
    subscription = await api.seats()
    await api.delete(f"/v1/subscriptions/{subscription['id']}")
    error = (await preview(api, subscription=subscription["id"], status=404))["error"]
    assert error["code"] == "invoice_upcoming_none"


async def test_a_preview_does_not_touch_the_item_it_is_about(api: Api) -> None:
    """Swapping the price in a preview leaves the item and the balance alone."""
    subscription = await api.seats()
    item = first_item(subscription)
    details = {
        "items": [{"id": item["id"], "price": await api.price(100), "quantity": 1}],
        "proration_behavior": "always_invoice",
    }
    seen = await preview(api, subscription=subscription["id"], subscription_details=details)
    assert seen["total"] < 0
    assert await api.get(f"/v1/subscription_items/{item['id']}") == item
    assert (await api.get(f"/v1/customers/{subscription['customer']}"))["balance"] == 0


async def test_a_pause_and_its_end(api: Api) -> None:
    """`pause` shows the credit of an invoiced pause, `resume_at` the first invoice afterwards."""
    subscription = await api.seats()
    path = f"/v1/subscriptions/{subscription['id']}"
    await advance(api, subscription["test_clock"], MID_NOVEMBER)
    details: JSON = {"pause": {"type": "subscription", "invoicing_behavior": "invoice"}}
    seen = await preview(api, subscription=subscription["id"], subscription_details=details)
    assert amounts(seen) == [-4833]
    await api.post(f"{path}/pause", {"type": "subscription", "invoicing_behavior": "pending_invoice_item"})
    await preview(api, subscription=subscription["id"], status=404)
    details = {"resume_at": "now"}
    seen = await preview(api, subscription=subscription["id"], subscription_details=details)
    await api.post(f"{path}/resume", {"payment_behavior": "resume_on_payment_attempt"})
    came = (await api.get(path, {"expand": ["latest_invoice"]}))["latest_invoice"]
    assert (amounts(seen), seen["total"]) == (amounts(came), came["total"])
