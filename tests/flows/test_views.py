"""What is shown of accounts and changes: true amounts, the right subscription, few queries."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, cast

import pytest

from sync import account_views, change_views, settle
from sync.store.db import Pool
from tests.flows.world import MARKETING, World


@dataclass
class Counting:
    """A pool that counts its reads."""

    pool: Pool
    reads: int = 0

    async def fetch(self, query: str, *values: Any) -> Sequence[Any]:
        self.reads += 1
        return await self.pool.fetch(query, *values)

    async def fetchrow(self, query: str, *values: Any) -> Any:
        self.reads += 1
        return await self.pool.fetchrow(query, *values)

    async def fetchval(self, query: str, *values: Any) -> Any:
        self.reads += 1
        return await self.pool.fetchval(query, *values)


async def test_next_invoice_of_a_kept_older_price(world: World) -> None:
    """The subscription keeps a price that the catalog sells for another amount: the next invoice has it."""
    await world.buy()
    before = await world.view()
    item = (await world.subscription())["items"]["data"][0]
    older = {
        "product": item["price"]["product"],
        "currency": "usd",
        "unit_amount": item["price"]["unit_amount"] - 100,
        "recurring[interval]": "month",
    }
    edit = {
        "items[0][id]": item["id"],
        "items[0][price]": (await world.stripe("POST", "/v1/prices", **older))["id"],
        "proration_behavior": "none",
    }
    await world.stripe("POST", f"/v1/subscriptions/{before['stripe_subscription_id']}", **edit)
    wanted = before["next_invoice"]["amount"]["amount_minor"] - 100 * item["quantity"]

    async def shown() -> bool:
        return bool(wanted == (await world.view())["next_invoice"]["amount"]["amount_minor"])

    await world.eventually(shown)


async def test_change_keeps_its_subscription(world: World) -> None:
    """The account has another subscription by now: an old change still names its own."""
    first = await world.buy()
    second = await world.change({"seats": 8})
    bought = (await world.view())["stripe_subscription_id"]
    await world.billing.pool.execute("UPDATE account SET stripe_subscription_id = 'sub_another'")
    shown = [(await world.shown(change))["stripe_subscription_id"] for change in (first, second)]
    assert [bought, bought] == shown


async def test_change_shows_its_newest_steps(world: World) -> None:
    """A change that was retried for a day shows the last 200 steps, in their order."""
    change = await world.buy()
    await world.billing.pool.execute(
        "INSERT INTO change_step (change_id, leg, step, state) "
        "SELECT $1, 'now', 'retry_' || n, 'applying' FROM generate_series(1, 300) AS n ORDER BY n",
        change["id"],
    )
    shown = [step["step"] for step in (await world.shown(change))["steps"]]
    assert [f"retry_{n}" for n in range(101, 301)] == shown


async def test_pages_cost_the_same_number_of_queries(world: World) -> None:
    """A page of three accounts, or of three changes, is read with as many queries as a page of one."""
    await world.buy()
    for account_id in ("beta", "gamma"):
        await world.account(account_id)
        await world.change(MARKETING.to_json(), account_id)
    reads = {}
    for limit in (1, 3):
        counting = Counting(world.billing.pool)
        billing = replace(world.billing, pool=cast(Pool, counting))
        found = await account_views.list_accounts(billing, limit=limit, starting_after=None)
        changes = await change_views.list_changes(billing, account_id=None, limit=limit, starting_after=None)
        assert (limit, limit) == (len(found[0]), len(changes[0]))
        reads[limit] = counting.reads
    assert reads[1] == reads[3]


async def test_the_invoice_of_a_settled_change_is_listed_as_paid(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Settled means that the account's own lists say so too, however late Stripe's events are."""
    await world.buy()
    await world.pass_time(3600)
    monkeypatch.setattr(settle, "PATIENCE", timedelta(0))
    await world.control("POST", "delivery", {"mode": "hold"})

    change = await world.change({"seats": MARKETING.seats + 5})
    listed = (await world.call("GET", "/v1/accounts/acme/invoices")).body["data"]

    assert change["state"] == "settled"
    assert [(each["status"], each["billing_reason"]) for each in listed] == [
        ("paid", "subscription_update"),
        ("paid", "subscription_create"),
    ]
