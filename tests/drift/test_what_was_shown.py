"""Decisions about a finding hold for what was shown, and for nothing else."""

from __future__ import annotations

from typing import Any

import pytest
from structlog.testing import capture_logs

from sync.errors import BadInput, Code, Conflict
from sync.gateway import ObjectPage
from sync.reconcile import accept as accepting
from sync.reconcile import repair as repairing
from sync.reconcile.anew import reconcile_account
from sync.reconcile.finding_views import digest_of
from sync.reconcile.repair_sides import Side
from sync.reconcile.shown import require, try_out
from sync.rules.drift import FindingKind
from sync.store import repairs
from sync.store.db import transaction
from sync.telemetry import LogEvent
from tests.drift.edits import BY, accept, by_hand, find, item, more_seats, repair, set_item
from tests.drift.sweeping import findings_of, sweep
from tests.faults.hands import Hands
from tests.flows.world import MARKETING

SCHEDULES = "/v1/subscription_schedules"


async def test_other_terms_than_were_shown_are_not_taken_over(slow: Hands) -> None:
    """Seven more were shown and four hundred are there by now: refused, with the dry run of now."""
    world = slow.world
    finding = await more_seats(world)
    run = (await try_out(world.billing, finding.id, Side.STRIPE))["dry_run"]
    await set_item(world, "seats", quantity=400)
    with pytest.raises(Conflict) as no:
        await repairing.repair(world.billing, finding.id, **BY, side=Side.STRIPE, expect=run["digest"])
    shown: Any = no.value.extra["dry_run"]
    assert (Code.FINDING_CHANGED, 403) == (no.value.code, shown["terms"]["after"]["seats"])
    assert MARKETING.to_json() == (await world.view())["terms"]
    with pytest.raises(BadInput):
        await repairing.repair(world.billing, finding.id, **BY, side=Side.STRIPE)
    done = await repairing.repair(world.billing, finding.id, **BY, side=Side.STRIPE, expect=shown["digest"])
    assert ("repaired", 403) == (done["state"], (await world.view())["terms"]["seats"])


async def test_what_went_by_itself_is_not_repaired_any_more(slow: Hands) -> None:
    """Two differences, and the one that was decided about is gone: the other one stays for a decision."""
    world = slow.world
    finding = await more_seats(world)
    await set_item(world, "base", quantity=2)
    await set_item(world, "seats", quantity=0)
    done = await repair(world.billing, finding.id, **BY)
    assert ("repaired", "A fresh look") == (done["state"], done["repairs"][0]["detail"][:12])
    assert 2 == (await item(world, "base"))["quantity"]


async def test_something_else_than_was_shown_is_not_accepted(slow: Hands) -> None:
    """A sweep finds more between the look and the yes; who accepted the former is told, and so is on-call."""
    world = slow.world
    finding = await more_seats(world)
    seen = digest_of(finding)
    await set_item(world, "seats", quantity=400)
    with capture_logs() as told:
        await sweep(world)
    assert 1 == sum(each["event"] == LogEvent.DRIFT_FOUND for each in told), "an open one got worse"
    with pytest.raises(Conflict) as no:
        await accepting.accept(world.billing, finding.id, actor="olga", reason="a gift", expect=seen)
    async with transaction(world.billing.pool) as conn:
        assert not await repairs.accept_finding(conn, finding, "olga", "a sweep came between read and write")
    now: Any = no.value.extra["finding"]
    assert (Code.FINDING_CHANGED, 400, "open") == (no.value.code, now["found"]["quantity"], now["state"])
    await accepting.accept(world.billing, finding.id, actor="olga", reason="gift", expect=now["digest"])
    with capture_logs() as told:
        await sweep(world)
        await set_item(world, "seats", quantity=900)
        await sweep(world)
        await sweep(world)
    assert "open" == (await require(world.billing, finding.id)).state
    assert 1 == sum(each["event"] == LogEvent.DRIFT_FOUND for each in told), "told once, as it opened again"


async def test_an_accepted_subscription_of_somebody_else_opens_with_its_quantities(slow: Hands) -> None:
    """Accepted with one seat, it is another one with five hundred."""
    world = slow.world
    price = (await item(world, "base"))["price"]["id"]
    customer = (await world.view())["stripe_customer_id"]
    items = [{"price": price, "quantity": 1}]
    made = await by_hand(world, "/v1/subscriptions", customer=customer, items=items)
    finding = await find(world, FindingKind.SECOND_SUBSCRIPTION)
    await accept(world.billing, finding.id, actor="olga", reason="of another brand")
    path = f"/v1/subscription_items/{made['items']['data'][0]['id']}"
    await by_hand(world, path, quantity=500, proration_behavior="none")
    await sweep(world)
    [row] = await findings_of(world)
    assert ("open", [{"price": price, "quantity": 500}]) == (row.state, row.found["items"])


async def test_an_accepted_schedule_of_somebody_else_opens_with_its_phases(slow: Hands) -> None:
    """Accepted as it was, it is another one once anybody edits it."""
    world = slow.world
    subscription = (await world.view())["stripe_subscription_id"]
    made = await by_hand(world, SCHEDULES, from_subscription=subscription)
    finding = await find(world, FindingKind.SCHEDULE_FOREIGN)
    await accept(world.billing, finding.id, actor="olga", reason="of the migration")
    await sweep(world)
    assert "accepted" == (await require(world.billing, finding.id)).state
    await by_hand(world, f"{SCHEDULES}/{made['id']}", end_behavior="cancel")
    await sweep(world)
    assert "open" == (await require(world.billing, finding.id)).state


@pytest.mark.parametrize("before", [0, 3], ids=["nothing", "something else"])
async def test_a_look_undoes_nothing_that_was_seen_after_it_began(slow: Hands, before: int) -> None:
    """Two looks overlap: what the younger one found, and somebody accepted, stays as it is."""
    world = slow.world
    await set_item(world, "seats", quantity=before)
    await sweep(world)
    plain, found = world.billing.gateway.list_objects, []

    async def slowly(kind: str, params: Any, *, starting_after: str | None = None) -> ObjectPage:
        page = await plain(kind, params, starting_after=starting_after)
        if not found:
            found.append("the younger look reads, too")
            finding = await more_seats(world)
            await accept(world.billing, finding.id, actor="olga", reason="a gift")
            found.append(finding.id)
        return page

    world.billing.gateway.list_objects = slowly  # type: ignore[method-assign]
    await reconcile_account(world.billing, "acme")  # it has read the subscription before the edit
    for _ in range(2):
        row = await require(world.billing, found[1])
        assert ("accepted", 7) == (row.state, row.found["quantity"])
        await sweep(world)
