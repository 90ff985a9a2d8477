"""The drift corpus: every edit of one list is found with its type, and none of the other raises an alarm."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import AsyncIterator

import pytest

from sync.errors import Refused
from sync.reconcile import stale
from sync.reconcile.anew import reconcile_account
from sync.reconcile.repair_sides import Side, advice
from sync.reconcile.shown import require
from sync.store import findings
from tests.drift import differences, harmless
from tests.drift.edits import BY, money, repair
from tests.drift.places import DAY, Place, edit_all, settle_down
from tests.drift.sweeping import catch_up_mirror, findings_of, sweep
from tests.flows.world import World, whole_world

MONTH = 31 * DAY
# A price by hand may stand for the item that is missing.
LEFT_TO_PEOPLE = {f"a manual price for the {part}" for part in ("base", "contacts", "seats")}


@pytest.fixture
async def world(database_url: str) -> AsyncIterator[World]:
    """Doors, and nobody who works by itself."""
    async with whole_world(database_url, work=False) as made:
        yield made


async def found(world: World, places: dict[str, Place]) -> dict[str, set[str]]:
    """The kinds of finding of each account, those that were over at once included."""
    names = {place.account_id: name for name, place in places.items()}
    kinds: dict[str, set[str]] = defaultdict(set)
    for row in await findings_of(world):
        kinds[names.get(row.account_id or "", "nobody")].add(row.kind)
    return dict(kinds)


async def test_every_difference_is_found_with_its_type_by_one_sweep(world: World) -> None:
    """And a look at each account by itself finds nothing else, and nothing twice."""
    cases = list(differences.cases())
    assert 40 <= len(cases) == len({name for name, _, _ in cases})
    places = await settle_down(world, [name for name, _, _ in cases])
    await world.pass_time(differences.HALF_MONTH)
    await catch_up_mirror(world)
    await sweep(world)
    assert {} == await found(world, places)
    # What was delivered before explains nothing of what comes.
    await world.billing.pool.execute("UPDATE inbox SET received_at = now() - interval '1 hour'")
    await edit_all(places, {name: edit for name, _, edit in cases})
    await world.control("POST", "account", {"portal_changes_plans": True})
    await catch_up_mirror(world)
    await sweep(world, grace_seconds=0)
    await stale.judge(world.billing.pool)
    expected = {name: {str(kind) for kind in kinds} for name, kinds, _ in cases}
    assert {**expected, "nobody": {"portal_allows_updates"}} == await found(world, places)
    before = {row.id for row in await findings_of(world)}
    for place in places.values():
        await reconcile_account(world.billing, place.account_id)
    assert before == {row.id for row in await findings_of(world)}
    assert LEFT_TO_PEOPLE == await repair_all(world, places)


async def repair_all(world: World, places: dict[str, Place]) -> set[str]:
    """Repair whatever our side may win; returns the cases that were refused. No money may move."""
    names = {place.account_id: name for name, place in places.items()}
    before, refused = await money(world), set()
    for row in await findings_of(world, state="open"):
        if advice(row.kind).side is Side.OURS and (await require(world.billing, row.id)).state == "open":
            try:
                done = await repair(world.billing, row.id, **BY)
                assert "repaired" == done["state"], (names[row.account_id or ""], done["repairs"])
            except Refused:
                refused.add(names[row.account_id or ""])
    assert before == await money(world)
    left = await findings_of(world, state="open")
    assert refused >= {names[row.account_id or ""] for row in left if advice(row.kind).side is Side.OURS}
    return refused


async def test_no_harmless_edit_raises_an_alarm(world: World) -> None:
    """Neither right after it, nor after a renewal, nor after the one that follows."""
    cases = list(harmless.cases())
    assert 40 <= len(cases) == len({name for name, _ in cases})
    places = await settle_down(world, [name for name, _ in cases])
    await world.pass_time(differences.HALF_MONTH)
    await edit_all(places, dict(cases))
    await catch_up_mirror(world)
    await sweep(world, grace_seconds=0)
    await stale.judge(world.billing.pool)
    assert {} == await found(world, places)
    for place in places.values():
        await reconcile_account(world.billing, place.account_id)
    assert {} == await found(world, places)
    await world.pass_time(MONTH)
    await catch_up_mirror(world)
    await sweep(world, grace_seconds=0)
    assert {} == await found(world, places)
    assert {} == await findings.open_by_kind(world.billing.pool)
