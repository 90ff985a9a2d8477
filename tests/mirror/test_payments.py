"""How invoices are paid and what is scheduled: each life in every order, and hints that are read."""

from __future__ import annotations

import itertools
import json
from typing import Any

import pytest

from handlers.inbox import InboxEvent
from sync.gateway import ObjectRead
from sync.refresh import Refresh
from sync.store.db import Pool
from tests.mirror.builders import (
    SECOND,
    charge,
    event,
    intent,
    invoice_payment,
    phase,
    schedule,
)
from tests.mirror.conftest import Bench

TABLES = (
    "inbox, refresh, stripe_object, stripe_charge, stripe_payment_intent, stripe_invoice_payment, "
    "stripe_subscription_schedule, stripe_subscription_schedule_item"
)
FEWER = (phase(0, ("price_seat", 5)), phase(100, ("price_seat", 2), ("price_base", 1)))

# Each step of a life: what is shown, the event's type, and what it says was true before.
Life = list[tuple[dict[str, Any], str, dict[str, Any] | None]]
DEBIT: Life = [
    (charge(status="pending"), "charge.pending", None),
    (charge(), "charge.succeeded", None),
    (charge(amount_refunded=500), "charge.refunded", {"amount_refunded": 0}),
]
DECLINED: Life = [
    (charge(status="pending"), "charge.pending", None),
    (charge(status="failed", failure_code="card_declined"), "charge.failed", None),
]
BOUND_TO_BE_PAID: Life = [
    (intent(), "payment_intent.created", None),
    (intent(error="insufficient_funds"), "payment_intent.payment_failed", None),
    (intent(status="succeeded"), "payment_intent.succeeded", None),
]
VOIDED: Life = [
    (intent(), "payment_intent.created", None),
    (intent(status="requires_action"), "payment_intent.requires_action", None),
    (intent(status="canceled"), "payment_intent.canceled", None),
]
RELEASED: Life = [
    (schedule(), "subscription_schedule.created", None),
    (schedule(*FEWER), "subscription_schedule.updated", {"phases": schedule()["phases"]}),
    (
        schedule(
            *FEWER,
            status="released",
            subscription=None,
            released_subscription="sub_1",
            current_phase=None,
        ),
        "subscription_schedule.released",
        None,
    ),
]
LIVES = {
    "debit": DEBIT, "declined": DECLINED, "paid": BOUND_TO_BE_PAID, "voided": VOIDED, "released": RELEASED,
}  # fmt: skip


def told(life: Life, apart_seconds: int) -> list[InboxEvent]:
    return [
        event(
            shown, kind, previous=before, created=SECOND + n * apart_seconds, event_id=f"evt_{9 - n}_{kind}"
        )
        for n, (shown, kind, before) in enumerate(life)
    ]


async def held(pool: Pool) -> list[list[tuple[Any, ...]]]:
    """Every row of the new tables."""
    names = TABLES.split(", ")[3:]
    return [[tuple(row) for row in await pool.fetch(f"SELECT * FROM {name} ORDER BY 1, 2")] for name in names]


@pytest.mark.parametrize("apart_seconds", [0, 1])
@pytest.mark.parametrize("life", LIVES)
async def test_every_order_of_a_life_ends_the_same(bench: Bench, life: str, apart_seconds: int) -> None:
    """One by one, each twice, in one second or in several: the end is held, and nothing has to be read."""
    events = told(LIVES[life], apart_seconds)
    await bench.deliver(events[-1])
    end = await held(bench.pool)
    assert any(end)
    for order in itertools.permutations(events):
        await bench.pool.execute(f"TRUNCATE {TABLES}")
        for one in (*order, *order):
            await bench.deliver(one)
        assert await held(bench.pool) == end
    # The last order of all is the reverse one.
    assert await bench.doubts() == {}


async def test_a_life_in_one_batch_is_never_doubted(bench: Bench) -> None:
    """Everything of one second, all kinds together, shuffled by the ids of the events."""
    await bench.deliver(*(one for life in (DEBIT, VOIDED, RELEASED) for one in told(life, 0)))

    assert await bench.doubts() == {}
    assert await bench.pool.fetchval("SELECT status FROM stripe_payment_intent") == "canceled"


async def test_what_was_refunded_may_come_back(bench: Bench) -> None:
    """A refund that fails days later is undone: the smaller amount is the later one."""
    await bench.deliver(*told(DEBIT, 1))
    back = event(
        charge(), "charge.updated", previous={"amount_refunded": 500}, created=SECOND + 99, event_id="evt_b"
    )
    await bench.deliver(back)

    assert await bench.pool.fetchval("SELECT amount_refunded_minor FROM stripe_charge") == 0
    assert await bench.doubts() == {}


