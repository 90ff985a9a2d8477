"""Objects on their way out: expansion, lists by page, and what is left out unless asked for.

Rules: Stripe docs "Expanding responses" (`data.` for lists) and "Pagination" (newest first;
`ending_before` keeps that order).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from typing import Any

from worker.twin.errors import invalid
from worker.twin.store import Doc, Store

INLINE = 10  # how many members of an embedded list are shown with its object
EMBEDDED = {"subscription": "items", "invoice": "lines", "credit_note": "lines"}
Included = dict[tuple[str, str], Callable[[Doc], Any]]


def public(doc: Doc) -> Doc:
    """The object as it leaves: an embedded list shows its first page."""
    name = EMBEDDED.get(doc.get("object", ""))
    if name in doc and len(doc[name]["data"]) > INLINE:
        return {**doc, name: {**doc[name], "data": doc[name]["data"][:INLINE], "has_more": True}}
    return doc


def expand(doc: Doc, paths: Iterable[str], store: Store, included: Included) -> Doc:
    """A copy of `doc` with every path expanded; `included` makes the fields that only expansion shows.

    Paths were checked before (`expandable`); a field that is not there stays away.
    """
    tree: dict[str, Any] = {}
    for path in paths:
        node = tree
        for part in path.split("."):
            node = node.setdefault(part, {})
    return _grow(public(doc), tree, store, included)


def _grow(doc: Doc, tree: dict[str, Any], store: Store, included: Included) -> Doc:
    result, kind = dict(doc), doc.get("object")
    for name, below in tree.items():
        maker = (
            included.get((kind, name)) if isinstance(kind, str) else None
        )  # an event's data holds raw text
        if maker is not None or name in doc:
            result[name] = _grown(maker(doc) if maker else doc[name], below, store, included)
    return result


def _grown(value: Any, below: dict[str, Any], store: Store, included: Included) -> Any:
    if isinstance(value, list):
        return [_grown(v, below, store, included) for v in value]
    if isinstance(value, str):
        found = store.find(value)
        value = public(found) if found is not None else value
    if isinstance(value, dict):
        return _grow(value, below, store, included)
    return value


def page(found: Iterable[Doc], params: dict[str, Any], url: str) -> Doc:
    """One page of `found` (all of it newest first), by `limit`, `starting_after` and `ending_before`."""
    limit = params.get("limit", INLINE)
    if not 1 <= limit <= 100:
        raise invalid(
            f"Invalid integer: {limit}: must be between 1 and 100", "limit", "parameter_invalid_integer"
        )
    before = params.get("ending_before")
    rows = (
        _until(found, before, limit + 1) if before else _after(found, params.get("starting_after"), limit + 1)
    )
    more = len(rows) > limit
    rows = (rows[-limit:] if before else rows[:limit]) if more else rows
    return {"object": "list", "url": url, "has_more": more, "data": [public(r) for r in rows]}


def _after(found: Iterable[Doc], marker: str | None, count: int) -> list[Doc]:
    rows: list[Doc] = []
    seen = marker is None
    for doc in found:
        if seen:
            rows.append(doc)
            if len(rows) == count:
                break
        elif doc["id"] == marker:
            seen = True
    if not seen:
        raise invalid(f"No such object: '{marker}'", "starting_after", "resource_missing")
    return rows


def _until(found: Iterable[Doc], marker: str, count: int) -> list[Doc]:
    rows: deque[Doc] = deque(maxlen=count)
    for doc in found:
        if doc["id"] == marker:
            return list(rows)
        rows.append(doc)
    raise invalid(f"No such object: '{marker}'", "ending_before", "resource_missing")


def in_range(value: int | None, wanted: Any) -> bool:
    """Stripe's range filter: a number, or `{gt, gte, lt, lte}`."""
    if wanted is None or wanted == "":
        return True
    if value is None:
        return False
    if isinstance(wanted, int):
        return value == wanted
    tests = {"gt": int.__gt__, "gte": int.__ge__, "lt": int.__lt__, "lte": int.__le__}
    return all(tests[name](value, limit) for name, limit in wanted.items())
