"""The webhook door: what Stripe signed is stored, everything else is refused, nothing is a 500."""

from __future__ import annotations

import asyncio
import gzip
import io
import json
import socket
import time

import pytest
from aiohttp.test_utils import TestClient, TestServer
from structlog.testing import capture_logs

from handlers import webhooks
from handlers.intake import Intake
from sync.store.db import Pool
from tests.intake.conftest import ROLLED, SECRET, URL, Door, application, signature
from tests.mirror.builders import customer, event_json

EVENT = json.dumps(event_json(customer(), "customer.updated")).encode()
GOOD = signature(EVENT).partition(",v1=")[2]


async def test_a_signed_event_is_stored_byte_for_byte(door: Door) -> None:
    """200 means committed, with the head read into columns."""
    answer = await door.post(EVENT)

    row = await door.pool.fetchrow("SELECT id, type, object_id, customer_id, body, state FROM inbox")
    assert answer.status == 200
    assert row is not None
    assert tuple(row) == ("evt_1", "customer.updated", "cus_1", "cus_1", EVENT, "waiting")


async def test_a_thousand_copies_are_one_row(door: Door) -> None:
    """Deliveries of one event in parallel are all acknowledged and stored once."""
    statuses = await asyncio.gather(*(status_of(door, EVENT) for _ in range(1000)))

    assert set(statuses) == {200}
    assert await door.stored() == 1


async def status_of(door: Door, body: bytes, header: str | None = None) -> int:
    answer = await door.post(body, header)
    await answer.read()
    return answer.status


@pytest.mark.parametrize("secret", [SECRET, ROLLED])
async def test_either_secret_opens_the_door(door: Door, secret: str) -> None:
    """While a secret is rolled, both are valid."""
    assert await status_of(door, EVENT, signature(EVENT, secret)) == 200


async def test_any_of_several_signatures_may_fit(door: Door) -> None:
    """Stripe signs once for each valid secret, in one header."""
    header = signature(EVENT).replace(",v1=", f",v0=x,v1={'0' * 64},v1=")

    assert await status_of(door, EVENT, header) == 200


NOW = int(time.time())
BAD_HEADERS = {
    "empty": "",
    "garbled": ";;;==,,",
    "no time": f"v1={GOOD}",
    "no signature": f"t={NOW}",
    "time is no number": f"t=soon,v1={GOOD}",
    "time is negative": f"t=-1,v1={GOOD}",
    "time is huge": f"t={'9' * 40},v1={GOOD}",
    "digits of another script": f"t=١٢٣,v1={GOOD}",
    "signature is empty": f"t={NOW},v1=",
    "signature is not hex": f"t={NOW},v1=zzzz",
    "signature is not ascii": f"t={NOW},v1=é",
    "another scheme": f"t={NOW},v0={GOOD}",
    "many signatures": f"t={NOW}" + f",v1={GOOD}" * 40,
    "long": "t=1," + "x" * 7_000,
    "wrong secret": signature(EVENT, "whsec_wrong"),
    "too old": signature(EVENT, age_seconds=301),
    "from the future": signature(EVENT, age_seconds=-86_400),
    "of another body": signature(b"{}"),
}


@pytest.mark.parametrize("header", BAD_HEADERS.values(), ids=BAD_HEADERS.keys())
async def test_a_bad_signature_is_400(door: Door, header: str) -> None:
    """Whatever the header holds, the answer is 400 and nothing is stored."""
    assert await status_of(door, EVENT, header) == 400
    assert await door.stored() == 0


@pytest.mark.parametrize("age_seconds", [290, -290])
async def test_a_clock_may_be_off_a_little(door: Door, age_seconds: int) -> None:
    """300 seconds in both directions are accepted."""
    assert await status_of(door, EVENT, signature(EVENT, age_seconds=age_seconds)) == 200


