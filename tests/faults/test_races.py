"""Several people, tabs and programs at once: what is true when the intent is committed counts."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.cli.shell import Shell
from tests.faults.hands import Hands
from tests.faults.processes import environment
from tests.flows.world import ADMIN, MARKETING, Said, World, whole_world

# Applied while the caller waited, or still being applied.
CONFIRMED = (200, 202)
BOB = {"user_id": "bob", "email": "bob@acme.example"}


@pytest.fixture
async def busy(database_url: str) -> AsyncIterator[World]:
    """Everything running, an account in the middle of its month."""
    async with whole_world(database_url) as world:
        world.patience = 10  # many ask at once
        await world.buy()
        await world.pass_time(14 * 86_400)
        yield world


async def charges(world: World) -> int:
    """How often the account was charged after its purchase."""
    ledger = (await world.control("GET", "ledger?kind=charge"))["data"]
    return len(ledger) - 1


async def confirm(world: World, quote: dict[str, Any], actor: str = ADMIN) -> Said:
    """Confirm from another tab: its key is its own."""
    return await world.call("POST", f"/v1/quotes/{quote['id']}/confirm", {"actor": actor})


async def test_demoted_admin_cannot_confirm(mid: Hands) -> None:
    """The actor must be the primary admin when the intent is committed, not only when the request came."""
    quote = await mid.world.quote({"seats": 8})
    held_up = mid.hold_up()
    path = f"/v1/quotes/{quote['id']}/confirm?wait=0"
    confirming = asyncio.create_task(mid.world.call("POST", path, {"actor": ADMIN}))
    await held_up.reached.wait()
    await mid.world.call("PUT", "/v1/accounts/acme/primary-admin", BOB)
    held_up.go_on.set()
    assert 403 == (await confirming).status


async def test_row_50_two_admins_confirm_different_changes_at_once(busy: World) -> None:
    """One admin follows the other, and both press the button: only the present one buys."""
    first = await busy.quote({"seats": 8})
    await busy.call("PUT", "/v1/accounts/acme/primary-admin", BOB)
    path = "/v1/accounts/acme/quotes"
    second = (await busy.call("POST", path, {"terms": {"seats": 12}, "actor": "bob"})).body
    said = await asyncio.gather(confirm(busy, first), confirm(busy, second, "bob"))
    assert (403, True) == (said[0].status, said[1].status in CONFIRMED)
    assert "settled" == (await busy.settled(said[1].body))["state"]
    assert 1 == await charges(busy)


async def test_row_50_two_wishes_confirmed_at_once_are_one_change(busy: World) -> None:
    """Two people press the button for different wishes: one is bought, the other one is told to look again,
    and is offered the amounts of now."""
    quotes = [await busy.quote({"seats": seats}) for seats in (8, 12)]
    said = await asyncio.gather(*(confirm(busy, quote) for quote in quotes))
    [won] = [each for each in said if each.status in CONFIRMED]
    [lost] = [each for each in said if each.status == 409]
    assert "settled" == (await busy.settled(won.body))["state"]
    again = await confirm(busy, quotes[said.index(lost)])
    assert (409, "quote_stale") == (again.status, again.body["code"])
    assert "new_quote" in again.body
    assert 1 == await charges(busy)


@pytest.mark.parametrize("same_key", [True, False], ids=["double click", "reload and back"])
async def test_row_51_one_quote_confirmed_again_and_again_is_one_change(busy: World, same_key: bool) -> None:
    """Five confirms at once, by a nervous finger or by pages that were loaded again: all show one change."""
    quote = await busy.quote({"seats": 8})
    keys = ["click"] * 5 if same_key else [f"page-{number}" for number in range(5)]
    said = await asyncio.gather(*(busy.confirm(quote, key) for key in keys))
    if same_key:
        # Whoever came while the first one was being worked on is told to come back, and then sees the same.
        said = [each if each.status != 409 else await busy.confirm(quote, "click") for each in said]
    assert {each.status for each in said} <= set(CONFIRMED), [each.body for each in said]
    assert 1 == len({each.body["id"] for each in said})
    assert "settled" == (await busy.settled(said[0].body))["state"]
    assert 1 == await charges(busy)


@pytest.mark.parametrize("applied", [True, False], ids=["bought meanwhile", "only confirmed meanwhile"])
async def test_row_51_tab_whose_reads_are_late_shows_the_change_of_the_other(
    mid: Hands, applied: bool
) -> None:
    """One quote in two tabs: what the late one finds in its way is its own quote's change, so it is shown
    that change, and not told that nothing was charged."""
    quote = await mid.world.quote({"seats": 8})
    held_up = mid.hold_up()
    path = f"/v1/quotes/{quote['id']}/confirm?wait=0"
    late = asyncio.create_task(mid.world.call("POST", path, {"actor": ADMIN}))
    await held_up.reached.wait()
    held_up.let_others_pass()
    change = await mid.confirm(quote)
    if applied:
        change = await mid.settle(await mid.step(change))
    held_up.go_on.set()
    said = await late
    assert (200 if applied else 202, change["id"]) == (said.status, said.body.get("id")), said.body
    assert change["state"] == said.body["state"]
    assert 1 == len((await mid.world.call("GET", "/v1/changes?account_id=acme")).body["data"]) - 1


async def test_row_51_two_tabs_with_two_quotes_are_one_change(busy: World) -> None:
    """Two tabs, each with its own quote for the same wish, confirmed at once: one is bought, the other one is
    refused with what is true now."""
    quotes = [await busy.quote({"seats": 8}) for _ in range(2)]
    said = await asyncio.gather(*(confirm(busy, quote) for quote in quotes))
    [won] = [each for each in said if each.status in CONFIRMED]
    assert 1 == len([each for each in said if each.status == 409])
    assert "settled" == (await busy.settled(won.body))["state"]
    assert 1 == await charges(busy)


async def test_row_51_api_and_command_line_together_are_one_change(busy: World, tmp_path: Path) -> None:
    """The admin presses the button while support types the command: one change, one charge."""
    quote = await busy.quote({"seats": 8})
    shell = Shell(tmp_path, environment(busy))
    typed, pressed = await asyncio.gather(
        shell.run("confirm", quote["id"], "--as", ADMIN, "--yes", "--json"), confirm(busy, quote)
    )
    assert (0, True) == (typed.code, pressed.status in CONFIRMED), (typed.err, pressed.body)
    assert typed.data["id"] == pressed.body["id"]
    assert "settled" == (await busy.settled(pressed.body))["state"]
    assert 1 == await charges(busy)


async def test_row_53_a_price_that_was_archived_after_the_quote(busy: World) -> None:
    """It is not sold any more when the admin confirms: refused, and nothing is charged."""
    await busy.sell(replace(MARKETING, contact_limit=2500))
    quote = await busy.quote({"contact_limit": 2500})
    key = next(line["price_lookup_key"] for line in quote["due_today_lines"] if line["kind"] == "charge")
    prices = (await busy.stripe("GET", "/v1/prices", limit="100"))["data"]
    [price] = [each for each in prices if each["lookup_key"].startswith(key)]
    archived = {"path": f"/v1/prices/{price['id']}", "params": {"active": False}}
    await busy.control("POST", "dashboard", archived)
    said = await confirm(busy, quote)
    assert 400 <= said.status < 500, said.body
    assert 0 == await charges(busy)


async def test_row_58_cancelled_in_the_dashboard_after_the_quote(busy: World) -> None:
    """There is nothing left to change: refused, nothing charged, and we know that it has ended."""
    quote = await busy.quote({"seats": 8})
    path = f"/v1/subscriptions/{(await busy.subscription())['id']}"
    await busy.control("POST", "dashboard", {"method": "DELETE", "path": path})
    said = await confirm(busy, quote)
    assert 409 == said.status, said.body
    assert 0 == await charges(busy)

    async def is_known() -> bool:
        return bool((await busy.view())["subscription_status"] == "canceled")

    await busy.eventually(is_known)


async def test_row_58_cancelled_in_the_dashboard_after_the_confirm(mid: Hands) -> None:
    """Confirmed, and cancelled before the call leaves: it ends without effect."""
    change = await mid.confirm(await mid.world.quote({"seats": 8}))
    path = f"/v1/subscriptions/{(await mid.world.subscription())['id']}"
    await mid.world.control("POST", "dashboard", {"method": "DELETE", "path": path})
    change = await mid.step(change)
    assert ("failed", 0) == (change["state"], await mid.charged(change))
