"""What a subscription's items may be.

Sources: Stripe docs "Set product or subscription quantities", the SDK's texts of `items` (up to 20) and of
the creation of subscriptions (500 for a customer); recorded refusals; `currency` is fixed for life.
"""

from __future__ import annotations

from tests.twin.api import MONTH, NOVEMBER, Api, amounts, first_item


async def test_twenty_items_at_most(api: Api) -> None:
    """Twenty are fine, on creation and by updates; one more is refused."""
    customer = await api.frozen_customer()
    prices = [await api.price(1000 + n) for n in range(21)]
    many = [{"price": p} for p in prices]
    await api.post("/v1/subscriptions", {"customer": customer["id"], "items": many}, status=400)
    subscription = await api.subscribe(customer, *((p, 1) for p in prices[:20]))
    path = f"/v1/subscriptions/{subscription['id']}"
    await api.post(path, {"items": [{"price": prices[20]}]}, status=400)
    swap = [{"id": first_item(subscription)["id"], "deleted": True}, {"price": prices[20]}]
    assert (await api.post(path, {"items": swap}))["items"]["total_count"] == 20


async def test_one_price_once(api: Api) -> None:
    """Unless the item that has it goes in the same call."""
    subscription = await api.seats()
    price, path = await api.price(2000), f"/v1/subscriptions/{subscription['id']}"
    await api.post(path, {"items": [{"price": price}]}, status=400)
    swap = [{"id": first_item(subscription)["id"], "deleted": True}, {"price": price, "quantity": 2}]
    changed = await api.post(path, {"items": swap})
    assert (changed["items"]["total_count"], first_item(changed)["quantity"]) == (1, 2)
    assert first_item(changed)["id"] != first_item(subscription)["id"]


async def test_a_retired_price_stays_on_its_items(api: Api) -> None:
    """It renews and takes quantities; new items cannot have it."""
    subscription = await api.seats()
    price, item = await api.price(2000), first_item(subscription)["id"]
    await api.post(f"/v1/prices/{price}", {"active": False})
    same = {"id": item, "price": price, "quantity": 6}
    changed = await api.change(subscription, same, proration_behavior="none")
    assert first_item(changed)["quantity"] == 6
    clock = f"/v1/test_helpers/test_clocks/{subscription['test_clock']}/advance"
    await api.post(clock, {"frozen_time": NOVEMBER + MONTH + 3600})
    renewed = await api.get(f"/v1/subscriptions/{subscription['id']}", {"expand": ["latest_invoice"]})
    assert amounts(renewed["latest_invoice"]) == [12000]
    other = {"customer": subscription["customer"], "items": [{"price": price}]}
    await api.post("/v1/subscriptions", other, status=400)


async def test_the_currency_is_fixed(api: Api) -> None:
    """Not even all items together can move to another one, and neither can the customer."""
    subscription = await api.seats()
    euro = await api.price(2000, currency="eur")
    swap = {"items": [{"id": first_item(subscription)["id"], "price": euro, "quantity": 5}]}
    error = (await api.post(f"/v1/subscriptions/{subscription['id']}", swap, status=400))["error"]
    assert "expected currency: `usd`" in error["message"]
    other = {"customer": subscription["customer"], "items": [{"price": euro}]}
    error = (await api.post("/v1/subscriptions", other, status=400))["error"]
    assert "combine currencies" in error["message"]


async def test_five_hundred_subscriptions_for_a_customer(api: Api) -> None:
    """The next is refused until one has ended."""
    customer = await api.customer()
    params = {"customer": customer["id"], "items": [{"price": await api.price(0)}]}
    made = [await api.post("/v1/subscriptions", params) for _ in range(500)]
    error = (await api.post("/v1/subscriptions", params, status=400))["error"]
    assert error["code"] == "customer_max_subscriptions"
    await api.delete(f"/v1/subscriptions/{made[0]['id']}")
    await api.post("/v1/subscriptions", params)


async def test_nothing_of_something(api: Api) -> None:
    """Zero seats cost nothing, renew at nothing, and can be raised again."""
    subscription = await api.seats(0)
    assert first_item(subscription)["quantity"] == 0
    changed = await api.change(subscription, {"id": first_item(subscription)["id"], "quantity": 2})
    assert changed["latest_invoice"]["total"] == 4000


async def test_an_ended_subscription_cannot_be_migrated(api: Api) -> None:
    """Canceled is the end."""
    subscription = await api.seats(billing_mode={"type": "classic"})
    await api.delete(f"/v1/subscriptions/{subscription['id']}")
    path = f"/v1/subscriptions/{subscription['id']}/migrate"
    await api.post(path, {"billing_mode": {"type": "flexible"}}, status=400)
