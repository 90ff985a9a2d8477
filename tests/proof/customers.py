"""Customers of a deployment that is shot at: each buys, and then goes on wanting something else."""

from __future__ import annotations

import asyncio
import random
import secrets
from collections import Counter
from dataclasses import dataclass, field
from itertools import count
from typing import Any

import aiohttp

from sync.rules.catalog import Catalog
from sync.rules.terms import Terms
from tests.flows.increases import increase
from tests.flows.world import ADMIN, KEY
from tests.proof.deployment import Deployment

START = Terms("marketing", "starter", 500, 1)
# Our fuse lets fifteen invoiced changes of a subscription pass in a day, and eight in a minute.
CHANGES_OF_ONE = 12
PAUSE_SECONDS = 0.5
TRIES_OF_A_PAGE = 20
CARD, DECLINES, ASKS = "pm_card_visa", "pm_card_chargeCustomerFail", "pm_card_authenticationRequired"
WISHES = {"more": 60, "declined": 10, "asked": 10, "fewer": 15, "withdrawn": 5}

# Only staff, or the payment of an old invoice, helps this account: its admin goes away.
STUCK = ("account_parked", "subscription_past_due", "change_limit_reached")

Body = dict[str, Any]


@dataclass(slots=True)
class Crowd:
    """All customers: how many changes are to be confirmed at most, and those that were, by id.

    `told` is what each confirmed quote came to, in the customer's eyes: the id of a change, or the code of a
    refusal; None while nobody answered. `unanswered` is what is being asked.
    """

    site: Deployment
    catalog: Catalog
    dice: random.Random
    wanted: int
    confirmed: dict[str, str] = field(default_factory=dict)
    told: dict[str, str | None] = field(default_factory=dict)
    unanswered: dict[str, str] = field(default_factory=dict)
    refused: Counter[str] = field(default_factory=Counter)
    accounts: int = 0

    @property
    def is_over(self) -> bool:
        return len(self.confirmed) >= self.wanted or self.site.calm.is_set()

    async def live(self, at_once: int) -> None:
        """So many customers at any time, until all changes are confirmed or the time is over."""
        async with asyncio.TaskGroup() as group:
            for _ in range(at_once):
                group.create_task(self._one_after_the_other())

    async def _one_after_the_other(self) -> None:
        while not self.is_over:
            self.accounts += 1
            await Customer(self, f"acme{self.accounts}", random.Random(self.dice.random())).live()


