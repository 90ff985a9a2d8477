"""What the head of a signed body says, without trusting a byte of it.

Everything that was signed is stored: what is no event at all gets an id made of its digest, so that a
delivery is never refused for ever and repeated for three days. It has no second of its own, and must not
have that of its arrival: Stripe delivers again, and the same bytes are the same row.
"""

from __future__ import annotations

import hashlib
import re
from datetime import datetime
from typing import Any

import msgspec

from handlers.inbox import InboxEvent, Source

JUNK = "junk"
JUNK_SECOND = 0
THIN = "v2.core.event"
# The longest id and type that are stored, and the last second of the year 9999.
_ID = re.compile(r"[\x21-\x7e]{1,255}")
_TYPE = re.compile(r"[\x21-\x7e]{1,200}")
_LAST_SECOND = 253_402_300_799
_BROKEN = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)


class _Head(msgspec.Struct):
    """The part of an event that the inbox is keyed and searched by; `object` and `created` vary by kind."""

    id: str
    type: str
    created: int | str
    object: Any = None
    api_version: Any = None
    livemode: Any = None
    account: Any = None
    data: Any = None
    related_object: Any = None


class _SnapshotObject(msgspec.Struct):
    id: str | None = None
    object: str | None = None
    customer: Any = None


class _SnapshotData(msgspec.Struct):
    object: _SnapshotObject


class _SnapshotHead(msgspec.Struct):
    """The common case, decoded without touching the rest of the body."""

    id: str
    type: str
    created: int
    data: _SnapshotData
    object: str | None = None
    api_version: str | None = None
    livemode: bool | None = None
    account: str | None = None


_FAST = msgspec.json.Decoder(_SnapshotHead)
_SLOW = msgspec.json.Decoder(_Head)


def read_envelope(body: bytes, *, source: Source = Source.WEBHOOK) -> InboxEvent:
    """Return the inbox row for a signed body. Never raises: rubbish becomes a row of type `junk`."""
    try:
        event = _snapshot_event(_FAST.decode(body), body, source)
    except _BROKEN:
        event = _other_event(body, source)
    return event or _junk(body, source)


def _snapshot_event(head: _SnapshotHead, body: bytes, source: Source) -> InboxEvent | None:
    if not _storable(head.id, head.type, head.created):
        return None
    shown = head.data.object
    customer_id = shown.id if shown.object == "customer" else shown.customer
    return InboxEvent(
        id=head.id,
        created=head.created,
        type=head.type,
        body=body,
        api_version=_name(head.api_version),
        livemode=head.livemode,
        account=_name(head.account),
        object_id=_name(shown.id),
        customer_id=_name(customer_id),
        source=source,
    )


def _other_event(body: bytes, source: Source) -> InboxEvent | None:
    """A thin event, or one of an unforeseen shape; None when it cannot even be keyed."""
    try:
        head = _SLOW.decode(body)
    except _BROKEN:
        return None
    created = _unix(head.created)
    if created is None or not _storable(head.id, head.type, created):
        return None
    related = head.related_object if isinstance(head.related_object, dict) else {}
    return InboxEvent(
        id=head.id,
        created=created,
        type=head.type,
        body=body,
        api_version=_name(head.api_version),
        livemode=head.livemode if isinstance(head.livemode, bool) else None,
        account=_name(head.account),
        object_id=_name(related.get("id")),
        source=source,
    )


def _junk(body: bytes, source: Source) -> InboxEvent:
    digest = hashlib.sha256(body).hexdigest()
    return InboxEvent(id=f"junk_{digest}", created=JUNK_SECOND, type=JUNK, body=body, source=source)


def _storable(event_id: str, event_type: str, created: int) -> bool:
    fits = _ID.fullmatch(event_id) and _TYPE.fullmatch(event_type)
    return bool(fits) and 0 <= created <= _LAST_SECOND


def _unix(created: int | str) -> int | None:
    """Thin events write their time as text, such as `2026-11-01T00:00:00.000Z`."""
    if isinstance(created, int):
        return created
    try:
        moment = datetime.fromisoformat(created)
    except ValueError:
        return None
    return int(moment.timestamp()) if moment.tzinfo else None


def _name(value: object) -> str | None:
    """An id or version that a text column can hold; an expanded object stands for its id."""
    if isinstance(value, dict):
        value = value.get("id")
    return value if isinstance(value, str) and _ID.fullmatch(value) else None
