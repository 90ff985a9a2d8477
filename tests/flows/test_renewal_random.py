"""Random lives of an account: more, fewer, taken back, weeks pass, calls fail; a model knows the end."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from sync.rules.items import billed, without_empty
from sync.rules.terms import Terms
from sync.state_at_stripe import items_of
from sync.store import catalog_prices
from tests.flows.world import ADMIN, MARKETING, World

BANDS = (1000, 2500, 5000)
SCHEDULES = "/v1/subscription_schedules"
HOUR, DAY = 3600, 86_400
STEPS = 9
LATER = ("renewal_near", "renewal_unpaid", "subscription_past_due")
FAULTS: list[dict[str, Any]] = [
    {"method": "POST", "path": f"{SCHEDULES}*", "when": "after", "reset": True},
    {"method": "POST", "path": f"{SCHEDULES}*", "when": "before", "reset": True},
    {"method": "POST", "path": f"{SCHEDULES}*", "when": "after", "status": 500},
    {"method": "POST", "path": f"{SCHEDULES}/*", "when": "before", "status": 429},
    {"method": "GET", "path": f"{SCHEDULES}/*", "when": "before", "status": 500},
    {"method": "GET", "path": f"{SCHEDULES}/*", "stale": True},
]


@dataclass
class Model:
    """What the account has, and the absolute target of each dimension for its renewal."""

    has: dict[str, int]
    targets: dict[str, int] = field(default_factory=dict)

    def want(self, dimension: str, value: int) -> None:
        """More happens now and is the last word; fewer waits; the present number takes the promise back."""
        self.targets.pop(dimension, None)
        if value > self.has[dimension]:
            self.has[dimension] = value
        elif value < self.has[dimension]:
            self.targets[dimension] = value

    def renew(self) -> None:
        self.has |= self.targets
        self.targets.clear()

    def terms(self) -> Terms:
        return replace(MARKETING, **self.has)

    def after(self) -> Terms:
        return replace(MARKETING, **(self.has | self.targets))


@dataclass
class Life:
    """One account, its model, and the dice."""

    world: World
    dice: random.Random
    model: Model
    invoices: set[str] = field(default_factory=set)

    async def step(self) -> str:
        """One thing that happens; returns what, for the message of a failure."""
        kind = self.dice.choices(["want", "cart", "withdraw", "time"], [5, 2, 1, 3])[0]
        if self.dice.random() < 0.5:
            await self.world.control("POST", "faults", self.dice.choice(FAULTS))
        said = await {"want": self.want, "cart": self.cart, "withdraw": self.withdraw, "time": self.time}[
            kind
        ]()
        await self.settle()
        await self.world.control("DELETE", "faults")
        await self.check()
        return f"{kind} {said}"

    async def want(self) -> str:
        return await self._buy([self.dice.choice(("seats", "contact_limit"))])

    async def cart(self) -> str:
        return await self._buy(["seats", "contact_limit"])

    async def _buy(self, dimensions: list[str]) -> str:
        values = {"seats": self.dice.randint(3, 12), "contact_limit": self.dice.choice(BANDS)}
        wanted = {dimension: values[dimension] for dimension in dimensions}
        quote = await self.world.quote(wanted)
        if quote["refusals"]:
            codes = {each["code"] for each in quote["refusals"]}
            unchanged = self.model.terms() == self.model.after() and self._is_nothing(wanted)
            assert codes <= {*LATER, "nothing_to_change"}, codes
            assert codes <= set(LATER) or unchanged or self._is_nothing(wanted), (codes, wanted, self.model)
            return f"refused {codes}"
        path = f"/v1/quotes/{quote['id']}/confirm?wait=20"
        said = await self.world.call("POST", path, {"actor": ADMIN})
        assert said.status in (200, 202, 409), said
        if said.status == 409:
            assert said.body["code"] in ("quote_stale", "change_in_progress"), said
            return "stale"
        for dimension, value in wanted.items():
            self.model.want(dimension, value)
        assert quote["at_renewal"] in (None, self.model.after().to_json())
        await self.settle()
        change = await self.world.settled(said.body)
        if change["now"]:
            assert ("settled", 0) == (change["now"]["state"], change["now"]["difference_minor"])
            assert quote["due_today"] == change["now"]["charged"]
            self.invoices |= {change["now"]["stripe_invoice_id"]}
        return str(wanted)

    def _is_nothing(self, wanted: dict[str, int]) -> bool:
        held = self.model.has | self.model.targets
        return all(held[dimension] == value for dimension, value in wanted.items())

    async def withdraw(self) -> str:
        open_legs = (await self.world.view())["open_legs"]
        if not open_legs or self.model.targets == {}:
            return "nothing"
        path = f"/v1/changes/{open_legs[0]['change_id']}/withdraw"
        said = await self.world.call("POST", path, {"actor": ADMIN})
        assert said.status == 200, said
        self.model.targets.clear()
        return "promise"

    async def time(self) -> str:
        """Hours to more than a month; what the account view promised is what the renewal bills."""
        seconds = self.dice.choice([HOUR, 5 * HOUR, DAY, 6 * DAY, 15 * DAY, 33 * DAY, 64 * DAY])
        promised = (await self.world.view())["next_invoice"]
        known = await self._cycles()
        await self.world.pass_time(seconds)
        await self.settle()
        fresh = (await self._cycles())[: -len(known) or None]
        if fresh:
            assert promised["amount"]["amount_minor"] == fresh[-1]["total"], fresh[-1]
            self.model.renew()
            usual = self.world.billing.catalog.recurring_minor(self.model.terms(), "usd")
            assert {usual} == {each["total"] for each in fresh}
        return f"{seconds} s, {len(fresh)} renewals"

    async def _cycles(self) -> list[dict[str, Any]]:
        found = await self.world.invoices()
        return [each for each in found if each["billing_reason"] == "subscription_cycle"]

    async def settle(self) -> None:
        """Everybody looks again until nothing is open but a promise whose renewal is ahead."""
        pool = self.world.billing.pool

        async def quiet() -> bool:
            now = (await self.world.control("GET", "clock"))["now"]
            busy = await pool.fetchval(
                """SELECT count(*) FROM change_leg WHERE ended_at IS NULL
                    AND NOT (state = 'scheduled' AND ending IS NULL AND effective_on > to_timestamp($1))""",
                now,
            )
            return int(busy) == 0

        await self._look()
        await self.world.eventually(quiet)

    async def _look(self) -> None:
        await self.world.billing.pool.execute(
            "UPDATE change_leg SET next_attempt_at = now() WHERE ended_at IS NULL"
        )

    async def check(self) -> None:
        """Terms, items, schedules, invoices and the account view all say what the model says."""
        world, model = self.world, self.model
        subscription = await world.billing.gateway.subscription((await world.subscription())["id"])
        book = await catalog_prices.book(world.billing.pool)
        wanted = without_empty(world.billing.catalog.items_for(model.terms(), "usd"))
        view = await world.view()

        assert model.terms().to_json() == view["terms"]
        assert model.after().to_json() == view["terms_after_renewal"]
        assert wanted == billed(items_of(subscription), book)
        assert view["parked"] is None
        assert len(view["open_legs"]) == bool(model.targets), view["open_legs"]
        assert await self._active() == bool(model.targets)
        usual = world.billing.catalog.recurring_minor(model.after(), "usd")
        assert usual == view["next_invoice"]["amount"]["amount_minor"]
        bought = {i["id"] for i in await world.invoices() if i["billing_reason"] == "subscription_update"}
        assert bought == self.invoices - {None}

    async def _active(self) -> int:
        customer = (await self.world.view())["stripe_customer_id"]
        found = (await self.world.stripe("GET", SCHEDULES, customer=customer))["data"]
        return sum(each["status"] in ("active", "not_started") for each in found)


@asynccontextmanager
async def impatient(world: World) -> AsyncIterator[None]:
    """What would be tried again in seconds or minutes is tried again at once."""

    async def hurry() -> None:
        while True:
            await world.billing.pool.execute(
                """UPDATE change_leg
                      SET next_attempt_at = now(), clean_read_at = clean_read_at - interval '1 s'
                    WHERE ended_at IS NULL AND state <> 'scheduled' AND next_attempt_at > now()"""
            )
            await asyncio.sleep(0.3)

    hurrying = asyncio.create_task(hurry())
    try:
        yield
    finally:
        hurrying.cancel()
        with suppress(asyncio.CancelledError):
            await hurrying


@pytest.mark.parametrize(
    "seed", [0, 1, *(pytest.param(seed, marks=pytest.mark.proof) for seed in range(2, 8))]
)
async def test_the_account_is_what_the_model_says(world: World, seed: int) -> None:
    """Increases, decreases, carts, withdrawals, time and failing calls in any order."""
    start = {"seats": 6, "contact_limit": 2500}
    await world.sell(*(replace(MARKETING, contact_limit=band, seats=9) for band in BANDS))
    await world.account()
    await world.change(replace(MARKETING, **start).to_json())
    await world.pass_time(DAY)
    life, story = Life(world, random.Random(seed), Model(start)), []
    async with impatient(world):
        try:
            for _ in range(STEPS):
                story.append(await life.step())
        except AssertionError as error:
            raise AssertionError(f"seed {seed}, after {story}: {error}") from error
