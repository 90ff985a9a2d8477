"""Events: one for each real change, frozen as JSON at the moment it happened.

`previous_attributes` holds the old values of what changed: nested hashes by their changed keys only, arrays
whole (Stripe API reference, "The Event object").
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from typing import Any

import msgspec

from worker.twin.ids import Ids
from worker.twin.pages import public
from worker.twin.store import Doc, Store

Snapshot = dict[str, bytes]
_encode = msgspec.json.encode


def snapshot(doc: Doc) -> Snapshot:
    """The encoded value of every attribute, to compare with later."""
    return {key: _encode(value) for key, value in doc.items()}


def difference(before: Snapshot, doc: Doc) -> dict[str, Any]:
    """Old values of the attributes that changed since `before`."""
    previous: dict[str, Any] = {}
    for key, value in doc.items():
        old = before.get(key, b"null")
        if _encode(value) != old:
            previous[key] = _older(msgspec.json.decode(old), value)
    return previous


def _older(old: Any, new: Any) -> Any:
    if not isinstance(old, dict) or not isinstance(new, dict):
        return old
    keys = [
        k
        for k in (*new, *(k for k in old if k not in new))
        if old.get(k) != new.get(k) or (k in old) != (k in new)
    ]
    if old.get("object") == "list":
        keys = [k for k in keys if k == "data"]
    return {k: _older(old.get(k), new.get(k)) for k in keys}


class EventLog:
    """Makes events and hands them to whoever listens (the deliveries)."""

    def __init__(self, store: Store, ids: Ids, now: Callable[[], int], api_version: str) -> None:
        self._table = store["event"]
        self._ids, self._now, self._api_version = ids, now, api_version
        self.request: dict[str, Any] | None = None
        self.pending: list[Doc] = []
        self._history: dict[str, tuple[bytes, bytes]] = {}
        self._last = (b"", b"")

    def emit(self, kind: str, doc: Doc, previous: dict[str, Any] | None = None) -> None:
        """Record that something happened to `doc`."""
        data = {"object": self._packed(_encode(public(doc)))}
        if "id" in doc:
            self._remember(doc["id"], data["object"])
        if previous is not None:
            data["previous_attributes"] = zlib.compress(_encode(previous), 1)
        event = {
            "id": self._ids.new("evt", 20),
            "object": "event",
            "api_version": self._api_version,
            "created": self._now(),
            "data": data,
            "livemode": False,
            "pending_webhooks": 0,
            "request": self.request,
            "type": kind,
        }
        self._table.add(event)
        self.pending.append(event)

    def _packed(self, raw: bytes) -> bytes:
        """Compressed; several events in a row often show one state, and share it."""
        if raw != self._last[0]:
            self._last = (raw, zlib.compress(raw, 1))
        return self._last[1]

    def _remember(self, object_id: str, state: bytes) -> None:
        older, newest = self._history.get(object_id, (state, state))
        self._history[object_id] = (newest if state != newest else older, state)

    def earlier_state(self, object_id: str) -> bytes | None:
        """The JSON of an object before its last event, for stale reads."""
        found = self._history.get(object_id)
        return zlib.decompress(found[0]) if found else None

    @staticmethod
    def shown(event: Doc) -> Doc:
        """An event as the API shows it: its data is kept compressed, and is not touched on the way."""
        data = {name: msgspec.Raw(zlib.decompress(packed)) for name, packed in event["data"].items()}
        return {**event, "data": data}

    def updated(self, kind: str, doc: Doc, before: Snapshot) -> bool:
        """Emit an `*.updated` event if anything changed since `before`."""
        previous = difference(before, doc)
        if previous:
            self.emit(kind, doc, previous)
        return bool(previous)
