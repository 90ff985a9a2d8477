"""Two hundred random increases in mid-cycle, by two workers of which one is killed on the way."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from sync.rules.catalog import Catalog
from sync.rules.terms import Terms
from tests.faults.processes import child
from tests.flows.golden import Golden, Items
from tests.flows.world import World, whole_world

ACCOUNTS, ROUNDS, SEED = 20, 10, 20261123


@pytest.fixture
async def world(database_url: str) -> AsyncIterator[World]:
    """Doors here, work in children."""
    async with whole_world(database_url, work=False) as made:
        yield made


async def test_every_charge_is_the_quote_to_the_cent(world: World, tmp_path: Path) -> None:
    """1-599 s between quote and confirm: each line is the golden one, each change has one effect."""
    dice = random.Random(SEED)
    async with child(world, tmp_path, "work") as first, child(world, tmp_path, "work"):
        goldens = await _customers(world)
        settled: list[dict[str, Any]] = []
        for number in range(ROUNDS):
            if number == ROUNDS // 2:
                first.kill()
            settled += await _round(world, goldens, dice)
            await world.pass_time(dice.randint(1, 2 * 86_400))
    assert ACCOUNTS * ROUNDS == len(settled)
    assert {("settled", 0)} == {(change["state"], change["now"]["difference_minor"]) for change in settled}
    await _one_effect_each(world, settled)


async def _customers(world: World) -> dict[str, Golden]:
    """Accounts with a small marketing plan, and everything they could grow into on sale."""
    catalog = world.billing.catalog
    await world.sell(*_reachable(catalog))
    start = Terms("marketing", "starter", 500, 1)
    goldens = {}
    for name in [f"acme{number}" for number in range(ACCOUNTS)]:
        await world.account(name)
        await world.change(start.to_json(), name)
        item = (await world.subscription(name))["items"]["data"][0]
        goldens[name] = Golden(
            _items(catalog, start.to_json()),
            {slot.key: minor for slot, minor in catalog.amounts.items()},
            item["current_period_start"],
            item["current_period_end"],
        )
    await world.pass_time(3600)
    return goldens


async def _round(world: World, goldens: dict[str, Golden], dice: random.Random) -> list[dict[str, Any]]:
    """One increase for every account: quotes, time, confirms all at once."""
    quotes = {}
    for name, golden in goldens.items():
        terms = (await world.view(name))["terms"]
        quote = await world.quote(_increase(terms, world.billing.catalog, dice), name)
        expected = golden.change(_items(world.billing.catalog, quote["now"]), quote["proration_date"])
        assert expected == _lines(quote), quote
        quotes[name] = quote
    await world.pass_time(dice.randint(1, 599))
    said = await asyncio.gather(*(world.confirm(quote) for quote in quotes.values()))
    return list(await asyncio.gather(*(world.settled(answer.body, wait=30) for answer in said)))


def _increase(terms: dict[str, Any], catalog: Catalog, dice: random.Random) -> dict[str, Any]:
    """A random wish for more: one to three of seats, contacts, tier, add-on, bundle."""
    tiers, bands = list(catalog.tiers), list(catalog.bands)
    wishes: list[dict[str, Any]] = [
        {"seats": terms["seats"] + dice.randint(1, 4)},
        {"add_ons": {"sms": terms["add_ons"].get("sms", 0) + 1}},
    ]
    if terms["contact_limit"] != bands[-1]:
        wishes.append({"contact_limit": dice.choice(bands[bands.index(terms["contact_limit"]) + 1 :][:2])})
    if terms["tier"] != tiers[-1]:
        wishes.append({"tier": tiers[tiers.index(terms["tier"]) + 1]})
    if terms["product"] == "marketing":
        wishes.append({"product": "bundle"})
    wanted: dict[str, Any] = {}
    for wish in dice.sample(wishes, dice.randint(1, min(3, len(wishes)))):
        wanted |= wish
    if "seats" in wanted:
        # Seats that a higher tier or the bundle includes anyway may not be undercut.
        after = (wanted.get("product", terms["product"]), wanted.get("tier", terms["tier"]))
        wanted["seats"] = max(wanted["seats"], catalog.included_seats(*after) or 0)
    return wanted


def _reachable(catalog: Catalog) -> list[Terms]:
    return [
        Terms(product, tier, band, 20, {"sms": 1})
        for product in ("marketing", "bundle")
        for tier in catalog.tiers
        for band in catalog.bands
    ]


def _items(catalog: Catalog, terms: dict[str, Any]) -> Items:
    slots = catalog.items_for(Terms.from_json(terms), "usd")
    return {slot.part: (slot.key, quantity) for slot, quantity in slots.items()}


def _lines(quote: dict[str, Any]) -> Counter[tuple[str, int]]:
    """The quote's prorated lines; what moves on the balance is no line of the change."""
    return Counter(
        (line["price_lookup_key"], line["amount_minor"])
        for line in quote["due_today_lines"]
        if line["kind"] in ("credit", "charge") and line["amount_minor"]
    )


async def _one_effect_each(world: World, changes: list[dict[str, Any]]) -> None:
    """The local Stripe's own ledger: one update a change, and one charge where something was due."""
    entries = (await world.control("GET", "ledger"))["data"]
    seen = Counter((entry["change_id"], entry["kind"]) for entry in entries)
    for change in changes:
        due = change["now"]["quoted"]["amount_minor"]
        assert 1 == seen[change["id"], "subscription_updated"]
        assert (1 if due else 0) == seen[change["id"], "charge"]
