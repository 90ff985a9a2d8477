"""Stripe's limits for one subscription, when the account enforces them (docs "Rate limits")."""

from __future__ import annotations

from tests.twin.api import JSON, Api, first_item

DAY = 86400


async def limited(api: Api) -> JSON:
    """A subscription of an account that counts from now on."""
    subscription = await api.subscribe(await api.customer(), (await api.price(2000), 1))
    await api.control("account", {"enforce_subscription_limits": True})
    return subscription


async def seats(
    api: Api, subscription: JSON, quantity: int, behavior: str = "none", status: int = 200
) -> JSON:
    """Set the quantity."""
    entry = {"id": first_item(subscription)["id"], "quantity": quantity}
    params = {"items": [entry], "proration_behavior": behavior}
    return await api.post(f"/v1/subscriptions/{subscription['id']}", params, status=status)


async def test_twenty_invoices_a_day(api: Api) -> None:
    """Ten in one minute and ten in another; the next is refused until a day has passed since the first."""
    subscription = await limited(api)
    for quantity in range(2, 22):
        if quantity == 12:
            await api.control("clock", {"advance_seconds": 61})
        await seats(api, subscription, quantity, "always_invoice")
    await api.control("clock", {"advance_seconds": 3600})
    refused = await seats(api, subscription, 30, "always_invoice", status=429)
    assert refused["error"]["code"] == "rate_limit"
    assert api.headers["Stripe-Rate-Limited-Reason"] == "resource-specific"
    assert api.headers["Stripe-Should-Retry"] == "false"
    await seats(api, subscription, 30)
    await api.control("clock", {"advance_seconds": DAY})
    await seats(api, subscription, 31, "always_invoice")


async def test_two_hundred_quantity_updates_an_hour(api: Api) -> None:
    """The next one is refused and changes nothing; what leaves the quantity alone is not counted."""
    subscription = await limited(api)
    for quantity in range(2, 202):
        await seats(api, subscription, quantity)
    await seats(api, subscription, 500, status=429)
    assert api.headers["Stripe-Rate-Limited-Reason"] == "resource-specific"
    path = f"/v1/subscriptions/{subscription['id']}"
    assert first_item(await api.post(path, {"metadata": {"a": "b"}}))["quantity"] == 201
    other = await api.subscribe(await api.customer(), (await api.price(2000), 1))
    await seats(api, other, 5)
    await api.control("clock", {"advance_seconds": 3601})
    assert first_item(await seats(api, subscription, 500))["quantity"] == 500