@pytest.mark.parametrize("age_seconds", [600, -600])
async def test_a_clock_that_is_off_by_ten_minutes_takes_nothing(door: Door, age_seconds: int) -> None:
    """With our secret, so it is a clock or a replay: refused in both directions, and somebody is woken."""
    with capture_logs() as lines:
        assert await status_of(door, EVENT, signature(EVENT, age_seconds=age_seconds)) == 400
    assert await door.stored() == 0
    reason = "too_old" if age_seconds > 0 else "from_the_future"
    told = [(line["event"], line["log_level"], line["refused"]) for line in lines]
    assert ("inbox.refused", "error", {reason: 1}) in told


async def test_a_missing_header_is_400(door: Door) -> None:
    """No signature at all."""
    answer = await door.client.post(URL, data=EVENT)

    assert answer.status == 400


async def test_raw_bytes_in_the_header_are_400(door: Door) -> None:
    """Bytes that are no text reach the handler as lone surrogates, and do no harm."""
    request = (
        b"POST %s HTTP/1.1\r\nHost: x\r\nStripe-Signature: t=1,v1=\xff\xfe\r\nContent-Length: 2\r\n\r\n{}"
    )

    assert (await raw(door, request % URL.encode())).startswith(b"HTTP/1.1 400")


async def raw(door: Door, request: bytes) -> bytes:
    """Send these bytes and return the first of the answer."""
    server = door.client.server
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port, family=socket.AF_INET)
    writer.write(request)
    await writer.drain()
    async with asyncio.timeout(5):
        answer = await reader.read(200)
    writer.close()
    return answer


RUBBISH = {
    "empty": b"",
    "not json": b"hello",
    "a list": b"[]",
    "null": b"null",
    "a number": b"1e999",
    "nan": b'{"id": NaN}',
    "deep": b"[" * 100_000,
    "deep in an event": b'{"id":"evt_1","type":"t","created":1,"data":' + b"[" * 100_000,
    "bad utf-8": b'{"id":"evt_\xff"}',
    "bad utf-8 unread": b'{"id":"evt_1","type":"t","created":"no","x":"\xff"}',
    "byte order mark": b"\xef\xbb\xbf{}",
    "nul in the id": b'{"id":"evt_\\u0000","type":"t","created":1}',
    "nul in the type": b'{"id":"evt_1","type":"\\u0000","created":1}',
    "lone surrogate": b'{"id":"\\ud800","type":"t","created":1}',
    "no id": b'{"type":"t","created":1}',
    "id is a number": b'{"id":1,"type":"t","created":1}',
    "huge id": b'{"id":"' + b"x" * 10_000 + b'","type":"t","created":1}',
    "created is huge": b'{"id":"evt_1","type":"t","created":99999999999999999999}',
    "created is negative": b'{"id":"evt_1","type":"t","created":-1}',
    "created is text": b'{"id":"evt_1","type":"t","created":"yesterday"}',
}


@pytest.mark.parametrize("body", RUBBISH.values(), ids=RUBBISH.keys())
async def test_signed_rubbish_is_stored_as_junk(door: Door, body: bytes) -> None:
    """Refusing it would only bring it back for three days."""
    assert await status_of(door, body) == 200

    row = await door.pool.fetchrow("SELECT type, body, left(id, 5) FROM inbox")
    assert row is not None
    assert tuple(row) == ("junk", body, "junk_")


@pytest.mark.parametrize("body", RUBBISH.values(), ids=RUBBISH.keys())
async def test_unsigned_rubbish_is_400(door: Door, body: bytes) -> None:
    """What Stripe did not sign is not even looked at."""
    assert await status_of(door, body, "t=1,v1=00") == 400
    assert await door.stored() == 0


