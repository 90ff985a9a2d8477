"""SIGKILL on each side of every commit and call of a command: typed again, it comes to its end."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from sync.steps import Call, Chore
from tests.faults import doing
from tests.faults.places import BOUGHT
from tests.faults.stories import around, call
from tests.faults.test_kills_elsewhere import bought, world
from tests.faults.workers import Doing, doer, worker
from tests.flows.world import World

CATALOG = around(call(Call.PRODUCT), call(Call.PRICE))
SWEPT = around(Chore.SWEEP_PAGE)
FILLED = around(Chore.BACKFILL_PAGE)
ADOPTED = around(Chore.ADOPT)
REPAIRED = around(Chore.BEGIN_REPAIR, call(Call.REPAIR), Chore.END_REPAIR)
DIED_AT = (*CATALOG, *SWEPT, *FILLED, *ADOPTED, *REPAIRED)

__all__ = ["world"]


@pytest.mark.parametrize("point", CATALOG)
async def test_killed_push_can_be_repeated(world: World, tmp_path: Path, point: str) -> None:
    """A catalog push dies around a call: the next one goes on, and no price exists twice."""
    await dies_and_is_repeated(world, tmp_path, doing.push, point)
    keys: list[str] = []
    more: dict[str, str] = {}
    while True:
        page = await world.stripe("GET", "/v1/prices", limit="100", **more)
        keys += [price["lookup_key"] for price in page["data"]]
        if not page["has_more"]:
            break
        more = {"starting_after": page["data"][-1]["id"]}
    assert len(keys) == len(set(keys))
    assert len(world.billing.catalog.amounts) > 0
    sold = await world.billing.pool.fetchval("SELECT count(*) FROM catalog_price")
    assert sold == len(keys)


async def dies_and_is_repeated(world: World, folder: Path, what: Doing, point: str) -> None:
    """A command dies at the point; typed again, it comes to its end."""
    async with doer(world.settings, folder, what, point) as doomed:
        await doomed.dies()
    async with doer(world.settings, folder, what) as second:
        assert 0 == await second.ended(), second.log.read_text()[-2000:]


async def more_seats_by_hand(world: World) -> None:
    """Somebody adds a seat in the dashboard."""
    items = (await world.subscription())["items"]["data"]
    seats = next(item for item in items if ":seats:" in item["price"]["lookup_key"])
    edit = {"quantity": seats["quantity"] + 1, "proration_behavior": "none"}
    path = f"/v1/subscription_items/{seats['id']}"
    await world.control("POST", "dashboard", {"path": path, "params": edit})


async def findings_of(world: World, state: str) -> list[str]:
    """The kinds of the findings in a state."""
    rows = await world.billing.pool.fetch("SELECT kind FROM finding WHERE state = $1 ORDER BY kind", state)
    return [row["kind"] for row in rows]


@pytest.mark.parametrize("point", SWEPT)
async def test_row_8_a_sweep_that_is_killed_finds_what_is_there_and_no_more(
    world: World, tmp_path: Path, point: str
) -> None:
    """It dies around the commit of a page: the next one finds the one difference, once."""
    await bought(world, tmp_path)
    await more_seats_by_hand(world)
    await dies_and_is_repeated(world, tmp_path, doing.sweep, point)
    assert ["wrong_quantity"] == await findings_of(world, "open")


@pytest.mark.parametrize("point", REPAIRED)
async def test_a_repair_that_is_killed_is_made_once(world: World, tmp_path: Path, point: str) -> None:
    """It dies around its commits or its call: a worker ends it, or it never began and is typed again."""
    await bought(world, tmp_path)
    before = await world.subscription()
    await more_seats_by_hand(world)
    async with doer(world.settings, tmp_path, doing.sweep) as sweeper:
        assert 0 == await sweeper.ended()
    async with doer(world.settings, tmp_path, doing.repair, point) as doomed:
        await doomed.dies()
    # As if the dead one's lease were over.
    again = "UPDATE repair SET leased_until = '-infinity', next_attempt_at = now() WHERE ended_at IS NULL"
    await world.billing.pool.execute(again)
    async with worker(world.settings, tmp_path):
        await world.eventually(lambda: _no_repair_is_open(world))
    async with doer(world.settings, tmp_path, doing.repair) as second:
        assert 0 == await second.ended()
    assert ["wrong_quantity"] == await findings_of(world, "repaired")
    items = [(item["id"], item["quantity"]) for item in (await world.subscription())["items"]["data"]]
    assert [(item["id"], item["quantity"]) for item in before["items"]["data"]] == items
    assert 1 == len((await world.control("GET", "ledger?kind=charge"))["data"])


async def _no_repair_is_open(world: World) -> bool:
    return bool(await world.billing.pool.fetchval("SELECT count(*) = 0 FROM repair WHERE ended_at IS NULL"))


@pytest.mark.parametrize("point", FILLED)
async def test_a_backfill_that_is_killed_goes_on(world: World, tmp_path: Path, point: str) -> None:
    """It dies around the commit of a page: the next one brings everything into the mirror."""
    await bought(world, tmp_path)
    await world.billing.pool.execute("DELETE FROM stripe_object")
    await dies_and_is_repeated(world, tmp_path, doing.backfill, point)
    subscription = (await world.view())["stripe_subscription_id"]
    found = "SELECT count(*) FROM stripe_object WHERE id = $1"
    assert 1 == await world.billing.pool.fetchval(found, subscription)


@pytest.mark.parametrize("point", ADOPTED)
async def test_an_adoption_that_is_killed_goes_on(world: World, tmp_path: Path, point: str) -> None:
    """It dies around the commit of a subscription: typed again, each is somebody's, once."""
    await world.sell(BOUGHT)
    items = world.billing.catalog.items_for(BOUGHT, "usd")
    found = (await world.stripe("GET", "/v1/prices", limit="100"))["data"]
    prices = {each["lookup_key"].rsplit(":", 1)[0]: each["id"] for each in found}
    params: dict[str, Any] = {}
    for place, (slot, quantity) in enumerate(items.items()):
        params |= {f"items[{place}][price]": prices[slot.key], f"items[{place}][quantity]": quantity}
    card = {"payment_method": "pm_card_visa", "invoice_settings[default_payment_method]": "pm_card_visa"}
    for number in range(3):
        email = f"ada{number}@acme.example"
        customer = await world.stripe("POST", "/v1/customers", email=email, name="Acme", **card)
        await world.stripe("POST", "/v1/subscriptions", customer=customer["id"], **params)
    await dies_and_is_repeated(world, tmp_path, doing.adopt, point)
    rows = "SELECT count(*), count(DISTINCT account_id) FROM account_terms WHERE ended_at IS NULL"
    assert (3, 3) == tuple(await world.billing.pool.fetchrow(rows))
