"""What a sweep cannot judge: counted, told, looked at again, and never taken for right."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from structlog.testing import capture_logs

from sync.errors import Code, Refused
from sync.gateway import ObjectPage, ObjectRead
from sync.mirror_rows import Kind
from sync.reconcile import freshness
from sync.reconcile.look import TRIES
from sync.reconcile.repair_sides import Side
from sync.rules.drift import FindingKind
from sync.telemetry import LogEvent
from tests.drift.edits import BY, find, more_seats, repair, set_item
from tests.drift.sweeping import sweep, waiting, waiting_after
from tests.drift.test_repair_sides import promised
from tests.faults.hands import Hands
from tests.flows.world import World
from worker import doctor_truth
from worker.findings import Status

WRONG = [("wrong_quantity", "acme")]


async def test_an_account_that_stripe_does_not_show_is_not_taken_for_right(slow: Hands) -> None:
    """The sweep comes to its end and is no success: the log, the doctor and the clock of sweeps say so."""
    world = slow.world
    await set_item(world, "seats", quantity=7)
    await slow.fault(method="GET", path="/v1/customers/*", status=403, times=-1)
    with capture_logs() as told:
        assert 1 == (await sweep(world)).unjudged
    assert LogEvent.SWEEP_FINISHED not in [each["event"] for each in told]
    assert LogEvent.SWEEP_INCOMPLETE in [each["event"] for each in told]
    assert [] == await waiting(world)
    assert None is (await freshness.freshness(world.billing.pool)).swept_at
    assert Status.WARN is (await doctor_truth.sweep(world.billing.pool)).status
    await world.control("DELETE", "faults")
    assert 0 == (await sweep(world)).unjudged
    assert WRONG == await waiting(world)
    assert Status.OK is (await doctor_truth.sweep(world.billing.pool)).status


async def test_an_account_that_would_not_rest_is_looked_at_again_before_the_end(slow: Hands) -> None:
    """Its tables move under every try of the first look; afterwards it rests, and is judged."""
    world = slow.world
    await set_item(world, "seats", quantity=7)
    restless(world)
    tally = await sweep(world)
    assert (2, 0) == (tally.looks, tally.unjudged)
    assert WRONG == await waiting(world)


async def test_a_look_that_judged_nothing_says_so(slow: Hands) -> None:
    """Not that it found it still: the finding stays, and whoever asked asks again."""
    world = slow.world
    finding = await more_seats(world)
    restless(world)
    found = await repair(world.billing, finding.id, **BY, side=Side.REFRESH)
    assert ("open", "failed") == (found["state"], found["repairs"][0]["outcome"])
    assert "nobody can say" in found["repairs"][0]["detail"]
    restless(world)
    with pytest.raises(Refused) as no:
        await repair(world.billing, finding.id, **BY)
    assert (Code.CHANGE_IN_PROGRESS, True) == (no.value.code, no.value.retryable)
    assert "repaired" == (await repair(world.billing, finding.id, **BY))["state"]


async def test_an_object_of_an_unknown_shape_keeps_no_other_from_being_judged(slow: Hands) -> None:
    """Listed by itself, or inside of a subscription: it is counted, and the sweep comes to its end."""
    world = slow.world
    await set_item(world, "seats", quantity=7)
    customer = (await world.view())["stripe_customer_id"]
    odd = {"object": "subscription_schedule", "id": "sub_sched_odd", "status": "not_started", "phases": "odd"}

    def beside(page: ObjectPage) -> ObjectPage:
        now = world.billing.gateway.stripe_now()
        body = json.dumps({**odd, "customer": customer}).encode()
        return replace(page, reads=[*page.reads, ObjectRead(Kind.SCHEDULE, "sub_sched_odd", body, now, now)])

    listed_otherwise(world, Kind.SCHEDULE, beside)
    assert 1 == (await sweep(world)).unjudged
    assert WRONG == await waiting(world)


async def test_a_schedule_of_an_unknown_shape_stops_no_sweep(slow: Hands) -> None:
    """Of its subscription nobody can say anything, and nobody does."""
    world = slow.world
    await promised(slow)
    await set_item(world, "seats", quantity=9)

    def inside(page: ObjectPage) -> ObjectPage:
        bodies = [json.loads(read.body or b"{}") for read in page.reads]
        for body in bodies:
            body["schedule"] = {**body["schedule"], "phases": "odd"}
        reads = zip(page.reads, bodies, strict=True)
        return replace(page, reads=[replace(read, body=json.dumps(body).encode()) for read, body in reads])

    listed_otherwise(world, Kind.SUBSCRIPTION, inside)
    assert 1 == (await sweep(world)).unjudged
    assert [] == await waiting(world)


async def test_a_permission_that_is_missing_ends_no_sweep(slow: Hands) -> None:
    """The portal may not be read: whatever comes after it in the sweep is done all the same."""
    world = slow.world
    await find(world, FindingKind.INVOICE_UNEXPLAINED)  # made up: it is over with the next look
    await slow.fault(method="GET", path="/v1/billing_portal/configurations", status=403, times=-1)
    assert 1 == (await sweep(world)).unjudged
    assert [] == await waiting(world)
    await world.control("DELETE", "faults")
    assert [] == await waiting_after(world)


def restless(world: World) -> None:
    """Something of the account moves under each try of the next look; afterwards it rests."""
    plain, reads = world.billing.gateway.read_object, []

    async def moving(kind: str, object_id: str, *, urgent: bool = False) -> ObjectRead:
        found = await plain(kind, object_id, urgent=urgent)
        if kind == Kind.SUBSCRIPTION and len(reads) < TRIES:
            reads.append(object_id)
            moved = f"sub_sched_{len(reads)}" if len(reads) < TRIES else None
            await world.billing.pool.execute("UPDATE account SET stripe_schedule_id = $1", moved)
        return found

    world.billing.gateway.read_object = moving  # type: ignore[method-assign]


def listed_otherwise(world: World, kind: Kind, edit: Callable[[ObjectPage], ObjectPage]) -> None:
    """Lists of this kind come with something that no version of ours knows."""
    plain = world.billing.gateway.list_objects

    async def odd(of: str, params: Any, *, starting_after: str | None = None) -> ObjectPage:
        page = await plain(of, params, starting_after=starting_after)
        return edit(page) if of == kind and "customer" not in params else page

    world.billing.gateway.list_objects = odd  # type: ignore[method-assign]
