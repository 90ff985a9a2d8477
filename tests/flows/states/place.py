"""A place of the matrix: one account, whose customer has a clock of its own at Stripe."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any

from tests.flows.world import ADMIN, MARKETING, Said, World, whole_world
from tests.support import postgres

DAY = 86_400
BOUGHT = replace(MARKETING, tier="pro", contact_limit=2500, seats=8)
# Everything that a flow may wish for. Prices are pushed once.
SOLD = (
    BOUGHT,
    replace(BOUGHT, tier="plus"),
    replace(BOUGHT, contact_limit=5000),
    replace(BOUGHT, contact_limit=1000),
)
HELPER = "sam"


@asynccontextmanager
async def matrix_world(template: str) -> AsyncIterator[World]:
    """One world for a whole module. Unpaid subscriptions stay unpaid here after the last attempt."""
    async with postgres.fresh_database(template) as url, whole_world(url) as world:
        await world.sell(*SOLD)
        await world.control("POST", "account", {"after_last_retry": "unpaid"})
        yield world


@dataclass(slots=True)
class Place:
    """One account. What is done to it by hand at Stripe goes through `stripe` and `by_hand`."""

    world: World
    account_id: str
    customer: str
    clock: str
    subscription: str = ""
    change: str = ""

    # ---- our own doors

    async def call(self, method: str, path: str, body: Any = None) -> Said:
        return await self.world.call(method, path, body)

    async def quote(self, terms: dict[str, Any]) -> Said:
        body = {"terms": terms, "actor": ADMIN}
        return await self.call("POST", f"/v1/accounts/{self.account_id}/quotes", body)

    async def confirm(self, quote: dict[str, Any]) -> Said:
        """Confirm; the change is remembered as the newest one."""
        said = await self.world.confirm(quote)
        self.change = said.body.get("id", self.change)
        return said

    async def buy(self) -> None:
        """The first purchase, settled, and half a month later."""
        said = await self.confirm((await self.quote(BOUGHT.to_json())).body)
        assert said.status == 200, said.body
        self.subscription = said.body["stripe_subscription_id"]
        await self.world.settled(said.body)
        await self.pass_time(14 * DAY)

    async def buy_elsewhere(self) -> None:
        """The same items, sold to the customer by somebody else; half a month ago."""
        wanted = self.world.billing.catalog.items_for(BOUGHT, "usd")
        found = (await self.stripe("GET", "/v1/prices", limit="100"))["data"]
        items: dict[str, str] = {}
        for n, (slot, quantity) in enumerate(wanted.items()):
            price = next(each for each in found if (each["lookup_key"] or "").startswith(f"{slot.key}:v"))
            items |= {f"items[{n}][price]": price["id"], f"items[{n}][quantity]": str(quantity)}
        made = await self.stripe("POST", "/v1/subscriptions", customer=self.customer, **items)
        self.subscription = made["id"]
        await self.pass_time(14 * DAY)

    # ---- Stripe

    async def stripe(self, method: str, path: str, **params: Any) -> dict[str, Any]:
        return await self.world.stripe(method, path, **params)

    async def edit(self, **params: Any) -> dict[str, Any]:
        """Change the subscription by hand."""
        return await self.stripe("POST", f"/v1/subscriptions/{self.subscription}", **params)

    async def by_hand(self, path: str, **params: Any) -> Any:
        """An edit in the dashboard, with parameters as JSON."""
        edit = {"method": "POST", "path": path, "params": params}
        return await self.world.control("POST", "dashboard", edit)

    async def read(self) -> dict[str, Any]:
        """The subscription as Stripe has it."""
        return await self.stripe("GET", f"/v1/subscriptions/{self.subscription}")

    async def now(self) -> int:
        return int((await self.stripe("GET", f"/v1/test_helpers/test_clocks/{self.clock}"))["frozen_time"])

    async def pass_time(self, seconds: int) -> None:
        """Move this customer's clock."""
        path = f"/v1/test_helpers/test_clocks/{self.clock}/advance"
        await self.stripe("POST", path, frozen_time=str(await self.now() + seconds))

    async def pass_renewal(self, after_seconds: int) -> None:
        """Move to so many seconds after the present period's end; negative is before it."""
        end = (await self.read())["items"]["data"][0]["current_period_end"]
        await self.pass_time(end + after_seconds - await self.now())

    async def invoices(self) -> list[dict[str, Any]]:
        """The customer's invoices, newest first."""
        return list((await self.stripe("GET", "/v1/invoices", customer=self.customer, limit="100"))["data"])

    async def standing(self) -> dict[str, Any]:
        """All that a refused flow must leave as it was, at Stripe and here."""
        subscription = await self.read() if self.subscription else None
        view = (await self.call("GET", f"/v1/accounts/{self.account_id}")).body
        return {
            "subscription": subscription,
            "customer": await self.stripe("GET", f"/v1/customers/{self.customer}"),
            "effects": (await self.world.control("GET", f"ledger?customer={self.customer}"))["data"],
            "ours": [view[name] for name in ("terms", "terms_after_renewal", "open_legs", "parked")],
        }

    async def belongings(self) -> dict[str, Any]:
        """What an attempt to pay that failed must leave as it was."""
        found = await self.standing()
        items = (found["subscription"] or {"items": {"data": []}})["items"]["data"]
        return {
            "items": [(item["id"], item["price"]["id"], item["quantity"]) for item in items],
            "balance": found["customer"].get("balance"),
            "invoices": [(i["id"], i["amount_paid"]) for i in await self.invoices() if i["status"] != "void"],
            "ours": found["ours"],
        }

    async def card(self, card: str) -> str:
        """Make another test card the default."""
        method = await self.stripe("POST", f"/v1/payment_methods/{card}/attach", customer=self.customer)
        params = {"invoice_settings[default_payment_method]": method["id"]}
        await self.stripe("POST", f"/v1/customers/{self.customer}", **params)
        return str(method["id"])


async def new_place(world: World, card: str = "pm_card_visa") -> Place:
    """An account that has not bought anything yet, linked to a customer with a clock of its own."""
    now = (await world.control("GET", "clock"))["now"]
    clock = await world.stripe("POST", "/v1/test_helpers/test_clocks", frozen_time=str(now))
    customer = await world.stripe("POST", "/v1/customers", email="ada@acme.example", test_clock=clock["id"])
    account_id = f"acme-{secrets.token_hex(4)}"
    body = {
        "account_id": account_id,
        "email": "ada@acme.example",
        "name": "Acme",
        "primary_admin": {"user_id": ADMIN, "email": "ada@acme.example"},
        "locale": "en",
        "currency": "usd",
        "stripe_customer_id": customer["id"],
    }
    said = await world.call("POST", "/v1/accounts", body)
    assert said.status == 200, said.body
    place = Place(world, account_id, customer["id"], clock["id"])
    await place.card(card)
    return place