ODD = {
    "unknown type": event_json(customer(), "customer.teleported"),
    "no object id": event_json({"object": "invoice"}, "invoice.upcoming"),
    "object is a list": {"id": "evt_1", "type": "customer.updated", "created": 5, "data": {"object": []}},
    "no data": {"id": "evt_1", "type": "customer.updated", "created": 5},
    "nul in metadata": event_json(customer(metadata={"k": "\0"}), "customer.updated"),
    "long ago": event_json(customer(), "customer.updated", created=0),
    "far ahead": event_json(customer(), "customer.updated", created=9_999_999_999),
    "thin": {
        "id": "evt_test_1",
        "object": "v2.core.event",
        "type": "v1.customer.updated",
        "created": "2026-11-01T00:00:00.000Z",
        "livemode": False,
        "related_object": {"id": "cus_1", "type": "customer", "url": "/v1/customers/cus_1"},
    },
}


@pytest.mark.parametrize("document", ODD.values(), ids=ODD.keys())
async def test_odd_events_keep_their_own_id(door: Door, document: dict[str, object]) -> None:
    """What has an id, a type and a time is stored under them, however odd the rest is."""
    assert await status_of(door, json.dumps(document).encode()) == 200

    assert await door.pool.fetchval("SELECT id FROM inbox") == document["id"]


async def test_rubbish_that_is_delivered_again_is_one_row(
    door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same bytes are the same row whenever they come, so a person decides about them once."""
    assert 200 == (await door.post(b"[]")).status
    now = int(time.time())
    monkeypatch.setattr(webhooks, "wall_seconds", lambda: now + 60)
    assert 200 == (await door.post(b"[]")).status

    assert 1 == await door.stored()


async def test_a_thin_event_says_when_and_about_what(door: Door) -> None:
    """Its time is text, and its object is only named."""
    await door.post(json.dumps(ODD["thin"]).encode())

    row = await door.pool.fetchrow("SELECT created, object_id FROM inbox")
    assert row is not None
    assert tuple(row) == (1_793_491_200, "cus_1")


async def test_a_large_body_is_413(door: Door) -> None:
    """One byte over the limit, announced or not."""
    body = b" " * (webhooks.BODY_LIMIT_BYTES + 1)

    async def pieces() -> object:
        for start in range(0, len(body), 65_536):
            yield body[start : start + 65_536]

    announced = await door.client.post(URL, data=io.BytesIO(body), headers={"Stripe-Signature": "t=1,v1=0"})
    headers = {"Stripe-Signature": signature(body)}
    chunked = await door.client.post(URL, data=pieces(), headers=headers)

    assert (announced.status, chunked.status) == (413, 413)


async def test_a_compressed_bomb_is_413(door: Door) -> None:
    """What unpacks to more than the limit is cut off."""
    bomb = gzip.compress(b" " * 50_000_000)
    headers = {"Stripe-Signature": signature(bomb), "Content-Encoding": "gzip"}

    answer = await door.client.post(URL, data=bomb, headers=headers)

    assert answer.status == 413


async def test_a_broken_compression_is_400(door: Door) -> None:
    """A body that does not unpack is the sender's fault."""
    headers = {"Stripe-Signature": signature(b"x"), "Content-Encoding": "gzip"}

    answer = await door.client.post(URL, data=b"this is no gzip", headers=headers)

    assert answer.status == 400


async def test_a_body_that_never_ends_is_cut_off(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    """A half-sent body does not hold a connection for ever."""
    monkeypatch.setattr(webhooks, "BODY_SECONDS", 0.2)
    request = f"POST {URL} HTTP/1.1\r\nHost: x\r\nStripe-Signature: t=1,v1=00\r\nContent-Length: 99\r\n\r\n{{"

    assert (await raw(door, request.encode())).startswith(b"HTTP/1.1 408")


async def test_without_a_secret_the_door_is_closed(pool: Pool) -> None:
    """Nothing can be verified, so there is nothing here."""
    intake = Intake(pool)
    async with TestClient(TestServer(application(intake))) as client:
        answer = await client.post(URL, data=EVENT, headers={"Stripe-Signature": signature(EVENT)})

    assert answer.status == 404