async def test_a_schedule_is_mirrored_with_its_phases(bench: Bench) -> None:
    """Price and quantity of each item of each phase, in Stripe's order."""
    await bench.deliver(event(schedule(*FEWER), "subscription_schedule.created"))

    rows = await bench.pool.fetch(
        "SELECT phase, price_id, quantity FROM stripe_subscription_schedule_item ORDER BY position"
    )
    assert [tuple(row) for row in rows] == [(0, "price_seat", 5), (1, "price_seat", 2), (1, "price_base", 1)]


async def test_an_invoice_payment_links_invoice_and_intent(bench: Bench) -> None:
    """Which payment intent paid which invoice."""
    await bench.deliver(event(invoice_payment(), "invoice_payment.paid"))

    row = await bench.pool.fetchrow("SELECT invoice_id, payment_intent_id FROM stripe_invoice_payment")
    assert row is not None
    assert tuple(row) == ("in_1", "pi_1")


class Stripe:
    """A reader that has one charge, disputed by now."""

    async def read_object(self, kind: str, object_id: str, *, urgent: bool = False) -> ObjectRead:
        assert (kind, object_id) == ("charge", "ch_1")
        return ObjectRead(kind, object_id, json.dumps(charge(disputed=True)).encode(), SECOND + 9, SECOND + 9)


@pytest.mark.parametrize("version", ["2026-10-28.endive", "2020-08-27"])
async def test_a_dispute_has_its_charge_read(bench: Bench, version: str) -> None:
    """A dispute is a hint: five events about it are one read, in whatever version they come."""
    dispute = {"id": "du_1", "object": "dispute", "charge": "ch_1", "status": "needs_response"}
    kinds = ["created", "funds_withdrawn", "updated", "funds_reinstated", "closed"]
    await bench.deliver(
        *(
            event(dispute, f"charge.dispute.{kind}", event_id=f"evt_{kind}", api_version=version)
            for kind in kinds
        )
    )
    assert await bench.doubts() == {"ch_1": "unreadable"}

    reads = await Refresh(bench.pool, Stripe(), bench.mirror).run_once()

    assert (reads, await bench.doubts()) == (1, {})
    assert await bench.pool.fetchval("SELECT disputed FROM stripe_charge") is True


@pytest.mark.parametrize(
    ("event_type", "refund", "doubted"),
    [
        ("refund.updated", {"charge": "ch_1", "status": "succeeded"}, False),
        ("refund.failed", {"charge": "ch_1", "status": "failed"}, True),
        ("refund.updated", {"charge": {"id": "ch_1"}, "status": "canceled"}, True),
        ("refund.failed", {"charge": None, "status": "failed"}, False),
    ],
)
async def test_only_a_refund_that_comes_back_has_its_charge_read(
    bench: Bench, event_type: str, refund: dict[str, Any], doubted: bool
) -> None:
    """What was given back is in `charge.refunded`; the other news of a refund change no charge."""
    await bench.deliver(event({"id": "re_1", "object": "refund"} | refund, event_type))

    assert bool(await bench.doubts()) is doubted
    assert await bench.state("evt_1") == ("finished" if doubted else "ignored")


@pytest.mark.parametrize(
    ("event_type", "shown"),
    [
        ("charge.updated", {"id": "ch_9", "object": "charge", "status": 7}),
        ("payment_intent.succeeded", {"id": "pi_9", "object": "payment_intent"}),
        ("subscription_schedule.updated", {"id": "sub_sched_9", "phases": None}),
        ("invoice_payment.paid", {"id": "inpay_9", "payment": "cash"}),
        ("charge.dispute.closed", {"id": "du_9", "charge": 7}),
    ],
)
async def test_a_shape_that_nobody_knows_stands_alone(
    bench: Bench, event_type: str, shown: dict[str, Any]
) -> None:
    """It is buried by itself; the events beside it in the batch are applied."""
    await bench.deliver(event(shown, event_type, event_id="evt_odd"), event(charge(), "charge.succeeded"))

    assert (await bench.state("evt_odd"), await bench.state("evt_1")) == ("buried", "finished")
    assert await bench.pool.fetchval("SELECT count(*) FROM stripe_charge") == 1


async def test_payments_wake_nobody(bench: Bench) -> None:
    """The invoice's and the subscription's own events wake the changes that wait; these only tell again."""
    await bench.deliver(
        event(charge(), "charge.succeeded"), event(schedule(), "subscription_schedule.created", event_id="e2")
    )

    assert bench.woken == []
