"""The bench on which probes work: the SDK's client at a modest pace, builders, and the cleaning up.

    Session   one run against one Stripe: client, shared prices, the run's mark
    Lab       what one probe gets: its own customers on its own test clocks, deleted at its end

Everything made carries the run's id in its metadata and, where it has one, a name that begins with PREFIX.
Time stands still at the first of January of next year until a probe moves it: that month has 31 days.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import stripe

JSON = dict[str, Any]
PREFIX = "prorata-sandbox"
MARK = "prorata_sandbox"
REQUESTS_PER_SECOND = 15.0  # a sandbox allows 25
CLOCK_SECONDS = 120.0
EVENT_SECONDS = 30.0
DAY = 86400
MONTH = 31 * DAY
GOOD, DECLINES, ASKS = "pm_card_visa", "pm_card_chargeCustomerFail", "pm_card_authenticationRequired"


def start_of_next_year() -> int:
    """Midnight UTC of the coming first of January, in Unix seconds."""
    return int(datetime(datetime.now(UTC).year + 1, 1, 1, tzinfo=UTC).timestamp())


class _Paced(stripe.AIOHTTPClient):
    """Requests begin at least `gap` seconds apart."""

    def __init__(self, gap: float) -> None:
        super().__init__(timeout=60)
        self._gap, self._next = gap, 0.0

    async def request_async(self, *args: Any, **kwargs: Any) -> Any:
        now = asyncio.get_running_loop().time()
        wait, self._next = self._next - now, max(now, self._next) + self._gap
        if wait > 0:
            await asyncio.sleep(wait)
        return await super().request_async(*args, **kwargs)


class Session:
    """One run. `base` None is Stripe itself; a stand-in is not paced and its clocks are polled quickly."""

    def __init__(self, key: str, base: str | None, run: str) -> None:
        self.key, self.run, self.at = key, run, start_of_next_year()
        self.is_local = base is not None and "//127.0.0.1" in base
        self._http = _Paced(0.0 if self.is_local else 1 / REQUESTS_PER_SECOND)
        addresses: Any = {"api": base} if base else {}
        self.client = stripe.StripeClient(
            key, base_addresses=addresses, http_client=self._http, max_network_retries=3
        )
        self.v1 = self.client.v1
        self.poll_seconds = 0.02 if self.is_local else 1.0
        self._product: str | None = None
        self._prices: dict[str, str] = {}

    @property
    def mark(self) -> JSON:
        """The metadata of everything that is made."""
        return {MARK: self.run}

    async def product(self) -> str:
        """The run's one product."""
        if self._product is None:
            params: Any = {"name": f"{PREFIX} {self.run}", "metadata": self.mark}
            self._product = (await self.v1.products.create_async(params)).id
        return self._product

    async def price(self, amount: int, interval: str = "month", **extra: Any) -> str:
        """The id of a price of `amount` minor units, made once a run."""
        name = f"{amount} {interval} {extra!r}"
        if name not in self._prices:
            params: JSON = {"product": await self.product(), "currency": "usd", "metadata": self.mark}
            if interval != "once":
                params["recurring"] = {"interval": interval}
            if "tiers" not in extra:
                params["unit_amount"] = amount
            created = await self.v1.prices.create_async({**params, **extra})  # type: ignore[typeddict-item]
            self._prices[name] = created.id
        return self._prices[name]

    async def close(self) -> None:
        """Archive prices and the product (Stripe cannot delete used ones) and hang up."""
        for price in self._prices.values():
            with suppress(stripe.StripeError):
                await self.v1.prices.update_async(price, {"active": False})
        if self._product is not None:
            with suppress(stripe.StripeError):
                await self.v1.products.update_async(self._product, {"active": False})
        await self._http.close_async()


