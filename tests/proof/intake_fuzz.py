"""Random deliveries at the webhook door: mutated valid ones, signed and forged, with odd headers and frames.

The promise: no answer of 500, whatever is sent; what is signed is stored or refused for its frame, what is
not signed leaves nothing; memory stays flat.
"""

from __future__ import annotations

import asyncio
import gzip
import json
import random
import time
from collections import Counter
from dataclasses import dataclass, field

from sync.store.db import Pool, create_pool
from tests.intake.attacks_bodies import BODIES
from tests.intake.attacks_frames import FRAMES
from tests.intake.attacks_signatures import SIGNATURES
from tests.intake.front import SECRET, Front, front, request, signed
from tests.mirror.builders import customer, event_json, invoice, subscription
from tests.support import postgres
from tests.support.memory import GROWTH_BYTES, resident_bytes

AT_ONCE = 16
# As many as it takes until caches and pools have their size.
WARM_UP = 500
VALID = [
    json.dumps(event_json(customer(), "customer.updated")).encode(),
    json.dumps(
        event_json(subscription(), "customer.subscription.updated", previous={"status": "x"})
    ).encode(),
    json.dumps(event_json(invoice("in_1", "paid"), "invoice.paid")).encode(),
]
# Pieces that parsers stumble over.
NASTY = [
    b"\0", b"\xff", b"\xed\xa0\x80", b"\\u0000", b"\\ud800", b"\\", b'"', b"{", b"}", b"[" * 500, b"]",
    b",,", b":", b"NaN", b"-0", b"1e999", b"9" * 400, b"-1", b"null", b"true", b"\xef\xbb\xbf",
    b"\xe2\x80\xae", b"%00", b"'--", b"${jndi:ldap://x}", b"\r\n", b"\x1b[31m", b"\xf0\x9f\x92\xb3" * 50,
]  # fmt: skip
HEADERS = [
    "Content-Encoding: gzip", "Content-Encoding: br", "Content-Encoding: x", "Expect: 100-continue",
    "Connection: close", "Connection: upgrade", "Transfer-Encoding: identity",
    "Content-Type: a/b;charset=utf-99", "Accept: " + "x" * 3_000, "Cookie: a=b", "X-Request-Id: \x7f",
    "X-Forwarded-For: ::::", "Range: bytes=9-1", "If-None-Match: *", "Content-Length: 3", "Host: b",
    "Date: never", "Upgrade: h2c", "TE: trailers", "Via: 1.1 x",
]  # fmt: skip


@dataclass(slots=True)
class Verdict:
    """What was sent, how it was answered, and what must not have happened."""

    sent: int = 0
    statuses: Counter[int] = field(default_factory=Counter)
    failures: list[bytes] = field(default_factory=list)
    rows_too_many: int = 0
    grown_bytes: int = 0
    seconds: float = 0

    @property
    def is_clean(self) -> bool:
        return (
            not self.failures
            and not self.rows_too_many
            and self.grown_bytes <= GROWTH_BYTES
            and self.statuses[200] > 0
            and self.statuses[400] > 0
        )

    @property
    def line(self) -> str:
        word = "HELD" if self.is_clean else "BROKEN"
        return (
            f"{word}: {self.sent} fuzzed deliveries in {self.seconds:.0f} s: "
            f"{len(self.failures)} answers of 500, "
            f"{self.rows_too_many} rows of forged ones, {self.grown_bytes / 1024 / 1024:+.1f} MB of memory; "
            f"answers {dict(sorted(self.statuses.items()))}"
        )


def delivery(dice: random.Random) -> tuple[bytes, bool]:
    """A request as raw bytes, and whether anything of it may be stored."""
    kind = dice.random()
    if kind < 0.04:
        return dice.choice(FRAMES).raw(), True
    body = _body(dice)
    if kind < 0.2:
        case = dice.choice(SIGNATURES)
        return request(body, case.make(int(time.time())), *_headers(dice)), True
    if kind < 0.6:
        packed = gzip.compress(body, 1)
        if dice.random() < 0.05:
            return request(packed, signed(body), "Content-Encoding: gzip"), True
        return request(body, signed(body), *_headers(dice)), True
    header = bytes(_spoil(dice, signed(body, secret=SECRET + "x").encode()))
    return request(
        body, header.replace(b"\r", b"").replace(b"\n", b"").replace(b"\0", b""), *_headers(dice)
    ), False


def _body(dice: random.Random) -> bytes:
    if dice.random() < 0.3:
        return dice.choice(BODIES).body
    body = bytearray(dice.choice(VALID))
    return bytes(_spoil(dice, body)) if dice.random() < 0.9 else bytes(body)


def _spoil(dice: random.Random, given: bytes | bytearray) -> bytearray:
    """Some bytes changed, cut, doubled, or replaced by something nasty."""
    text = bytearray(given)
    for _ in range(dice.randint(1, 6)):
        place = dice.randrange(len(text) + 1)
        end = min(len(text), place + dice.randint(0, 20))
        match dice.randrange(5):
            case 0 if text:
                text[place % len(text)] = dice.randrange(256)
            case 1:
                text[place:end] = dice.choice(NASTY)
            case 2:
                del text[place:end]
            case 3:
                text[place:place] = text[place:end]
            case _:
                text[place:place] = dice.choice(NASTY)
    return text


def _headers(dice: random.Random) -> list[str]:
    return dice.sample(HEADERS, dice.choice([0, 0, 0, 0, 1, 1, 2]))


async def fuzz(door: Front, count: int, seed: int) -> Verdict:
    """Send so many deliveries, several at once; the memory is measured after a warm-up."""
    verdict, started, dice = Verdict(), time.monotonic(), random.Random(seed)
    await _send(door, min(WARM_UP, count // 4), dice, verdict)
    before = resident_bytes()
    await _send(door, count - verdict.sent, dice, verdict)
    verdict.grown_bytes = resident_bytes() - before
    verdict.seconds = time.monotonic() - started
    return verdict


async def _send(door: Front, count: int, dice: random.Random, verdict: Verdict) -> None:
    planned = [delivery(dice) for _ in range(min(count, 2_000))]
    while planned:
        for may_be_stored in (False, True):
            waiting = iter([raw for raw, may in planned if may is may_be_stored])
            rows = await door.stored()
            await asyncio.gather(*(_sender(door, waiting, verdict) for _ in range(AT_ONCE)))
            if not may_be_stored:
                verdict.rows_too_many += await door.stored() - rows
        count -= len(planned)
        planned = [delivery(dice) for _ in range(min(count, 2_000))]


async def _sender(door: Front, waiting: object, verdict: Verdict) -> None:
    for raw in waiting:  # type: ignore[attr-defined]
        try:
            # Longer than the door itself waits: whoever hangs up sooner may find its row stored later on.
            status = await door.send(raw, seconds=3)
        except TimeoutError:  # it waits for more of a body than was sent, until its own limit
            status = -1
        verdict.sent += 1
        verdict.statuses[status] += 1
        if status >= 500 and status != 503:
            verdict.failures.append(raw)


async def run(size: int, seed: int) -> Verdict:
    """Fuzz a front of its own on a fresh database; quiet logs are the caller's business."""
    async with postgres.fresh_database(postgres.template_name()) as url:
        pool: Pool = await create_pool(url, min_size=1, max_size=5)
        async with front(pool) as door:
            verdict = await fuzz(door, size, seed)
        await pool.close()
    return verdict
