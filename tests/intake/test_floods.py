"""Floods of forged deliveries and of nonsense: counted, refused before the database, told once a minute."""

from __future__ import annotations

import asyncio
import io
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from handlers import strangers
from handlers.strangers import Strangers
from sync.store.db import Pool, create_pool
from sync.telemetry import REGISTRY
from tests.intake.attacks_signatures import EVENT
from tests.intake.front import Front, front, request, signed
from tests.support.memory import GROWTH_BYTES, resident_bytes
from worker import logs

FLOOD = 1_500
NONSENSE = b"\x16\x03\x01\x02\x00 hello\r\n\r\n"


@pytest.fixture
async def door(pool: Pool) -> AsyncIterator[Front]:
    async with front(pool) as opened:
        yield opened


@pytest.fixture
def lines() -> Any:
    """What the process would write, as in production, at its usual level."""
    stream = io.StringIO()
    logs.configure("json", "INFO", stream)
    return lambda: [json.loads(line) for line in stream.getvalue().splitlines()]


async def flood(door: Front, raw: bytes, count: int) -> set[int]:
    gate = asyncio.Semaphore(50)

    async def one() -> int:
        async with gate:
            return await door.send(raw)

    return set(await asyncio.gather(*(one() for _ in range(count))))


def counted(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(name, labels) or 0


async def test_forged_events_are_counted_and_told_once(door: Front, lines: Any) -> None:
    """No row and no line each; the metric knows the number, and good events come in beside."""
    before = counted("webhook_received_total", type="unsigned", result="wrong_signature")
    forged = request(EVENT, signed(EVENT, secret="whsec_guessed"))

    statuses, good = await asyncio.gather(
        flood(door, forged, FLOOD), door.send(request(EVENT, signed(EVENT)))
    )

    assert (statuses, good, await door.stored()) == ({400}, 200, 1)
    assert counted("webhook_received_total", type="unsigned", result="wrong_signature") == before + FLOOD
    refused = [line for line in lines() if line["event"] == "inbox.refused"]
    assert [line["refused"] for line in refused] == [{"wrong_signature": 1}]
    assert len(lines()) == 2


async def test_forged_events_never_reach_the_database(database_url: str) -> None:
    """Without a database the forged are refused as forged; only the signed wait for it."""
    pool = await create_pool(database_url)
    async with front(pool) as door:
        pool.terminate()

        forged = await flood(door, request(EVENT, signed(EVENT, secret="whsec_guessed")), 20)
        good = await door.send(request(EVENT, signed(EVENT)))

    assert (forged, good) == ({400}, 503)


async def test_nonsense_is_no_line_and_tells_no_version(door: Front, lines: Any) -> None:
    """What is no HTTP is answered as a problem like any other, repeats nothing, and fills no log."""
    before = counted("http_unreadable_total")
    answer = await door.exchange(NONSENSE)
    statuses = await flood(door, NONSENSE, 200)

    assert statuses == {400}
    assert counted("http_unreadable_total") == before + 201
    assert lines() == []
    head = answer.decode().lower()
    assert "server: prorata\r\n" in head
    assert "content-type: application/problem+json" in head
    assert "x-content-type-options: nosniff" in head
    assert not any(word in head for word in ("aiohttp", "python", "hello"))


async def test_bodies_that_cannot_be_unpacked_are_told_once(door: Front, lines: Any) -> None:
    """Broken compression is refused like everything else that nobody signed."""
    broken = request(b"\x1f\x8b this is no gzip", "t=1,v1=00", "Content-Encoding: gzip")

    assert await flood(door, broken, 100) == {400}
    assert [line["refused"] for line in lines()] == [{"broken_body": 1}]


def test_a_long_flood_is_told_once_a_minute(monkeypatch: pytest.MonkeyPatch, lines: Any) -> None:
    """Each line has the counts of all that came since the one before."""
    now = 1_000.0
    monkeypatch.setattr(strangers, "monotonic", lambda: now)
    door = Strangers(quiet_seconds=60)
    for second in range(130):
        now = 1_000.0 + second
        door.refused("too_old" if second % 2 else "wrong_signature")

    assert [line["refused"] for line in lines()] == [
        {"wrong_signature": 1},
        {"wrong_signature": 30, "too_old": 30},
        {"wrong_signature": 30, "too_old": 30},
    ]


async def test_memory_stays_flat_under_floods(door: Front) -> None:
    """150 MB of forged bodies leave nothing behind."""
    large = request(b"x" * 500_000, "t=1,v1=00")
    await flood(door, large, 50)
    before = resident_bytes()

    await flood(door, large, 300)

    assert resident_bytes() - before < GROWTH_BYTES
