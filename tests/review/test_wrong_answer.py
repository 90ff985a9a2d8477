"""Amounts and words that are not true, and guards that do not guard."""

from __future__ import annotations

import asyncio

from tests.flows.world import ADMIN, MARKETING
from tests.review.conftest import Hands


async def test_demoted_admin_cannot_confirm(mid: Hands) -> None:
    """S4: the actor is the primary admin when the intent is committed, not only when the request came."""
    quote = await mid.world.quote({"seats": 8})
    await mid.fault(method="POST", path="/v1/invoices/create_preview", slow_seconds=1.0)
    confirming = asyncio.create_task(
        mid.world.call("POST", f"/v1/quotes/{quote['id']}/confirm?wait=0", {"actor": ADMIN})
    )
    await asyncio.sleep(0.4)
    await mid.world.call(
        "PUT", "/v1/accounts/acme/primary-admin", {"user_id": "bob", "email": "bob@acme.example"}
    )
    said = await confirming
    assert 403 == said.status, said.body


async def test_linked_customer_is_not_sold_a_second_subscription(hands: Hands) -> None:
    """A linked customer that already pays a subscription of our catalog must be adopted, not sold to again."""
    await hands.world.sell(MARKETING)
    made = await hands.world.stripe("POST", "/v1/customers", payment_method="pm_card_visa")
    customer = made["id"]
    [method] = (await hands.world.stripe("GET", f"/v1/customers/{customer}/payment_methods"))["data"]
    default = {"invoice_settings[default_payment_method]": method["id"]}
    await hands.world.stripe("POST", f"/v1/customers/{customer}", **default)
    prices = (await hands.world.stripe("GET", "/v1/prices"))["data"]
    items = {f"items[{place}][price]": price["id"] for place, price in enumerate(prices)}
    await hands.world.stripe("POST", "/v1/subscriptions", customer=customer, **items)
    body = {
        "account_id": "acme", "email": "b@acme.example", "name": "Acme", "locale": "en", "currency": "usd",
        "primary_admin": {"user_id": ADMIN, "email": "ada@acme.example"}, "stripe_customer_id": customer,
    }  # fmt: skip
    said = await hands.world.call("POST", "/v1/accounts", body)
    if said.status != 200:
        return
    quote = await hands.world.quote(MARKETING.to_json())
    if quote["refusals"]:
        return
    await hands.step(await hands.confirm(quote))
    alive = (await hands.world.stripe("GET", "/v1/subscriptions", customer=customer, status="active"))["data"]
    assert 1 == len(alive)
