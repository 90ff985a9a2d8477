"""Bodies of the attack corpus: what is sent, and what becomes of it when it is signed."""

from __future__ import annotations

import json
from typing import Any, NamedTuple

from tests.intake.attacks_signatures import EVENT
from tests.mirror.builders import SECOND, customer, event_json


class Body(NamedTuple):
    """A body: `kept` is the type that it is stored under, `ends` what becomes of it when it is signed."""

    name: str
    body: bytes
    kept: str
    ends: str


def _with(**changes: Any) -> bytes:
    return json.dumps(event_json(customer(), "customer.updated") | changes).encode()


def _patched(old: bytes, new: bytes) -> bytes:
    assert old in EVENT, old
    return EVENT.replace(old, new, 1)


JUNK = ("junk", "buried")
HUGE_NUMBER = b"9" * 400
BODIES = [
    Body("empty", b"", *JUNK),
    Body("blank", b"   ", *JUNK),
    Body("text", b"hello", *JUNK),
    Body("form", b"id=evt_1&type=x", *JUNK),
    Body("a list", b"[]", *JUNK),
    Body("a list of events", b"[" + EVENT + b"]", *JUNK),
    Body("null", b"null", *JUNK),
    Body("a number", b"1", *JUNK),
    Body("infinite", b"1e999", *JUNK),
    Body("a string", b'"evt_1"', *JUNK),
    Body("cut off", EVENT[:-1], *JUNK),
    Body("two documents", EVENT + EVENT, *JUNK),
    Body("an object without anything", b"{}", *JUNK),
    Body("bad UTF-8", b'{"id":"evt_\xff","type":"t","created":1}', *JUNK),
    Body("UTF-16", EVENT.decode().encode("utf-16"), *JUNK),
    Body("byte order mark", b"\xef\xbb\xbf" + EVENT, *JUNK),
    Body("100,000 deep", b"[" * 100_000, *JUNK),
    Body("100,000 deep inside of an event", EVENT[:-1] + b',"x":' + b"[" * 100_000, *JUNK),
    Body("NaN", _patched(b'"balance": 0', b'"balance": NaN'), *JUNK),
    Body(
        "NaN as the time",
        _patched(b'"created": %d, "livemode"' % SECOND, b'"created": NaN, "livemode"'),
        *JUNK,
    ),
    Body("no id", b'{"type":"t","created":1}', *JUNK),
    Body("no type", b'{"id":"evt_1","created":1}', *JUNK),
    Body("no time", b'{"id":"evt_1","type":"t"}', *JUNK),
    Body("id is a number", b'{"id":1,"type":"t","created":1}', *JUNK),
    Body("id is an overflowing number", b'{"id":' + HUGE_NUMBER + b',"type":"t","created":1}', *JUNK),
    Body("id is null", b'{"id":null,"type":"t","created":1}', *JUNK),
    Body("id is an object", b'{"id":{"$ne":1},"type":"t","created":1}', *JUNK),
    Body("id is empty", b'{"id":"","type":"t","created":1}', *JUNK),
    Body("id has 256 characters", _with(id="e" * 256), *JUNK),
    Body("id holds NUL", b'{"id":"evt_\\u0000","type":"t","created":1}', *JUNK),
    Body("id holds a line break", b'{"id":"evt_\\n1","type":"t","created":1}', *JUNK),
    Body("id is a lone surrogate", b'{"id":"\\ud800","type":"t","created":1}', *JUNK),
    Body("id is SQL with blanks", _with(id="'; DROP TABLE inbox; --"), *JUNK),
    Body("type holds NUL", b'{"id":"evt_1","type":"\\u0000","created":1}', *JUNK),
    Body("type is huge", _with(type="t" * 10_000), *JUNK),
    Body("time is negative", _with(created=-1), *JUNK),
    Body("time is a fraction", _with(created=1.5), *JUNK),
    Body("time is true", _with(created=True), *JUNK),
    Body("time is text", _with(created="yesterday"), *JUNK),
    Body("time is text without a zone", _with(created="2026-11-01T00:00:00"), *JUNK),
    Body("time is 2^63", _with(created=2**63), *JUNK),
    Body("time is 2^63-1", _with(created=2**63 - 1), *JUNK),
    Body("time is 400 digits", b'{"id":"evt_1","type":"t","created":' + HUGE_NUMBER + b"}", *JUNK),
    Body("time is in the year 10000", _with(created=253_402_300_800), *JUNK),
    Body("id has 255 characters", _with(id="e" * 255), "customer.updated", "finished"),
    Body("id is SQL", _with(id="';DROP/**/TABLE/**/inbox;--"), "customer.updated", "finished"),
    Body("type is a label of ours", _with(type="junk"), "junk", "buried"),
    Body("unknown type", _with(type="customer.teleported"), "customer.teleported", "ignored"),
    Body(
        "type is SQL", _with(type="');DELETE/**/FROM/**/inbox;--"), "');DELETE/**/FROM/**/inbox;--", "ignored"
    ),
    Body("long ago", _with(created=0), "customer.updated", "finished"),
    Body("last second of 9999", _with(created=253_402_300_799), "customer.updated", "finished"),
    Body(
        "duplicate keys",
        _patched(b'"id": "evt_1"', b'"id": "evt_0", "id": "evt_1"'),
        "customer.updated",
        "finished",
    ),
    Body(
        "NUL in metadata",
        _patched(b'"metadata": {}', b'"metadata": {"k": "\\u0000"}'),
        "customer.updated",
        "finished",
    ),
    Body("lone surrogate in a name", _patched(b'"name": "Ada"', b'"name": "\\ud800"'), "junk", "buried"),
    Body("other API version", _with(api_version="2012-07-09"), "customer.updated", "finished"),
    Body("no API version", _with(api_version=None), "customer.updated", "finished"),
    Body("API version is a list", _with(api_version=[1]), "customer.updated", "finished"),
    Body("of the other mode", _with(livemode=True), "customer.updated", "ignored"),
    Body("of no mode", _with(livemode=None), "customer.updated", "ignored"),
    Body("of the mode 'false'", _with(livemode="false"), "customer.updated", "ignored"),
    Body("of a connected account", _with(account="acct_other"), "customer.updated", "ignored"),
    Body(
        "no data",
        b'{"id":"evt_1","type":"customer.updated","created":5,"livemode":false}',
        "customer.updated",
        "buried",
    ),
    Body("object is a list", _with(data={"object": []}), "customer.updated", "buried"),
    Body("object is null", _with(data={"object": None}), "customer.updated", "buried"),
    Body(
        "object without an id", _with(data={"object": {"object": "customer"}}), "customer.updated", "buried"
    ),
    Body("balance is text", _patched(b'"balance": 0', b'"balance": "0"'), "customer.updated", "buried"),
    Body(
        "balance is 2^63",
        _patched(b'"balance": 0', b'"balance": 9223372036854775808'),
        "customer.updated",
        "buried",
    ),
    Body(
        "thin event",
        json.dumps(
            {
                "id": "evt_test_thin",
                "object": "v2.core.event",
                "type": "v1.customer.updated",
                "livemode": False,
                "created": "2026-11-01T00:00:00.000Z",
                "related_object": {"id": "cus_1", "type": "customer", "url": "/v1/customers/cus_1"},
            }
        ).encode(),
        "v1.customer.updated",
        "finished",
    ),
    Body(
        "thin event about nothing of ours",
        json.dumps(
            {
                "id": "evt_test_thin",
                "object": "v2.core.event",
                "type": "v2.money_management.transfer.created",
                "created": "2026-11-01T00:00:00.000Z",
                "livemode": False,
                "related_object": {"id": 5},
            }
        ).encode(),
        "v2.money_management.transfer.created",
        "ignored",
    ),
]