class Lab:
    """What one probe works with. Objects are plain dicts; times are relative to `at`."""

    def __init__(self, session: Session, name: str) -> None:
        self.session, self.v1, self.client, self.name = session, session.v1, session.client, name
        self.at, self.price, self.mark = session.at, session.price, session.mark
        self._clocks: list[str] = []
        self._coupons: list[str] = []
        self._tax_rates: list[str] = []

    def key(self, name: str = "") -> str:
        """An idempotency key of this run and probe."""
        return f"{PREFIX}:{self.session.run}:{self.name}:{name}"

    async def customer(self, card: str | None = GOOD, *, clock: str = "", **extra: Any) -> JSON:
        """A customer with a default card, on a test clock that stands at `at`."""
        clock = clock or await self.clock()
        params: JSON = {"name": f"{PREFIX} {self.name}", "test_clock": clock, "metadata": self.mark}
        if card:
            params |= {"payment_method": card, "invoice_settings": {"default_payment_method": card}}
        return (await self.v1.customers.create_async({**params, **extra})).to_dict()  # type: ignore[typeddict-item]

    async def clock(self) -> str:
        """A test clock at `at`; it and its customers are deleted when the probe ends."""
        params: Any = {"frozen_time": self.at, "name": f"{PREFIX} {self.session.run}"}
        made = await self.v1.test_helpers.test_clocks.create_async(params)
        self._clocks.append(made.id)
        return made.id

    async def new_card(self, customer: str, token: str) -> str:
        """Attach a test card and make it the customer's default."""
        card = (await self.v1.payment_methods.attach_async(token, {"customer": customer})).id
        settings: Any = {"invoice_settings": {"default_payment_method": card}}
        await self.v1.customers.update_async(customer, settings)
        return card

    async def coupon(self, percent: int = 20, duration: str = "forever") -> str:
        """A percentage coupon."""
        params: Any = {"percent_off": percent, "duration": duration, "metadata": self.mark}
        self._coupons.append((await self.v1.coupons.create_async(params)).id)
        return self._coupons[-1]

    async def tax_rate(self, percent: int = 10) -> str:
        """An exclusive tax rate."""
        params: Any = {
            "display_name": PREFIX,
            "percentage": percent,
            "inclusive": False,
            "metadata": self.mark,
        }
        self._tax_rates.append((await self.v1.tax_rates.create_async(params)).id)
        return self._tax_rates[-1]

    async def subscribe(self, customer: JSON, items: list[JSON], **extra: Any) -> JSON:
        """A subscription, with the latest invoice expanded."""
        params: Any = {"customer": customer["id"], "items": items, "metadata": self.mark}
        params |= {"expand": ["latest_invoice"], **extra}
        return (await self.v1.subscriptions.create_async(params)).to_dict()

    async def seats(self, quantity: int = 5, amount: int = 2000, **extra: Any) -> JSON:
        """A new customer's subscription to one item."""
        item = {"price": await self.price(amount), "quantity": quantity}
        return await self.subscribe(await self.customer(), [item], **extra)

    async def update(self, subscription: JSON, items: list[JSON], **extra: Any) -> JSON:
        """An invoiced update of the items, with the latest invoice expanded."""
        options = {"idempotency_key": extra.pop("key")} if "key" in extra else {}
        params: Any = {"proration_behavior": "always_invoice", "expand": ["latest_invoice"], **extra}
        if items:
            params["items"] = items
        done = await self.v1.subscriptions.update_async(subscription["id"], params, options)  # type: ignore[arg-type]
        return done.to_dict()

    async def quantity(self, subscription: JSON, quantity: int, **extra: Any) -> JSON:
        """An update of the first item's quantity."""
        return await self.update(subscription, [{"id": item_id(subscription), "quantity": quantity}], **extra)

    async def held(self, quantity: int = 8, card: str = DECLINES, **extra: Any) -> JSON:
        """Seats 5 -> `quantity` held back as a pending update by a card that does not pay."""
        subscription = await self.seats()
        await self.new_card(subscription["customer"], card)
        return await self.quantity(subscription, quantity, payment_behavior="pending_if_incomplete", **extra)

    async def preview(self, subscription: JSON, items: list[JSON], *, mode: str = "", **details: Any) -> JSON:
        """What an update would be billed as."""
        params: JSON = {"subscription": subscription["id"]}
        params["subscription_details"] = {"proration_behavior": "always_invoice", **details}
        if items:
            params["subscription_details"]["items"] = items
        if mode:
            params["preview_mode"] = mode
        return (await self.v1.invoices.create_preview_async(params)).to_dict()  # type: ignore[arg-type]

    async def now(self, subscription: JSON, *expand: str) -> JSON:
        """The subscription as it is now, with its latest invoice."""
        params: Any = {"expand": ["latest_invoice", *expand]}
        return (await self.v1.subscriptions.retrieve_async(subscription["id"], params)).to_dict()

    async def invoice(self, invoice_id: str) -> JSON:
        """An invoice."""
        return (await self.v1.invoices.retrieve_async(invoice_id)).to_dict()

    async def advance(self, subscription: JSON, seconds: int) -> None:
        """Move the customer's clock to `seconds` after `at`, and wait until everything due has run."""
        clocks, clock = self.v1.test_helpers.test_clocks, subscription["test_clock"]
        await clocks.advance_async(clock, {"frozen_time": self.at + seconds})
        until = time.monotonic() + CLOCK_SECONDS
        while (await clocks.retrieve_async(clock)).status != "ready":
            if time.monotonic() > until:
                raise TimeoutError(f"the test clock was not ready within {CLOCK_SECONDS:.0f} s")
            await asyncio.sleep(self.session.poll_seconds)

    async def events(self, object_id: str, wanted: set[str]) -> list[JSON]:
        """Events of these types about one object, oldest first; waits until each type has come."""
        params: Any = {"types": sorted(wanted), "limit": 100}
        until = time.monotonic() + (1 if self.session.is_local else EVENT_SECONDS)
        while True:
            rows = [e.to_dict() for e in (await self.v1.events.list_async(params)).data]
            found = [e for e in reversed(rows) if e["data"]["object"].get("id") == object_id]
            if wanted <= {e["type"] for e in found} or time.monotonic() > until:
                return found
            await asyncio.sleep(self.session.poll_seconds)

    async def close(self) -> None:
        """Delete the clocks, and with them their customers and subscriptions; retire the rest."""
        for clock in self._clocks:
            with suppress(stripe.StripeError):
                await self.v1.test_helpers.test_clocks.delete_async(clock)
        for coupon in self._coupons:
            with suppress(stripe.StripeError):
                await self.v1.coupons.delete_async(coupon)
        for rate in self._tax_rates:
            with suppress(stripe.StripeError):
                await self.v1.tax_rates.update_async(rate, {"active": False})


