"""The surface over a whole small world: every answer is held to the published description."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from sync.rules.terms import Terms
from tests.flows.world import ADMIN, KEY, World, whole_world
from tests.http.conftest import bearer
from tests.http.description import Description

TERMS: dict[str, Any] = {"product": "marketing", "tier": "plus", "contact_limit": 2500, "seats": 4}
ACCOUNT = "/v1/accounts/{account_id}"


@dataclass
class Live:
    """A caller of the real server; `headers` say who it is."""

    world: World
    description: Description
    headers: dict[str, str]

    async def call(
        self,
        method: str,
        template: str,
        body: Any = None,
        *,
        query: str = "",
        key: str | None = None,
        **parts: str,
    ) -> tuple[int, Any]:
        """Send a request and return status and body; without a key a POST gets a fresh one."""
        headers = {**self.headers}
        if method == "POST":
            headers["Idempotency-Key"] = key or secrets.token_hex(8)
        url = f"{self.world.running.http_url}{template.format(**parts)}{query}"
        async with self.world.client.request(method, url, json=body, headers=headers) as response:
            return response.status, await self.description.check(template, response)

    async def account(self, account_id: str = "acme", **other: Any) -> tuple[int, Any]:
        """Create an account with a good card, in dollars."""
        return await self.call("POST", "/v1/accounts", new_account(account_id, **other))

    async def view(self, account_id: str = "acme") -> tuple[int, Any]:
        """Look at an account."""
        return await self.call("GET", ACCOUNT, account_id=account_id)

    async def quote(self, account_id: str = "acme", *, actor: str = ADMIN, **terms: Any) -> tuple[int, Any]:
        """Quote a wish."""
        body = {"terms": terms, "actor": actor}
        return await self.call("POST", f"{ACCOUNT}/quotes", body, account_id=account_id)

    async def confirm(
        self, quote_id: str, *, actor: str = ADMIN, key: str | None = None, query: str = ""
    ) -> tuple[int, Any]:
        """Confirm a quote."""
        template = "/v1/quotes/{quote_id}/confirm"
        return await self.call("POST", template, {"actor": actor}, quote_id=quote_id, key=key, query=query)

    async def change(self, change_id: str, query: str = "?wait=20") -> tuple[int, Any]:
        """Look at a change, by default when it is over."""
        return await self.call("GET", "/v1/changes/{change_id}", query=query, change_id=change_id)

    async def buy(self) -> None:
        """Create an account and settle its first purchase."""
        await self.account()
        _, quote = await self.quote(**TERMS)
        _, change = await self.confirm(quote["id"])
        assert (await self.change(change["id"]))[1]["state"] == "settled"


def new_account(account_id: str = "acme", **other: Any) -> dict[str, Any]:
    """Return the body that creates an account."""
    return {
        "account_id": account_id,
        "email": "billing@example.com",
        "name": "Acme",
        "primary_admin": {"user_id": ADMIN, "email": "ada@example.com"},
        "locale": "en",
        "currency": "usd",
        "payment_method": "pm_card_visa",
        **other,
    }


@asynccontextmanager
async def living(database_url: str) -> AsyncIterator[Live]:
    """Run the whole world, selling marketing by the month in dollars."""
    async with whole_world(database_url) as world:
        await _sell(world)
        async with world.client.get(f"{world.running.http_url}/openapi.json") as response:
            description = Description(await response.json())
        yield Live(world, description, bearer(KEY))


async def _sell(world: World) -> None:
    """Push the prices of the few terms that these tests speak of."""
    terms = Terms.from_json({**TERMS, "interval": "month"})
    await world.sell(terms, Terms("marketing", "starter", 2500, 4))
