"""The only door to Stripe: typed reads, stored writes, translated failures.

Every write carries a key and a body that were committed before the call (`StoredCall`); this module
neither invents keys nor repeats a write whose outcome is unknown.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import stripe

from sync import failpoints
from sync.gateway.failures import Failure, StripeCallFailed, Verdict
from sync.gateway.shapes import PATHS, EventPage, ObjectPage, ObjectRead, StoredCall, path_of
from sync.gateway.transport import Answer, Budget, Call, StillWanted, Transport, always_open
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
    "ObjectPage",
    "ObjectRead",
    "StoredCall",
    "StripeCallFailed",
    "Verdict",
]

# What the SDK pins, and so what every object here is decoded as.
STRIPE_API_VERSION: str = stripe.api_version
PAGE = 100
LOOKUP_KEYS_PER_LIST = 10  # Stripe's own limit


class Gateway:
    """Reads are typed (`sync.stripe_objects`) and complete: no list in them is cut off."""

    def __init__(
        self, *, api_key: str, api_base: str | None, budget: Budget, gate: StillWanted = always_open
    ) -> None:
        self._transport = Transport(api_key=api_key, api_base=api_base, budget=budget, gate=gate)

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

        Right before each send `still_wanted` is asked, or else the stop switch; a no is a REPEAT failure.
        """
        name = f"write.{call.step}"
        write = Call(name, call.method, call.path, call.params, key=call.key, still_wanted=still_wanted)
        with failpoints.around_call(call.step):
            return await self._transport.send(write)

    # ---- reads that decide about money

    async def subscription(self, subscription_id: str) -> Subscription:
        """A subscription with all its items and its latest invoice expanded."""
        path = path_of("subscription", subscription_id)
        answer = await self._get("subscription.retrieve", path, {"expand": ["latest_invoice"]})
        return msgspec.convert(await self._complete("subscription", answer.data, urgent=True), Subscription)

    async def schedule(self, schedule_id: str) -> Schedule:
        """A subscription schedule with its phases."""
        answer = await self._get("schedule.retrieve", path_of("subscription_schedule", schedule_id))
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
            path_of("invoice", invoice_id),
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

    async def payment_method_page(self, customer_id: str, *, locale: str, return_url: str | None) -> str:
        """A link to Stripe's page for the payment method. It changes nothing, so it needs no stored key."""
        params: dict[str, Any] = {
            "customer": customer_id,
            "locale": locale,
            "flow_data": {"type": "payment_method_update"},
        }
        if return_url is not None:
            params["return_url"] = return_url
        call = Call("billing_portal_session.create", "POST", "/v1/billing_portal/sessions", params)
        return str((await self._transport.send(call)).data["url"])

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
        """One object by kind (Stripe's own `object`, a key of `PATHS`) and id, complete."""
        try:
            answer = await self._get(f"{kind}.retrieve", path_of(kind, object_id), urgent=urgent)
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
        cursor = {"starting_after": starting_after} if starting_after else {}
        params = {"created": {"gte": created_gte}, "limit": limit, **cursor}
        answer = await self._get("event.list", "/v1/events", params, urgent=False)
        rows = answer.data["data"]
        return EventPage(
            events=[msgspec.json.encode(row) for row in rows],
            has_more=bool(answer.data["has_more"]),
            last_id=rows[-1]["id"] if rows else None,
            date_unix=answer.date_unix,
        )

    async def list_objects(
        self, kind: str, params: Mapping[str, Any], *, starting_after: str | None = None
    ) -> ObjectPage:
        """A page of 100 whole objects of a kind (a key of `PATHS`), newest first; reads in the background."""
        cursor = {"starting_after": starting_after} if starting_after else {}
        path = PATHS[kind].removesuffix("/{}")
        answer = await self._get(f"{kind}.list", path, {**params, "limit": PAGE, **cursor}, urgent=False)
        if answer.data["has_more"] and not answer.data["data"]:
            failure = Failure(Verdict.UNKNOWN, f"the list of {kind}s goes on, but shows nothing.")
            raise StripeCallFailed(failure, f"{kind}.list")
        reads = []
        for row in answer.data["data"]:
            whole = await self._complete(kind, row, urgent=False)
            # What had to be completed was read until now.
            until_unix = answer.date_unix if whole is row else max(answer.date_unix, self.stripe_now())
            body = msgspec.json.encode(whole)
            reads.append(ObjectRead(kind, row["id"], body, answer.sent_unix, until_unix))
        last_id = reads[-1].object_id if reads else None
        return ObjectPage(reads, bool(answer.data["has_more"]), last_id, answer.sent_unix, answer.date_unix)

    async def portals_that_change_plans(self) -> list[str]:
        """The active configurations of the customer portal in which customers may change subscriptions."""
        rows = await self._list(
            "portal_configuration.list", "/v1/billing_portal/configurations", {"active": True}, urgent=False
        )
        return [row["id"] for row in rows if row["features"]["subscription_update"]["enabled"]]

    async def schedule_made_under(self, key: str, since_unix: int) -> str | None:
        """The schedule that a request with this idempotency key made, told by the event about it."""
        params = {"type": "subscription_schedule.created", "created": {"gte": since_unix}}
        for event in await self._list("event.list", "/v1/events", params):
            if (event.get("request") or {}).get("idempotency_key") == key:
                return str(event["data"]["object"]["id"])
        return None

    async def key_that_made(self, schedule_id: str, created_unix: int) -> str | None:
        """The idempotency key of the request that made a schedule; None for one made in the dashboard."""
        params = {"type": "subscription_schedule.created", "created": {"gte": created_unix - 60}}
        for event in await self._list("event.list", "/v1/events", params):
            if event["data"]["object"]["id"] == schedule_id:
                return (event.get("request") or {}).get("idempotency_key")
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