async def refusal(attempt: Awaitable[Any]) -> JSON:
    """`{status, type, code, param}` of the error, without what is absent; `{status: 200}` without one."""
    try:
        await attempt
    except stripe.StripeError as error:
        body: Any = error.json_body if isinstance(error.json_body, dict) else {}
        details = body.get("error", {})
        named = {name: details.get(name) for name in ("type", "code", "decline_code", "param")}
        return {"status": error.http_status, **{k: v for k, v in named.items() if v}}
    return {"status": 200}


async def status_of(attempt: Awaitable[Any]) -> int:
    """The HTTP status of an attempt."""
    return int((await refusal(attempt))["status"])


def item_id(subscription: JSON, number: int = 0) -> str:
    """The id of an item."""
    return str(subscription["items"]["data"][number]["id"])


def amounts(invoice: JSON) -> list[int]:
    """The amounts of an invoice's lines, sorted: their order is a probe of its own."""
    return sorted(line["amount"] for line in invoice["lines"]["data"])


def quantities(subscription: JSON) -> list[int]:
    """The quantities of the items."""
    return [item["quantity"] for item in subscription["items"]["data"]]


def is_proration(line: JSON) -> bool:
    """The proration flag, wherever the line's parent keeps it."""
    parent = line.get("parent") or {}
    kinds = (parent.get("subscription_item_details"), parent.get("invoice_item_details"))
    return any(details and details.get("proration") for details in kinds)
