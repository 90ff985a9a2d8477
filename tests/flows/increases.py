"""Random increases for many accounts at once, each quote held against the golden arithmetic."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from typing import Any

from sync.rules.catalog import Catalog
from sync.rules.terms import Terms
from tests.flows.golden import Golden, Items
from tests.flows.world import World


async def customers(world: World, count: int) -> dict[str, Golden]:
    """Accounts with a small marketing plan, and everything they could grow into on sale."""
    catalog = world.billing.catalog
    await world.sell(*reachable(catalog))
    start = Terms("marketing", "starter", 500, 1)
    goldens = {}
    for name in [f"acme{number}" for number in range(count)]:
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


async def increase_all(world: World, goldens: dict[str, Golden], dice: random.Random) -> list[dict[str, Any]]:
    """One increase for every account: quotes, time, confirms all at once; the settled changes."""
    quotes = {}
    for name, golden in goldens.items():
        terms = (await world.view(name))["terms"]
        quote = await world.quote(increase(terms, world.billing.catalog, dice), name)
        expected = golden.change(_items(world.billing.catalog, quote["now"]), quote["proration_date"])
        assert expected == _lines(quote), quote
        quotes[name] = quote
    await world.pass_time(dice.randint(1, 599))
    said = await asyncio.gather(*(world.confirm(quote) for quote in quotes.values()))
    return list(await asyncio.gather(*(world.settled(answer.body) for answer in said)))


def increase(terms: dict[str, Any], catalog: Catalog, dice: random.Random) -> dict[str, Any]:
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


def reachable(catalog: Catalog) -> list[Terms]:
    """What `increase` can come to."""
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
