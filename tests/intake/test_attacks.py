"""The attack corpus against the whole front, over raw sockets: refused or stored, and never a failure."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator

import pytest

from handlers import webhooks
from handlers.dispatch import Dispatcher
from sync.mirror import Mirror
from sync.store.db import Pool
from tests.intake.attacks_bodies import BODIES, Body
from tests.intake.attacks_frames import FRAMES
from tests.intake.attacks_signatures import EVENT, SIGNATURES
from tests.intake.front import Front, front, request, signed
from tests.mirror.builders import VERSION
from tests.support.patience import SURELY_SECONDS
from worker.applier import Applier


@pytest.fixture
async def door(pool: Pool) -> AsyncIterator[Front]:
    async with front(pool) as opened:
        yield opened


async def test_every_signature_of_the_corpus(door: Front) -> None:
    """Only what one of our secrets signed within five minutes of now gets in; all else is a 400."""
    wrong = {}
    for case in SIGNATURES:
        await door.pool.execute("TRUNCATE inbox")
        status = await door.send(request(EVENT, case.make(int(time.time()))))
        if (status, await door.stored()) != (case.status, int(case.status == 200)):
            wrong[case.name] = status

    assert wrong == {}


async def test_no_body_of_the_corpus_is_looked_at_unsigned(door: Front) -> None:
    """Without a signature the answer does not depend on the body, and there is no row."""
    headers = (None, "t=1,v1=00", f"t={int(time.time())},v1={'0' * 64}")
    found = {
        (case.name, header): await door.send(request(case.body, header))
        for case in BODIES
        for header in headers
    }

    assert {key: status for key, status in found.items() if status != 400} == {}
    assert await door.stored() == 0


async def test_every_signed_body_of_the_corpus_is_kept_and_ended(door: Front) -> None:
    """Stored byte for byte and acknowledged; then applied, ignored or buried, whatever it holds."""
    applier = Applier(
        door.pool, Dispatcher(VERSION, livemode=False), Mirror(), poll_seconds=0.001, retry_seconds=0.0001
    )
    wrong = {case.name: found for case in BODIES if (found := await _fate(door, applier, case)) is not None}

    assert wrong == {}


async def _fate(door: Front, applier: Applier, case: Body) -> object:
    """What came of a signed body, where it is not what the corpus says."""
    await door.pool.execute("TRUNCATE inbox, stripe_object, refresh, stripe_customer")
    status = await door.send(request(case.body, signed(case.body)))
    await applier.drain()
    rows = [tuple(row) for row in await door.pool.fetch("SELECT body, type, state, last_error FROM inbox")]
    if status == 200 and [row[:3] for row in rows] == [(case.body, case.kept, case.ends)]:
        return None
    return status, [row[1:] for row in rows]


async def test_every_frame_of_the_corpus(door: Front) -> None:
    """However a request is cut, packed or framed: a good one is stored once, a bad one not at all."""
    wrong = {}
    for case in FRAMES:
        await door.pool.execute("TRUNCATE inbox")
        status = await door.send(case.raw())
        if status not in case.statuses or await door.stored() != int(status == 200):
            wrong[case.name] = status, await door.stored()

    assert wrong == {}


async def test_a_smuggled_request_is_not_served(door: Front) -> None:
    """What stands behind a request with two lengths is never taken for a request of its own."""
    inner = request(EVENT, signed(EVENT))
    outer = request(b"0\r\n\r\n" + inner, "t=1,v1=00", "Transfer-Encoding: chunked")

    reader, writer = await asyncio.open_connection(door.host, door.port)
    writer.write(outer)
    async with asyncio.timeout(SURELY_SECONDS):
        answers = await reader.read()
    writer.close()

    assert answers.count(b"HTTP/1.") == 1
    assert await door.stored() == 0


async def test_requests_in_one_packet_are_answered_one_by_one(door: Front) -> None:
    """Pipelined deliveries are each judged alone: a forged one between good ones changes nothing."""
    other = EVENT.replace(b"evt_1", b"evt_2")
    last = request(other, signed(other), "Connection: close")
    packet = request(EVENT, signed(EVENT)) + request(EVENT, "t=1,v1=00") + last

    reader, writer = await asyncio.open_connection(door.host, door.port)
    writer.write(packet)
    async with asyncio.timeout(SURELY_SECONDS):
        answers = await reader.read()
    writer.close()

    assert [int(each[:3]) for each in answers.split(b"HTTP/1.1 ")[1:]] == [200, 400, 200]
    assert await door.stored() == 2


async def test_a_body_without_end_is_cut_off(door: Front, monkeypatch: pytest.MonkeyPatch) -> None:
    """In chunks, a byte now and then: the limit is one of the whole body, not of a silence."""
    monkeypatch.setattr(webhooks, "BODY_SECONDS", 0.5)
    reader, writer = await asyncio.open_connection(door.host, door.port)
    writer.write(request(b"", signed(b""), "Transfer-Encoding: chunked", length=False))

    async def drip() -> None:
        while True:
            writer.write(b"1\r\n \r\n")
            await asyncio.sleep(0.05)

    dripping = asyncio.create_task(drip())
    async with asyncio.timeout(SURELY_SECONDS):
        answer = await reader.readline()
    dripping.cancel()
    writer.close()

    assert answer.startswith(b"HTTP/1.1 408")


async def test_a_replayed_delivery_changes_nothing(door: Front) -> None:
    """Who recorded a good delivery may send it again for five minutes, and it stays one row."""
    recorded = request(EVENT, signed(EVENT))

    assert {await door.send(recorded) for _ in range(5)} == {200}
    assert await door.stored() == 1


async def test_a_thousand_copies_at_once_are_one_row(door: Front) -> None:
    """Over a hundred connections in parallel."""
    copy = request(EVENT, signed(EVENT))
    gate = asyncio.Semaphore(100)

    async def one() -> int:
        async with gate:
            return await door.send(copy)

    assert set(await asyncio.gather(*(one() for _ in range(1_000)))) == {200}
    assert await door.stored() == 1
