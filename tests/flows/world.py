"""A whole small world for a story: our process in this event loop, a database, the local Stripe, a client."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import aiohttp
from pydantic import SecretStr

from sync import catalog_push
from sync.billing import Billing
from sync.rules.terms import Terms
from tests.support.patience import SURELY_SECONDS
from worker.app import Running, started
from worker.config import Settings
from worker.twin.resources.account import add_endpoint
from worker.twin.server import RunningTwin, TwinSettings, start

KEY = "prk_flows_bootstrap_key"
ADMIN = "ada"

MARKETING = Terms("marketing", "plus", 1000, 3)
# What a client repeats under the same key, after the answer's Retry-After.
COMES_BACK = ("database_unavailable", "idempotency_in_progress")
# States of a leg that a worker is expected to carry on at once.
ON_ITS_WAY = ("confirmed", "applying", "applied")


@dataclass(frozen=True, slots=True)
class Said:
    """An answer of ours."""

    status: int
    body: dict[str, Any]
    headers: dict[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class World:
    """What a story acts on. Amounts are minor units; `stripe` speaks to the local Stripe as anybody could."""

    running: Running
    twin: RunningTwin
    client: aiohttp.ClientSession
    settings: Settings
    # So often a request that the database was too busy for is repeated, as the answer asks for. Beside other
    # tests the machine may be too busy for a while.
    patience: int = 5

    @property
    def billing(self) -> Billing:
        return self.running.billing

    # ---- our own doors

    async def call(self, method: str, path: str, body: Any = None, key: str | None = None) -> Said:
        """One request to our API; every POST gets a fresh Idempotency-Key unless one is given."""
        headers = {"Authorization": f"Bearer {KEY}"}
        if method == "POST":
            headers["Idempotency-Key"] = key or secrets.token_hex(8)
        for _ in range(self.patience):
            said = await self._ask(method, path, body, headers)
            if said.body.get("code") not in COMES_BACK:
                return said
            await asyncio.sleep(float(said.headers["Retry-After"]))
        return await self._ask(method, path, body, headers)

    async def _ask(self, method: str, path: str, body: Any, headers: dict[str, str]) -> Said:
        url = f"{self.running.http_url}{path}"
        async with self.client.request(method, url, json=body, headers=headers) as answer:
            return Said(answer.status, await answer.json(content_type=None), dict(answer.headers))

    async def account(
        self, account_id: str = "acme", card: str = "pm_card_visa", locale: str = "en"
    ) -> dict[str, Any]:
        """A new account with a card."""
        body = {
            "account_id": account_id,
            "email": "billing@acme.example",
            "name": "Acme",
            "primary_admin": {"user_id": ADMIN, "email": "ada@acme.example"},
            "locale": locale,
            "currency": "usd",
            "payment_method": card,
        }
        return _good(await self.call("POST", "/v1/accounts", body), 200)

    async def quote(self, terms: dict[str, Any], account_id: str = "acme") -> dict[str, Any]:
        """A quote, whatever it says."""
        path = f"/v1/accounts/{account_id}/quotes"
        return _good(await self.call("POST", path, {"terms": terms, "actor": ADMIN}), 200)

    async def confirm(self, quote: dict[str, Any], key: str | None = None) -> Said:
        """The answer once the change is applied or refused: a loaded machine may need longer than usual."""
        return await self.call("POST", f"/v1/quotes/{quote['id']}/confirm?wait=30", {"actor": ADMIN}, key)

    async def shown(self, change: dict[str, Any], wait: int = 0) -> dict[str, Any]:
        """The change as it is, after `wait` seconds if it is still on its way."""
        return _good(await self.call("GET", f"/v1/changes/{change['id']}?wait={wait}"), 200)

    async def settled(self, change: dict[str, Any]) -> dict[str, Any]:
        """The change once it has ended, or waits for its payer or its renewal; as it is after a long time."""
        deadline = asyncio.get_running_loop().time() + SURELY_SECONDS
        while _first_leg(found := await self.shown(change, 15)) in ON_ITS_WAY:
            if asyncio.get_running_loop().time() > deadline:
                break
        return found

    async def settled_after_event(
        self, change: dict[str, Any], seconds: float = SURELY_SECONDS
    ) -> dict[str, Any]:
        """The change once an event has carried it on from waiting for its payment to its end."""

        async def ended() -> bool:
            now = await self.call("GET", f"/v1/changes/{change['id']}")
            return now.body["state"] in ("settled", "expired", "failed", "withdrawn")

        await self.eventually(ended, seconds)
        return await self.settled(change)

    async def buy(self, terms: Terms = MARKETING, account_id: str = "acme") -> dict[str, Any]:
        """An account with a settled first purchase; returns the change."""
        await self.sell(terms)
        await self.account(account_id)
        return await self.change(terms.to_json(), account_id)

    async def change(self, terms: dict[str, Any], account_id: str = "acme") -> dict[str, Any]:
        """Quote, confirm and settle."""
        said = await self.confirm(await self.quote(terms, account_id))
        assert said.status == 200, said.body
        return await self.settled(said.body)

    async def view(self, account_id: str = "acme") -> dict[str, Any]:
        return _good(await self.call("GET", f"/v1/accounts/{account_id}"), 200)

    async def is_up_to_date(self) -> bool:
        """Whether the newest hundred events of Stripe's were applied, and nothing is left in doubt."""
        listed = (await self.stripe("GET", "/v1/events", limit=100))["data"]
        pool, ids = self.billing.pool, [event["id"] for event in listed]
        applied = "SELECT count(*) FROM inbox WHERE id = ANY ($1) AND state <> 'waiting'"
        waiting = (
            "SELECT (SELECT count(*) FROM inbox WHERE state = 'waiting') + (SELECT count(*) FROM refresh)"
        )
        return bool(await pool.fetchval(applied, ids) == len(ids) and await pool.fetchval(waiting) == 0)

    # ---- the catalog

    async def sell(self, *terms: Terms) -> None:
        """Push just the prices of these terms: a whole catalog costs seconds."""
        wanted = {slot for each in terms for slot in self.billing.catalog.items_for(each, "usd")}
        plan = await catalog_push.diff(self.billing, ["usd"], only=wanted)
        await catalog_push.push(self.billing, plan)

    # ---- the local Stripe

    async def stripe(self, method: str, path: str, **params: Any) -> dict[str, Any]:
        """A call to the local Stripe, with form or query parameters such as `expand[]`."""
        given = {"data": params} if method == "POST" else {"params": params}
        headers = {"Authorization": "Bearer sk_test_story"}
        async with self.client.request(
            method, f"{self.twin.base_url}{path}", headers=headers, **given
        ) as answer:
            found: dict[str, Any] = await answer.json()
            assert answer.status == 200, found
            return found

    async def control(self, method: str, path: str, body: Any = None) -> Any:
        """A call to the twin's control door."""
        async with self.client.request(method, f"{self.twin.base_url}/_twin/{path}", json=body) as answer:
            assert answer.status == 200, await answer.text()
            return await answer.json()

    async def pass_time(self, seconds: int) -> None:
        """Move Stripe's clock on; renewals and expiries on the way happen."""
        await self.control("POST", "clock", {"advance_seconds": seconds})

    async def card(self, card: str, account_id: str = "acme") -> None:
        """Make another test card the account's default, as its owner does on Stripe's page."""
        customer = (await self.view(account_id))["stripe_customer_id"]
        method = await self.stripe("POST", f"/v1/payment_methods/{card}/attach", customer=customer)
        params = {"invoice_settings[default_payment_method]": method["id"]}
        await self.stripe("POST", f"/v1/customers/{customer}", **params)

    async def subscription(self, account_id: str = "acme") -> dict[str, Any]:
        subscription_id = (await self.view(account_id))["stripe_subscription_id"]
        return await self.stripe("GET", f"/v1/subscriptions/{subscription_id}")

    async def items(self, account_id: str = "acme") -> dict[str, int]:
        """Lookup key (without version) to quantity, as Stripe has it."""
        found = (await self.subscription(account_id))["items"]["data"]
        return {item["price"]["lookup_key"].rsplit(":", 1)[0]: item["quantity"] for item in found}

    async def invoices(self, account_id: str = "acme") -> list[dict[str, Any]]:
        """The subscription's invoices, newest first."""
        subscription_id = (await self.view(account_id))["stripe_subscription_id"]
        return list((await self.stripe("GET", "/v1/invoices", subscription=subscription_id))["data"])

    async def effects(self, change_id: str, kind: str) -> list[dict[str, Any]]:
        """What the twin's own ledger says that a change did."""
        ledger = (await self.control("GET", "ledger"))["data"]
        return [entry for entry in ledger if entry["change_id"] == change_id and entry["kind"] == kind]

    async def eventually(self, check: Any, seconds: float = SURELY_SECONDS) -> None:
        """Wait until an async check is true; the outside world has no other bell."""
        deadline = asyncio.get_running_loop().time() + seconds
        while not await check():
            assert asyncio.get_running_loop().time() < deadline, "it never became true"
            await asyncio.sleep(0.02)


