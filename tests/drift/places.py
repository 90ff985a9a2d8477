"""Many accounts in one small world, each with a subscription of its own, for edits by hand."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from sync import clock
from sync.advance import advance
from sync.rules.terms import Interval, Terms
from sync.store import accounts as account_store
from sync.store import catalog_prices
from sync.store.db import transaction
from tests.drift.sweeping import catch_up_mirror
from tests.flows.world import ADMIN, World

BOUGHT = Terms("marketing", "plus", 1000, 5, {"sms": 1})
# What the edits sell besides.
OTHERS = (
    Terms("marketing", "pro", 2500, 7, {"dedicated_ip": 1}),
    Terms("marketing", "plus", 1000, 5, {"sms": 1}, Interval.YEAR),
    Terms("bundle", "plus", 1000, 5),
    Terms("marketing", "plus", 2500, 5),
)
DAY = 86_400
FREEZE = "UPDATE change_leg SET leased_until = '-infinity', event_seen_at = now()"


@dataclass(slots=True)
class Place:
    """One account and its subscription; everything is done by the dashboard unless it says otherwise."""

    world: World
    account_id: str
    customer_id: str = ""
    subscription_id: str = ""
    items: dict[str, dict[str, Any]] = field(default_factory=dict)
    prices: dict[str, str] = field(default_factory=dict)

    @property
    def path(self) -> str:
        """The subscription's own path."""
        return f"/v1/subscriptions/{self.subscription_id}"

    async def hand(self, path: str, method: str = "POST", **params: Any) -> Any:
        """An edit in the dashboard; it must work there."""
        body = {"method": method, "path": path, "params": params}
        return await self.world.control("POST", "dashboard", body)

    async def act(self, name: str, **params: Any) -> Any:
        """What a customer or a bank does."""
        return await self.world.control("POST", "dashboard", {"act": name, **params})

    async def edit(self, **params: Any) -> Any:
        return await self.hand(self.path, **params)

    async def item(self, part: str, how: str = "none", **params: Any) -> Any:
        """Edit the item of a part (`base`, `seats`, `addon:sms`)."""
        path = f"/v1/subscription_items/{self.items[part]['id']}"
        return await self.hand(path, **params, proration_behavior=how)

    async def drop(self, part: str) -> None:
        path = f"/v1/subscription_items/{self.items[part]['id']}"
        await self.hand(path, "DELETE", proration_behavior="none")

    async def add(self, price: str, quantity: int = 1, how: str = "none") -> Any:
        return await self.edit(items=[{"price": price, "quantity": quantity}], proration_behavior=how)

    async def manual_price(self, **recurring: Any) -> str:
        """A price that no catalog knows."""
        params = {"currency": "usd", "unit_amount": 700, "recurring": {"interval": "month", **recurring}}
        return str((await self.hand("/v1/prices", **params, product_data={"name": "By hand"}))["id"])

    async def customer(self, **params: Any) -> Any:
        return await self.hand(f"/v1/customers/{self.customer_id}", **params)

    async def card(self, token: str) -> str:
        """Another card becomes the customer's."""
        method = await self.hand(f"/v1/payment_methods/{token}/attach", customer=self.customer_id)
        await self.customer(invoice_settings={"default_payment_method": method["id"]})
        return str(method["id"])

    async def read(self, path: str | None = None) -> Any:
        return await self.world.stripe("GET", path or self.path)

    async def charge(self) -> dict[str, Any]:
        """The newest charge of the customer."""
        found = await self.world.stripe("GET", "/v1/charges", customer=self.customer_id)
        return dict(found["data"][0])

    # ---- changes of our own

    async def confirm(self, **terms: Any) -> str:
        """A change that is confirmed, and that nobody has sent."""
        quote = await self.world.quote(terms, self.account_id)
        said = await self.world.call("POST", f"/v1/quotes/{quote['id']}/confirm?wait=0", {"actor": ADMIN})
        assert said.status == 202, said.body
        return str(said.body["id"])

    async def step(self, change_id: str) -> None:
        await advance(self.world.billing, change_id)

    async def settle(self, change_id: str) -> None:
        """As far as it goes, with its events seen."""
        await self.step(change_id)
        await self.world.billing.pool.execute(f"{FREEZE} WHERE change_id = $1", change_id)
        await self.step(change_id)

    async def promise(self, seats: int = 4) -> str:
        """Fewer seats at the renewal, with the schedule at Stripe; returns the schedule's path."""
        change_id = await self.confirm(seats=seats)
        await self.step(change_id)
        return f"/v1/subscription_schedules/{(await self.read())['schedule']}"


Edit = Callable[[Place], Awaitable[Any]]


async def prices_of(world: World, terms: Terms) -> dict[str, str]:
    """The prices that are sold now, by part."""
    book = await catalog_prices.book(world.billing.pool)
    return {slot.part: book.sold_now(slot) for slot in world.billing.catalog.items_for(terms, "usd")}


async def settle_down(world: World, names: list[str]) -> dict[str, Place]:
    """An account with what was bought for each name: at Stripe, in our tables, and in the mirror."""
    await world.sell(BOUGHT, *OTHERS)
    prices = await prices_of(world, BOUGHT)
    places = {name: Place(world, f"acme-{number}", prices=prices) for number, name in enumerate(names)}
    for place in places.values():
        await _settle(place)
    await catch_up_mirror(world)
    return places


async def _settle(place: Place) -> None:
    world, prices = place.world, place.prices
    account_id = place.account_id
    params = {"email": f"{account_id}@acme.example", "payment_method": "pm_card_visa"}
    settings = {"invoice_settings[default_payment_method]": "pm_card_visa"}
    customer = await world.stripe("POST", "/v1/customers", **params, **settings)
    items: dict[str, Any] = {"metadata[prorata_account]": account_id}
    quantities = {"seats": 2, "addon:sms": 1}
    for index, (part, price) in enumerate(prices.items()):
        items[f"items[{index}][price]"] = price
        items[f"items[{index}][quantity]"] = quantities.get(part, 1)
    mode = {"billing_mode[type]": "flexible", "expand[]": "items"}
    made = await world.stripe("POST", "/v1/subscriptions", customer=customer["id"], **items, **mode)
    place.customer_id, place.subscription_id = customer["id"], made["id"]
    by_price = {each["price"]["id"]: each for each in made["items"]["data"]}
    place.items = {part: by_price[price] for part, price in prices.items()}
    await _know(place)


async def _know(place: Place) -> None:
    """What a purchase would have left in our tables."""
    given = {
        "id": place.account_id, "email": "billing@acme.example", "name": "Acme", "locale": "en",
        "currency": "usd", "primary_admin_user_id": ADMIN, "primary_admin_email": "ada@acme.example",
    }  # fmt: skip
    async with transaction(place.world.billing.pool) as conn:
        await account_store.insert(conn, given)
        await account_store.set_customer(conn, place.account_id, place.customer_id)
        await account_store.set_subscription(conn, place.account_id, place.subscription_id)
        first = f"first-{place.account_id}"
        await account_store.begin_terms(conn, place.account_id, BOUGHT, clock.wall(), first, "now")


async def edit_all(places: dict[str, Place], edits: dict[str, Edit]) -> None:
    """Carry out every edit; a failing one says its name."""
    for name, edit in edits.items():
        try:
            await edit(places[name])
        except Exception as error:
            raise AssertionError(f"{name}: {error}") from error
