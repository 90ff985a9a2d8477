"""A small client for the twin: raw HTTP, so that nothing of the SDK hides a mistake, and builders with
defaults.
"""

from __future__ import annotations

import asyncio
from typing import Any

import aiohttp

from worker.twin import forms

JSON = dict[str, Any]
NOVEMBER = 1793491200  # 2026-11-01T00:00:00Z
MONTH = 2592000  # its 30 days in seconds
MID_NOVEMBER = 1794830400  # 2026-11-16T12:00:00Z


class Api:
    """Requests to one twin. Every call asserts its status, 200 unless told."""

    def __init__(self, base_url: str, session: aiohttp.ClientSession) -> None:
        self.base_url, self.session = base_url, session
        self.headers: dict[str, str] = {}
        self._prices: dict[tuple[Any, ...], str] = {}

    async def call(
        self, method: str, path: str, params: JSON | None = None, *, key: str | None = None, status: int = 200
    ) -> JSON:
        """One request; the answer's headers are kept in `headers`."""
        pairs = forms.flatten(params or {})
        headers = {"Authorization": "Bearer sk_test_twin", **({"Idempotency-Key": key} if key else {})}
        sent: JSON = {"data": aiohttp.FormData(pairs)} if method == "POST" else {"params": pairs}
        async with self.session.request(method, self.base_url + path, headers=headers, **sent) as answer:
            body: JSON = await answer.json(content_type=None)
            assert answer.status == status, body
            self.headers = dict(answer.headers)
            return body

    async def post(self, path: str, params: JSON | None = None, **options: Any) -> JSON:
        """`POST`, with the parameters as a form."""
        return await self.call("POST", path, params, **options)

    async def get(self, path: str, params: JSON | None = None, **options: Any) -> JSON:
        """`GET`, with the parameters in the query."""
        return await self.call("GET", path, params, **options)

    async def delete(self, path: str, params: JSON | None = None, **options: Any) -> JSON:
        """`DELETE`, with the parameters in the query."""
        return await self.call("DELETE", path, params, **options)

    async def control(
        self, path: str, body: JSON | None = None, *, method: str = "POST", status: int = 200
    ) -> Any:
        """The control door: JSON both ways."""
        async with self.session.request(method, f"{self.base_url}/_twin/{path}", json=body) as answer:
            result = await answer.json(content_type=None)
            assert answer.status == status, result
            return result

    async def ledger(self, **wanted: str) -> list[JSON]:
        """Effects whose fields equal `wanted`."""
        query = "&".join(f"{k}={v}" for k, v in wanted.items())
        effects: list[JSON] = (await self.control(f"ledger?{query}", method="GET"))["data"]
        return effects

    async def events(self, **params: Any) -> list[JSON]:
        """Events, newest first."""
        data: list[JSON] = (await self.get("/v1/events", {"limit": 100, **params}))["data"]
        return data

    async def until(self, path: str) -> None:
        """Wait until a list has a member; half a minute at most."""
        for _ in range(3000):
            if (await self.get(path))["data"]:
                return
            await asyncio.sleep(0.01)
        raise AssertionError(f"{path} stayed empty")

    async def price(self, amount: int, interval: str = "month", **extra: Any) -> str:
        """The id of a price of `amount` minor units with a product of its own."""
        name = (amount, interval, repr(extra))
        if name not in self._prices:
            params = {
                "product_data": {"name": f"P{amount}"},
                "currency": "usd",
                "recurring": {"interval": interval},
            }
            amounts = {} if "tiers" in extra or "unit_amount_decimal" in extra else {"unit_amount": amount}
            self._prices[name] = (await self.post("/v1/prices", {**params, **amounts, **extra}))["id"]
        return self._prices[name]

    async def customer(self, card: str | None = "pm_card_visa", **extra: Any) -> JSON:
        """A customer with a default card."""
        if card:
            extra = {"payment_method": card, "invoice_settings": {"default_payment_method": card}, **extra}
        return await self.post("/v1/customers", {"email": "owner@example.com", **extra})

    async def frozen_customer(self, now: int = NOVEMBER, **extra: Any) -> JSON:
        """A customer on a test clock that stands still at `now`."""
        clock = await self.post("/v1/test_helpers/test_clocks", {"frozen_time": now})
        return await self.customer(test_clock=clock["id"], **extra)

    async def subscribe(self, customer: JSON, *items: tuple[str, int], **extra: Any) -> JSON:
        """A subscription with (price, quantity) items."""
        listed = [{"price": price, "quantity": quantity} for price, quantity in items]
        return await self.post("/v1/subscriptions", {"customer": customer["id"], "items": listed, **extra})

    async def seats(self, quantity: int = 5, amount: int = 2000, **extra: Any) -> JSON:
        """A subscription of one item on a customer frozen at the first of November."""
        return await self.subscribe(
            await self.frozen_customer(), (await self.price(amount), quantity), **extra
        )

    async def change(self, subscription: JSON, *items: JSON, key: str | None = None, **extra: Any) -> JSON:
        """An invoiced update with the latest invoice expanded."""
        params = {"items": list(items), "proration_behavior": "always_invoice", "expand": ["latest_invoice"]}
        return await self.post(f"/v1/subscriptions/{subscription['id']}", {**params, **extra}, key=key)

    async def new_card(self, customer_id: str, token: str) -> str:
        """Attach a test card and make it the default."""
        card = (await self.post(f"/v1/payment_methods/{token}/attach", {"customer": customer_id}))["id"]
        await self.post(
            f"/v1/customers/{customer_id}", {"invoice_settings": {"default_payment_method": card}}
        )
        return str(card)

    async def held_change(self, card: str = "pm_card_chargeCustomerFail", **extra: Any) -> JSON:
        """Seats 5 -> 8 held back as a pending update, by a card that does not pay."""
        subscription = await self.seats()
        await self.new_card(subscription["customer"], card)
        item = first_item(subscription)
        return await self.change(
            subscription, {"id": item["id"], "quantity": 8}, payment_behavior="pending_if_incomplete", **extra
        )


def first_item(subscription: JSON) -> JSON:
    """The first subscription item."""
    item: JSON = subscription["items"]["data"][0]
    return item


def amounts(invoice: JSON) -> list[int]:
    """The amounts of an invoice's lines, in order."""
    return [line["amount"] for line in invoice["lines"]["data"]]


def types(events: list[JSON]) -> list[str]:
    """The types of events."""
    return [e["type"] for e in events]