def _first_leg(change: dict[str, Any]) -> str:
    """The state of what happens now, or at the renewal; a promise that was only taken back has neither."""
    return str((change["now"] or change["at_renewal"] or change)["state"])


def _good(said: Said, status: int) -> dict[str, Any]:
    assert said.status == status, said.body
    return said.body


def settings_of(database_url: str, twin_url: str, port: int, secret: str) -> Settings:
    """Settings as `for_command` would make them, without touching the environment."""
    return Settings.model_construct(
        database_url=SecretStr(database_url),
        stripe_api_key=SecretStr("sk_test_story"),
        stripe_api_base=twin_url,
        stripe_webhook_secrets=(SecretStr(secret),),
        http=f"127.0.0.1:{port}",
        bootstrap_key=SecretStr(KEY),
        stripe_rate=1000.0,
    )


@asynccontextmanager
async def whole_world(
    database_url: str, *, work: bool = True, policy: Path | None = None, **others: Any
) -> AsyncIterator[World]:
    """Start everything; without `work` nobody applies events or changes. `policy` is a file.

    `others` are more settings, by their names.
    """
    secret = f"whsec_{secrets.token_hex(16)}"
    twin = await start(TwinSettings())
    # The system chooses the port when we listen: one chosen before may be another process's by then.
    settings = settings_of(database_url, twin.base_url, 0, secret)
    settings = settings.model_copy(update={"policy": policy, **others})
    try:
        async with started(settings, doors=True, work=work) as running, aiohttp.ClientSession() as client:
            url = str(running.http_url)
            add_endpoint(twin.twin.world, f"{url}/webhooks/stripe", ["*"], secret)
            listening = settings.model_copy(update={"http": urlsplit(url).netloc})
            yield World(running, twin, client, listening)
    finally:
        await twin.close()
