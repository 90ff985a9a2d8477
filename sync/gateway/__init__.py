"""The only door to Stripe: typed reads, stored writes, translated failures.

Every write carries a key and a body that were committed before the call (`StoredCall`); this module
neither invents keys nor repeats a write whose outcome is unknown.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import msgspec
import stripe

from sync.gateway.failures import Failure, StripeCallFailed, Verdict
from sync.gateway.transport import Answer, Budget, Call, StillWanted, Transport
from sync.stripe_objects import (
    Charge,
    Customer,
    Invoice,
    InvoiceItem,
    Price,
    Product,
    Schedule,
    Subscription,
)

__all__ = [
    "STRIPE_API_VERSION",
    "Answer",
    "Budget",
    "EventPage",
    "Failure",
    "Gateway",
    "ObjectRead",
    "StoredCall",
    "StripeCallFailed",
    "Verdict",
]

T = TypeVar("T")
# What the SDK pins, and so what every object here is decoded as.
STRIPE_API_VERSION: str = stripe.api_version
PAGE = 100
LOOKUP_KEYS_PER_LIST = 10  # Stripe's own limit

_PATHS = {
    "customer": "/v1/customers/{}",
    "subscription": "/v1/subscriptions/{}",
    "invoice": "/v1/invoices/{}",
    "price": "/v1/prices/{}",
    "product": "/v1/products/{}",
}


@dataclass(frozen=True, slots=True)
class StoredCall:
    """A write whose key and body are already committed in table stripe_call."""

    key: str
    step: str
    method: str
    path: str
    params: dict[str, Any]


@dataclass(frozen=True, slots=True)
class ObjectRead:
    """One object as Stripe has it: `body` is JSON, None when Stripe has no such object (any more)."""

    kind: str
    object_id: str
    body: bytes | None
    sent_unix: int
    date_unix: int

    def decode(self, struct: type[T]) -> T:
        """The object, typed. Raises StripeCallFailed (MISSING) where Stripe has none."""
        if self.body is None:
            failure = Failure(Verdict.MISSING, f"there is no {self.kind} {self.object_id}", http_status=404)
            raise StripeCallFailed(failure, f"{self.kind}.retrieve")
        return msgspec.json.decode(self.body, type=struct)


@dataclass(frozen=True, slots=True)
class EventPage:
    """A page of the Events API, newest first, each event as raw JSON."""

    events: list[bytes]
    has_more: bool
    last_id: str | None
    date_unix: int


class Gateway:
    """Reads are typed (`sync.stripe_objects`) and complete: no list in them is cut off."""

    def __init__(self, *, api_key: str, api_base: str | None, budget: Budget) -> None:
        self._transport = Transport(api_key=api_key, api_base=api_base, budget=budget)

    async def close(self) -> None:
        await self._transport.close()

    # ---- time

    def stripe_now(self) -> int:
        """Stripe's clock, in Unix seconds."""
        return self._transport.stripe_now()

    async def billing_now(self, test_clock_id: str | None = None) -> int:
        """The clock that bills this customer: its test clock's frozen time if it has one, else Stripe's."""
        if test_clock_id is None:
            return self.stripe_now()
        path = f"/v1/test_helpers/test_clocks/{test_clock_id}"
        return int((await self._get("test_clock.retrieve", path)).data["frozen_time"])

    # ---- writes

    async def send(self, call: StoredCall, still_wanted: StillWanted | None = None) -> Answer:
        """Send a stored write once (or again, where Stripe did not begin to execute it).

        `still_wanted` is asked right before each send; once it says no, the failure's verdict is REPEAT.
        """
        write = Call(
            f"write.{call.step}", call.method, call.path, call.params, key=call.key, still_wanted=still_wanted
        )
        return await self._transport.send(write)

    # ---- reads that decide about money

    async def subscription(self, subscription_id: str) -> Subscription:
        """A subscription with all its items and its latest invoice expanded."""
        path = _PATHS["subscription"].format(subscription_id)
        answer = await self._get("subscription.retrieve", path, {"expand": ["latest_invoice"]})
        return msgspec.convert(await self._complete("subscription", answer.data, urgent=True), Subscription)

    async def schedule(self, schedule_id: str) -> Schedule:
        """A subscription schedule with its phases."""
        answer = await self._get("schedule.retrieve", f"/v1/subscription_schedules/{schedule_id}")
        return msgspec.convert(answer.data, Schedule)

    async def customer(self, customer_id: str) -> Customer:
        return (await self.read_object("customer", customer_id, urgent=True)).decode(Customer)

    async def customers_by_email(self, email: str) -> list[Customer]:
        """Every customer with exactly this address, newest first; deleted ones are not among them."""
        rows = await self._list("customer.list", "/v1/customers", {"email": email})
        return [msgspec.convert(row, Customer) for row in rows]

    async def invoice(self, invoice_id: str) -> Invoice:
        """An invoice with all its lines and, where a card was tried, its payment intent."""
        answer = await self._get(
            "invoice.retrieve",
            f"/v1/invoices/{invoice_id}",
            {"expand": ["payments.data.payment.payment_intent"]},
        )
        return msgspec.convert(await self._with_all_lines(answer.data, urgent=True), Invoice)

    async def invoices_since(self, subscription_id: str, created_unix: int) -> list[Invoice]:
        """Every invoice of the subscription made since then, void ones too, newest first."""
        params = {"subscription": subscription_id, "created": {"gte": created_unix}}
        rows = await self._list("invoice.list", "/v1/invoices", params)
        return [msgspec.convert(await self._with_all_lines(row, urgent=True), Invoice) for row in rows]

    async def bills_since(self, subscription_id: str, created_unix: int) -> list[Invoice]:
        """The subscription's invoices with the payments behind them; only the first lines of each."""
        params = {
            "subscription": subscription_id,
            "created": {"gte": created_unix},
            "expand": ["data.payments"],
        }
        return msgspec.convert(await self._list("invoice.list", "/v1/invoices", params), list[Invoice])

    async def charges_since(self, customer_id: str, created_unix: int) -> list[Charge]:
        """The customer's charges made since then, newest first."""
        params = {"customer": customer_id, "created": {"gte": created_unix}}
        return msgspec.convert(await self._list("charge.list", "/v1/charges", params), list[Charge])

    async def waiting_items(self, customer_id: str) -> list[InvoiceItem]:
        """The customer's invoice items that no invoice has taken yet, newest first."""
        params = {"customer": customer_id, "pending": True}
        rows = await self._list("invoice_item.list", "/v1/invoiceitems", params)
        return msgspec.convert(rows, list[InvoiceItem])

    async def subscriptions_of(self, customer_id: str) -> list[Subscription]:
        """Every subscription of the customer, ended ones too, newest first."""
        params = {"customer": customer_id, "status": "all"}
        rows = await self._list("subscription.list", "/v1/subscriptions", params)
        return [msgspec.convert(row, Subscription) for row in rows]

    async def preview(self, params: dict[str, Any]) -> Invoice:
        """What Stripe would invoice. A POST without effect and so without a stored key."""
        answer = await self._transport.send(
            Call("invoice.create_preview", "POST", "/v1/invoices/create_preview", params)
        )
        return msgspec.convert(await self._with_all_lines(answer.data, urgent=True), Invoice)

    # ---- reads for the catalog, the mirror and catch-up

    async def prices(self, lookup_keys: Sequence[str]) -> list[Price]:
        """The prices that own these lookup keys; unknown keys are simply absent."""
        found: list[Price] = []
        for start in range(0, len(lookup_keys), LOOKUP_KEYS_PER_LIST):
            keys = list(lookup_keys[start : start + LOOKUP_KEYS_PER_LIST])
            rows = await self._list("price.list", "/v1/prices", {"lookup_keys": keys}, urgent=False)
            found += [msgspec.convert(row, Price) for row in rows]
        return found

    async def catalog_products(self) -> list[Product]:
        """Every active product of the Stripe account."""
        rows = await self._list("product.list", "/v1/products", {"active": True}, urgent=False)
        return [msgspec.convert(row, Product) for row in rows]

    async def read_object(self, kind: str, object_id: str, *, urgent: bool = False) -> ObjectRead:
        """One object by kind (`customer subscription invoice price product`) and id, complete."""
        try:
            answer = await self._get(f"{kind}.retrieve", _PATHS[kind].format(object_id), urgent=urgent)
        except StripeCallFailed as error:
            if error.failure.verdict is not Verdict.MISSING:
                raise
            now = self.stripe_now()
            return ObjectRead(kind, object_id, None, now, now)
        data = await self._complete(kind, answer.data, urgent=urgent)
        return ObjectRead(kind, object_id, msgspec.json.encode(data), answer.sent_unix, answer.date_unix)

    async def list_events(
        self, *, created_gte: int, starting_after: str | None = None, limit: int = PAGE
    ) -> EventPage:
        params: dict[str, Any] = {"created": {"gte": created_gte}, "limit": limit}
        if starting_after:
            params["starting_after"] = starting_after
        answer = await self._get("event.list", "/v1/events", params, urgent=False)
        rows = answer.data["data"]
        return EventPage(
            events=[msgspec.json.encode(row) for row in rows],
            has_more=bool(answer.data["has_more"]),
            last_id=rows[-1]["id"] if rows else None,
            date_unix=answer.date_unix,
        )

    async def schedule_made_under(self, key: str, since_unix: int) -> str | None:
        """The schedule that a request with this idempotency key made, told by the event about it."""
        params = {"type": "subscription_schedule.created", "created": {"gte": since_unix}}
        for event in await self._list("event.list", "/v1/events", params):
            if (event.get("request") or {}).get("idempotency_key") == key:
                return str(event["data"]["object"]["id"])
        return None

    # ---- plumbing

    async def _get(
        self, operation: str, path: str, params: dict[str, Any] | None = None, *, urgent: bool = True
    ) -> Answer:
        return await self._transport.send(Call(operation, "GET", path, params or {}, urgent=urgent))

    async def _list(
        self, operation: str, path: str, params: dict[str, Any], *, urgent: bool = True
    ) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = []
        more = True
        while more:
            cursor = {"starting_after": rows[-1]["id"]} if rows else {}
            page = (await self._get(operation, path, {**params, "limit": PAGE, **cursor}, urgent=urgent)).data
            rows += page["data"]
            more = bool(page["has_more"]) and bool(page["data"])
        return rows

    async def _complete(self, kind: str, data: dict[str, Any], *, urgent: bool) -> dict[str, Any]:
        """Lists inside an object are cut at their first page: fetch the rest, or the mirror would lie."""
        if kind == "invoice":
            return await self._with_all_lines(data, urgent=urgent)
        if kind == "subscription" and data["items"]["has_more"]:
            items = await self._list(
                "subscription_item.list",
                "/v1/subscription_items",
                {"subscription": data["id"]},
                urgent=urgent,
            )
            return {**data, "items": {**data["items"], "data": items, "has_more": False}}
        return data

    async def _with_all_lines(self, data: dict[str, Any], *, urgent: bool) -> dict[str, Any]:
        if not data["lines"]["has_more"]:
            return data
        path = f"/v1/invoices/{data['id']}/lines"
        lines = await self._list("invoice_line.list", path, {}, urgent=urgent)
        return {**data, "lines": {**data["lines"], "data": lines, "has_more": False}}
