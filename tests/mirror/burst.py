"""A real burst: the twin's customers change their subscriptions, and its own list tells the events."""

from __future__ import annotations

import asyncio
import random
from typing import Any

import aiohttp
import msgspec

from sync.gateway import Gateway, ObjectRead
from sync.mirror_rows import Kind
from sync.snapshot import render, snapshot
from sync.store import mirror_rows
from sync.store.db import Pool, transaction
from tests.mirror.builders import VERSION

AT_ONCE = 8
KINDS = {str(kind): kind for kind in Kind}


class Free:
    """A budget of calls without a limit: the twin has none."""

    async def take(self, *, urgent: bool) -> None: ...


class Burst:
    """Makes events at a twin over HTTP, from a seed."""

    def __init__(self, base_url: str, seed: int = 1) -> None:
        self.dice = random.Random(seed)
        self.gateway = Gateway(api_key="sk_test_burst", api_base=base_url, budget=Free())
        headers = {"Authorization": "Bearer sk_test_burst", "Stripe-Version": VERSION}
        self._session = aiohttp.ClientSession(base_url, headers=headers)
        self._items: dict[str, str] = {}
        self._cards: dict[str, str] = {}

    async def close(self) -> None:
        await self._session.close()
        await self.gateway.close()

    async def subscribe(self, count: int) -> None:
        """Create this many customers, each with a card and a subscription of two items."""
        product = await self._post("products", name="Seats")
        prices = [
            await self._post(
                "prices",
                **{
                    "product": product["id"],
                    "currency": "usd",
                    "unit_amount": amount,
                    "recurring[interval]": "month",
                },
            )
            for amount in ("1500", "700")
        ]
        for _ in range(count):
            customer = await self._post("customers", email="ada@example.com")
            card = await self._post("payment_methods/pm_card_visa/attach", customer=customer["id"])
            default = {"invoice_settings[default_payment_method]": card["id"]}
            await self._post(f"customers/{customer['id']}", **default)
            items = {f"items[{n}][price]": price["id"] for n, price in enumerate(prices)}
            made = await self._post("subscriptions", customer=customer["id"], **items)
            self._items[made["id"]] = made["items"]["data"][0]["id"]
            self._cards[made["id"]] = card["id"]
            # The twin sets a customer's currency without an event; this event shows it.
            await self._post(f"customers/{customer['id']}", **{"metadata[subscription]": made["id"]})

    async def change(self, times: int) -> None:
        """Change quantities and metadata of random subscriptions, several at once; some are canceled."""
        gate = asyncio.Semaphore(AT_ONCE)

        async def one() -> None:
            async with gate:
                await self._change_one(self.dice.choice(sorted(self._items)))

        await asyncio.gather(*(one() for _ in range(times)))

    async def change_each(self) -> None:
        """Change every subscription once, one after the other."""
        for subscription_id in sorted(self._items):
            await self._change_one(subscription_id)

    async def _change_one(self, subscription_id: str) -> None:
        if len(self._items) > 200 and self.dice.random() < 0.01:
            del self._items[subscription_id]
            async with self._session.delete(f"/v1/subscriptions/{subscription_id}") as answer:
                assert answer.status == 200, await answer.text()
            return
        await self._post(
            f"subscriptions/{subscription_id}",
            **{
                "items[0][id]": self._items[subscription_id],
                "items[0][quantity]": str(self.dice.randint(1, 4)),
                "metadata[note]": str(self.dice.randint(1, 3)),
                "proration_behavior": self.dice.choice(["none", "none", "always_invoice"]),
            },
        )

    async def pay_and_plan(self, times: int) -> None:
        """Refund, dispute and decline payments, and schedule what some subscriptions will be."""
        charges = [charge["id"] for charge in (await self._get("charges", limit="100"))["data"]]
        for _ in range(times):
            what = self.dice.choice([self._refund, self._refund, self._dispute])
            await what(self.dice.choice(charges))
            plan = self.dice.choice([self._decline, self._schedule])
            await plan(self.dice.choice(sorted(self._items)))

    async def _refund(self, charge: str) -> None:
        await self._post("refunds", 400, charge=charge, amount=str(self.dice.randint(100, 900)))

    async def _dispute(self, charge: str) -> None:
        await self._act(400, act="dispute", charge=charge)

    async def _decline(self, subscription_id: str) -> None:
        """The bank refuses once; with the next change it has changed its mind."""
        card = self._cards[subscription_id]
        for outcome in ("insufficient_funds", "good"):
            await self._act(act="set_card", payment_method=card, outcome=outcome)
            change = {
                "items[0][id]": self._items[subscription_id],
                "items[0][quantity]": str(self.dice.randint(5, 50)),
                "proration_behavior": "always_invoice",
                "payment_behavior": "allow_incomplete",
            }
            await self._post(f"subscriptions/{subscription_id}", **change)

    async def _schedule(self, subscription_id: str) -> None:
        """Fewer from the next period on; sometimes it is taken back."""
        made = await self._post("subscription_schedules", 400, from_subscription=subscription_id)
        if "phases" not in made:
            return
        [phase] = made["phases"]
        price, item = phase["items"][0]["price"], "phases[{}][items][0][{}]"
        plan = {
            "phases[0][start_date]": str(phase["start_date"]),
            "phases[0][end_date]": str(phase["end_date"]),
            "phases[1][duration][interval]": "month",
        }
        for number, quantity in enumerate((phase["items"][0]["quantity"], 1)):
            plan |= {item.format(number, "price"): price, item.format(number, "quantity"): str(quantity)}
        path = f"subscription_schedules/{made['id']}"
        await self._post(path, **plan, proration_behavior="none")
        if self.dice.random() < 0.5:
            await self._post(f"{path}/release")

    async def events(self) -> list[bytes]:
        """Every event that the twin lists, as raw JSON."""
        found: list[bytes] = []
        cursor: str | None = None
        more = True
        while more:
            page = await self.gateway.list_events(created_gte=0, starting_after=cursor)
            found += page.events
            more, cursor = page.has_more, page.last_id
        return found

    async def _post(self, path: str, *refused: int, **form: str) -> dict[str, Any]:
        async with self._session.post(f"/v1/{path}", data=form) as answer:
            body: dict[str, Any] = await answer.json()
            # Two changes of one subscription at once: the loser is told so, as Stripe does.
            assert answer.status in (200, 409, 429, *refused), body
            return body

    async def _get(self, path: str, **query: str) -> dict[str, Any]:
        async with self._session.get(f"/v1/{path}", params=query) as answer:
            body: dict[str, Any] = await answer.json()
            assert answer.status == 200, body
            return body

    async def _act(self, *refused: int, **act: str) -> None:
        async with self._session.post("/_twin/dashboard", json=act) as answer:
            assert answer.status in (200, *refused), await answer.text()


async def differences(pool: Pool, burst: Burst) -> list[str]:
    """The ids of all mirrored objects, of every kind, that are not what the twin says now."""
    different: list[str] = []
    for name, kind in KINDS.items():
        table = f"stripe_{name}"
        ids = [row["id"] for row in await pool.fetch(f"SELECT id FROM {table} ORDER BY id")]
        async with transaction(pool) as conn:
            rows = await mirror_rows.load_rows(conn, kind, ids)
            children = await mirror_rows.load_children(conn, kind, ids)
        for object_id in ids:
            read = await burst.gateway.read_object(kind, object_id)
            if _truth(kind, read) != (rows[object_id], tuple(children.get(object_id, ()))):
                different.append(object_id)
    return different


def _truth(kind: Kind, read: ObjectRead) -> tuple[object, ...] | None:
    if read.body is None:
        return None
    shown = snapshot(render(kind, read.body))
    return shown.row, shown.children


def objects_told(events: list[bytes]) -> set[str]:
    """The ids of all mirrored objects that the events are about."""
    found: set[str] = set()
    for body in events:
        shown = msgspec.json.decode(body)["data"]["object"]
        if shown["object"] in KINDS:
            found.add(shown["id"])
    return found
