"""Events: acknowledged and applied a second, each beside a floor that was measured in the same run.

A floor does only what cannot be left out: for the door, read the body and answer; for the applier, decode
and overwrite without any order. Rates of one machine mean little; the ratios are what a change may spoil.
"""

from __future__ import annotations

import asyncio
import json
import random
import time
from collections.abc import Awaitable, Callable

import msgspec
import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from handlers import inbox
from handlers.dispatch import Dispatcher
from handlers.envelope import read_envelope
from handlers.inbox import Ending, State
from handlers.intake import Intake
from sync.mirror import Mirror
from sync.mirror_rows import Kind
from sync.snapshot import Snapshot, render, snapshot
from sync.store import mirror_rows
from sync.store.db import Connection, Pool, transaction
from sync.stripe_objects import Event
from tests.intake.conftest import SECRET, URL, application, signature
from tests.mirror.builders import SECOND, VERSION, event_json, invoice, item, subscription
from worker.applier import BATCH, Applier

pytestmark = [pytest.mark.benchmark, pytest.mark.usefixtures("production_logs")]

EVENTS = 10_000
SUBSCRIPTIONS = 1_000
CONNECTIONS = 64
EVENT = msgspec.json.Decoder(Event)
PADDING = {f"field_{n}": "x" * 100 for n in range(20)}


def bodies(count: int) -> list[bytes]:
    """Three subscription changes to one paid invoice, about 5 KB each, each object's events in order."""
    dice = random.Random(1)
    made = []
    quantities = [1] * SUBSCRIPTIONS
    for n in range(count):
        number = dice.randrange(SUBSCRIPTIONS)
        if n % 4 == 3:
            shown, event_type, previous = invoice(f"in_{n}", "paid", metadata=PADDING), "invoice.paid", None
        else:
            was, quantities[number] = quantities[number], quantities[number] + 1
            shown = subscription(f"sub_{number}", *items(was + 1), metadata=PADDING)
            event_type, previous = "customer.subscription.updated", {"items": {"data": items(was)}}
        document = event_json(shown, event_type, created=SECOND + n, event_id=f"evt_{n}", previous=previous)
        made.append(json.dumps(document).encode())
    return made


def items(quantity: int) -> list[dict[str, object]]:
    return [item(f"si_{place}", quantity + place) for place in range(4)]


async def rate(work: Callable[[], Awaitable[object]], count: int) -> float:
    """How many a second."""
    started = time.perf_counter()
    await work()
    return count / (time.perf_counter() - started)


async def posted(app: web.Application, deliveries: list[tuple[bytes, str]]) -> float:
    """Deliveries a second over 64 connections; the sender shares the process."""
    waiting = iter(deliveries)
    async with TestClient(TestServer(app)) as client:

        async def sender() -> None:
            for body, header in waiting:
                async with client.post(URL, data=body, headers={"Stripe-Signature": header}) as answer:
                    assert answer.status == 200

        async def all_of_them() -> None:
            await asyncio.gather(*(sender() for _ in range(CONNECTIONS)))

        return await rate(all_of_them, len(deliveries))


def echo() -> web.Application:
    async def answer(request: web.Request) -> web.Response:
        await request.read()
        return web.json_response({"received": True})

    app = web.Application()
    app.router.add_post(URL, answer)
    return app


async def test_acknowledged_events(pool: Pool) -> None:
    """Verified, decoded and committed, against a door that only reads and answers."""
    deliveries = [(body, signature(body, SECRET)) for body in bodies(EVENTS)]
    intake = Intake(pool)
    await intake.start()

    floor = await posted(echo(), deliveries)
    ours = await posted(application(intake, SECRET), deliveries)
    await intake.stop()

    print(f"\nacknowledged {ours:,.0f}/s, bare door {floor:,.0f}/s, ratio {ours / floor:.2f}")
    assert await inbox.waiting(pool) == EVENTS
    assert ours / floor > 0.2


async def test_applied_events(pool: Pool) -> None:
    """Decoded, ordered and written to the mirror, against writing the newest of each batch unordered."""
    events = [read_envelope(body) for body in bodies(EVENTS)]
    for start in range(0, EVENTS, 1_000):
        await inbox.insert(pool, events[start : start + 1_000])
    await pool.execute("ANALYZE inbox")
    applier = Applier(pool, Dispatcher(VERSION, livemode=False), Mirror())

    floor = await rate(lambda: write_all_unordered(pool), EVENTS)
    await pool.execute("UPDATE inbox SET state = 'waiting', finished_at = NULL")
    await pool.execute(
        "TRUNCATE stripe_subscription, stripe_subscription_item, stripe_invoice, stripe_invoice_line"
    )
    await pool.execute("VACUUM ANALYZE inbox")
    ours = await rate(applier.drain, EVENTS)

    doubts = await pool.fetchval("SELECT count(*) FROM refresh")
    print(f"\napplied {ours:,.0f}/s, written unordered {floor:,.0f}/s, ratio {ours / floor:.2f}")
    assert await pool.fetchval("SELECT count(*) FROM stripe_invoice") == EVENTS // 4
    assert doubts == 0
    assert ours / floor > 0.2


async def write_all_unordered(pool: Pool) -> None:
    """The least that an applier does: claim, decode, overwrite with the newest of the batch, end."""
    more = True
    while more:
        async with transaction(pool) as conn:
            claimed = await inbox.claim(conn, BATCH)
            newest: dict[str, Snapshot] = {}
            for row in claimed:
                kind = Kind.INVOICE if row.type.startswith("invoice") else Kind.SUBSCRIPTION
                shown = snapshot(render(kind, EVENT.decode(row.body).data.object))
                newest[shown.object_id] = shown
            for kind in (Kind.SUBSCRIPTION, Kind.INVOICE):
                await overwrite(
                    conn, kind, [newest[key] for key in sorted(newest) if newest[key].kind is kind]
                )
            await inbox.finish(conn, [Ending(row.key, State.FINISHED) for row in claimed])
        more = bool(claimed)


async def overwrite(conn: Connection, kind: Kind, shown: list[Snapshot]) -> None:
    if shown:
        await mirror_rows.write_rows(conn, kind, [one.row for one in shown])
        children = [child for one in shown for child in one.children]
        await mirror_rows.replace_children(conn, kind, [one.object_id for one in shown], children)