@dataclass(slots=True)
class Customer:
    """One account, its admin and their browser, which repeats what was not answered."""

    crowd: Crowd
    account: str
    dice: random.Random
    customer_id: str = ""
    is_stuck: bool = False

    async def live(self) -> None:
        """Buy, and change until there were enough changes."""
        admin = {"user_id": ADMIN, "email": "ada@acme.example"}
        body = {"account_id": self.account, "email": "billing@acme.example", "name": "Acme", "locale": "en"}
        body |= {"primary_admin": admin, "currency": "usd", "payment_method": CARD}
        made = await self._ask("POST", "/v1/accounts", body)
        assert "stripe_customer_id" in made, made
        self.customer_id = made["stripe_customer_id"]
        await self._change(START.to_json())
        for _ in range(self.dice.randint(3, CHANGES_OF_ONE)):
            if self.crowd.is_over or self.is_stuck:
                return
            await self._want_something()

    async def _want_something(self) -> None:
        terms = (await self._ask("GET", f"/v1/accounts/{self.account}"))["terms"]
        if terms is None:
            await self._change(START.to_json())
            return
        [wish] = self.dice.choices(list(WISHES), list(WISHES.values()))
        least = self.crowd.catalog.included_seats(terms["product"], terms["tier"]) or 1
        if wish in ("fewer", "withdrawn") and terms["seats"] > least:
            change_id = await self._change({"seats": self.dice.randint(least, terms["seats"] - 1)})
            if wish == "withdrawn" and change_id:
                await self._ask("POST", f"/v1/changes/{change_id}/withdraw", {"actor": ADMIN})
            return
        if wish in ("declined", "asked"):
            await self._card(DECLINES if wish == "declined" else ASKS)
        change_id = await self._change(increase(terms, self.crowd.catalog, self.dice))
        if wish == "asked" and change_id:
            await self._answer_the_bank(change_id)
        if wish in ("declined", "asked"):
            await self._card(CARD)

    async def _change(self, terms: Body) -> str | None:
        """Quote, confirm and wait; whatever is refused is not wanted that much. Returns the change's id."""
        quote = await self._ask(
            "POST", f"/v1/accounts/{self.account}/quotes", {"terms": terms, "actor": ADMIN}
        )
        for _ in range(3):
            if quote.get("code") or quote.get("refusals"):
                self._note(quote)
                return None
            self.crowd.told.setdefault(quote["id"], None)
            said = await self._ask("POST", f"/v1/quotes/{quote['id']}/confirm?wait=0", {"actor": ADMIN})
            self.crowd.told[quote["id"]] = said["id"] if "quote_id" in said else str(said.get("code"))
            if "quote_id" in said:
                self.crowd.confirmed[said["id"]] = quote["id"]
                await self._wait(said["id"])
                return str(said["id"])
            quote = said.get("new_quote") or said
        return None

    def _note(self, quote: Body) -> None:
        code = quote.get("code") or quote["refusals"][0]["code"]
        self.crowd.refused[code] += 1
        self.is_stuck = code in STUCK

    async def _wait(self, change_id: str) -> None:
        """Until it has ended, stands, or asks for the bank; not longer than an admin looks at it."""
        for _ in range(4):
            found = await self._ask("GET", f"/v1/changes/{change_id}?wait=10")
            if found["state"] not in ("confirmed", "applying", "applied") or self.crowd.site.calm.is_set():
                return

    async def _answer_the_bank(self, change_id: str) -> None:
        """Yes, mostly; or it is taken back."""
        change = await self._ask("GET", f"/v1/changes/{change_id}?wait=0")
        if change["state"] != "awaiting_payment":
            return
        if self.dice.random() < 0.3:
            await self._ask("POST", f"/v1/changes/{change_id}/withdraw", {"actor": ADMIN})
            return
        body = {"act": "complete_authentication", "invoice": change["now"]["stripe_invoice_id"]}
        async with self.crowd.site.client.post(f"{self.crowd.site.twin_url}/_twin/dashboard", json=body):
            """The invoice may be void by now."""

    async def _card(self, card: str) -> None:
        """Another card, given on Stripe's page."""
        site = self.crowd.site
        path = f"/v1/payment_methods/{card}/attach"
        method = await site.stripe("POST", path, customer=self.customer_id)
        default = {"invoice_settings": {"default_payment_method": method["id"]}}
        await site.stripe("POST", f"/v1/customers/{self.customer_id}", **default)

    async def _ask(self, method: str, path: str, body: Body | None = None) -> Body:
        """Repeat one request until it is answered with anything but "come back".

        Under one key, as long as the page is open; then it is opened anew.
        """
        headers = {"Authorization": f"Bearer {KEY}"}
        self.crowd.unanswered[self.account] = f"{method} {path}"
        for attempt in count():
            if method == "POST" and attempt % TRIES_OF_A_PAGE == 0:
                headers["Idempotency-Key"] = secrets.token_hex(8)
            try:
                async with self.crowd.site.client.request(
                    method, f"{self.crowd.site.url}{path}", json=body, headers=headers
                ) as answer:
                    found: Body = await answer.json(content_type=None)
                    if answer.status < 500 and not _comes_back(found):
                        del self.crowd.unanswered[self.account]
                        return found
            except (aiohttp.ClientError, TimeoutError):
                """Nobody there: a browser tries again."""
            await asyncio.sleep(PAUSE_SECONDS)
        raise AssertionError("it tries for ever")


def _comes_back(body: Body) -> bool:
    """Whether the same request under the same key is still being worked on."""
    return body.get("code") == "idempotency_in_progress"
