"""Accepting: a person lets a finding stay, for as long as it stays the same."""

from __future__ import annotations

import pytest

from sync.errors import BadInput, Code, Conflict, NotFound
from sync.reconcile.anew import reconcile_account
from sync.reconcile.shown import require
from sync.rules.drift import FindingKind
from tests.drift.edits import (
    BY,
    accept,
    find,
    money,
    more_seats,
    posts,
    repair,
    set_item,
)
from tests.faults.hands import Hands


async def test_accepted_it_stays_so_while_it_stays_the_same(slow: Hands) -> None:
    """Seen again it only grows older; another quantity opens it again; back as bought it is gone."""
    world = slow.world
    finding = await more_seats(world)
    before, sent = await money(world), await posts(slow)
    found = await accept(world.billing, finding.id, actor="olga", reason="A gift for March.")
    assert ("accepted", "olga", "A gift for March.") == (found["state"], found["decided_by"], found["reason"])
    for _ in range(2):
        await reconcile_account(world.billing, "acme")
    again = await require(world.billing, finding.id)
    assert ("accepted", 3) == (again.state, again.times_seen)
    assert (before, sent) == (await money(world), await posts(slow))
    await set_item(world, "seats", quantity=9)
    assert finding.id == (await find(world, FindingKind.WRONG_QUANTITY)).id
    assert "open" == (await require(world.billing, finding.id)).state
    await set_item(world, "seats", quantity=0)
    await reconcile_account(world.billing, "acme")
    assert "gone" == (await require(world.billing, finding.id)).state


async def test_accepted_it_can_still_be_repaired(slow: Hands) -> None:
    """Somebody thought better of it."""
    finding = await more_seats(slow.world)
    await accept(slow.world.billing, finding.id, actor="olga", reason="For now.")
    assert "repaired" == (await repair(slow.world.billing, finding.id, **BY))["state"]


async def test_what_is_over_is_not_decided(slow: Hands) -> None:
    """Neither accepted nor repaired; and who and why must be said."""
    billing = slow.world.billing
    finding = await more_seats(slow.world)
    with pytest.raises(BadInput):
        await accept(billing, finding.id, actor="olga", reason=" ")
    with pytest.raises(NotFound):
        await accept(billing, "fnd_nothing", actor="olga", reason="why")
    await repair(billing, finding.id, **BY)
    for decide in (accept, repair):
        with pytest.raises(Conflict) as over:
            await decide(billing, finding.id, actor="olga", reason="why")
        assert Code.FINDING_CLOSED == over.value.code
