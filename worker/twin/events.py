"""Events: one for each real change, frozen as JSON at the moment it happened.

`previous_attributes` holds the old values of what changed: nested hashes by their changed keys only, arrays
whole (Stripe API reference, "The Event object").
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Container
from typing import Any

import msgspec

from worker.twin.ids import Ids
from worker.twin.pages import public
from worker.twin.store import Doc, Store, shown

Snapshot = dict[str, bytes]
_encode = msgspec.json.encode
LIFE_SECONDS = 30 * 86400  # Stripe API reference, "Events"
HOUR = 3600
LAGGING = 10_000  # objects whose state before the last event is known


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
    gone = {key: msgspec.json.decode(old) for key, old in before.items() if key not in doc and old != b"null"}
    return {**previous, **gone}


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
    """Makes events and hands them to whoever listens (the deliveries).

    Events are forgotten after 30 days, by the hour, unless they are in `keep`.
    """

    def __init__(
        self, store: Store, ids: Ids, now: Callable[[], int], api_version: str, keep: Container[str] = ()
    ) -> None:
        self._table = store["event"]
        self._ids, self._now, self._keep = ids, now, keep
        self.api_version = api_version  # the account's: events are rendered in it for ever
        self.request: dict[str, Any] | None = None
        self.pending: list[Doc] = []
        self._history: dict[str, tuple[str, str, int]] = {}
        self._hours: deque[list[int]] = deque()  # an hour, and how many events happened in it

    def emit(self, kind: str, doc: Doc, previous: dict[str, Any] | None = None) -> None:
        """Record that something happened to `doc`."""
        data = {"object": _encode(public(doc))}
        if previous is not None:
            data["previous_attributes"] = _encode(previous)
        event: Doc = {
            "id": self._ids.new("evt", 20),
            "object": "event",
            "api_version": self.api_version,
            "created": self._now(),
            "data": data,
            "livemode": False,
            "pending_webhooks": 0,
            "request": self.request,
            "type": kind,
        }
        if "id" in doc:
            self._remember(doc["id"], event["id"], hash(data["object"]))
        self._table.add(event)
        self.count(event["created"])
        self.pending.append(event)

    def count(self, created: int) -> None:
        """Take note of a stored event's moment, and forget the events of hours that are over 30 days old."""
        hour = created // HOUR
        if self._hours and self._hours[-1][0] >= hour:
            self._hours[-1][1] += 1
            return
        self._hours.append([hour, 1])
        while (self._hours[0][0] + 1) * HOUR < created - LIFE_SECONDS:
            kept = self._table.remove_oldest(self._hours.popleft()[1], self._keep)
            self._hours[0][1] += kept

    def _remember(self, object_id: str, event_id: str, state: int) -> None:
        """Which event shows the state before the last one; the objects that changed last are known."""
        older, newest, last = self._history.pop(object_id, (event_id, event_id, state))
        self._history[object_id] = (newest if state != last else older, event_id, state)
        if len(self._history) > LAGGING:
            del self._history[next(iter(self._history))]

    def earlier_state(self, object_id: str) -> bytes | None:
        """The JSON of an object before its last event, for stale reads."""
        older, _, _ = self._history.get(object_id, ("", "", 0))
        event = self._table.docs.get(older)
        return event["data"]["object"] if event else None

    @staticmethod
    def shown(event: Doc) -> Doc:
        """An event as the API shows it."""
        return shown(event)

    def updated(self, kind: str, doc: Doc, before: Snapshot) -> bool:
        """Emit an `*.updated` event if anything changed since `before`."""
        previous = difference(before, doc)
        if previous:
            self.emit(kind, doc, previous)
        return bool(previous)
