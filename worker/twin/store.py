"""What the twin remembers: a table of API objects per kind, in order of creation, with indexes.

Objects are plain dicts in the shape of the API, with ids instead of expanded objects. A subscription's
items and their prices are the one exception: they are inline, and the same dict objects as in their own
tables.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from worker.twin.errors import missing

Doc = dict[str, Any]

INDEXED = {
    "payment_method": ("customer",),
    "price": ("product", "lookup_key"),
    "subscription": ("customer",),
    "subscription_item": ("subscription",),
    "subscription_schedule": ("customer",),
    "invoice": ("customer", "subscription"),
    "invoiceitem": ("customer", "subscription", "invoice"),
    "invoice_payment": ("invoice", "payment_intent"),
    "payment_intent": ("customer",),
    "charge": ("customer", "payment_intent"),
    "refund": ("charge", "payment_intent"),
    "credit_note": ("invoice", "customer"),
    "dispute": ("charge", "payment_intent"),
    "customer_balance_transaction": ("customer",),
    "event": ("type",),
}
KINDS = (*INDEXED, "customer", "product", "coupon", "discount", "tax_rate", "webhook_endpoint", "test_clock")

# Where an indexed value stands, when it is not a field of that name.
_VALUES: dict[tuple[str, str], Callable[[Doc], Any]] = {
    ("invoice", "subscription"): lambda d: subscription_of(d),
    ("invoiceitem", "subscription"): lambda d: subscription_of(d),
    ("invoice_payment", "payment_intent"): lambda d: d["payment"]["payment_intent"],
}


def subscription_of(doc: Doc) -> str | None:
    """The subscription that an invoice or an invoice item belongs to (it moved under `parent` with basil)."""
    details = (doc.get("parent") or {}).get("subscription_details") or {}
    found: str | None = details.get("subscription")
    return found


def index_value(kind: str, field_name: str, doc: Doc) -> Any:
    """The value by which `doc` is found in the index `field_name`."""
    special = _VALUES.get((kind, field_name))
    return special(doc) if special else doc.get(field_name)


@dataclass
class Table:
    """Objects of one kind. Deleting leaves the id's place in `order` empty."""

    kind: str
    docs: dict[str, Doc] = field(default_factory=dict)
    order: list[str] = field(default_factory=list)
    place: dict[str, int] = field(default_factory=dict)
    index: dict[str, dict[Any, list[str]]] = field(default_factory=dict)

    def add(self, doc: Doc) -> Doc:
        """Insert `doc`, newest last."""
        object_id = doc["id"]
        self.docs[object_id] = doc
        self.place[object_id] = len(self.order)
        self.order.append(object_id)
        for name in INDEXED.get(self.kind, ()):
            self._bucket(name, index_value(self.kind, name, doc)).append(object_id)
        return doc

    def _bucket(self, name: str, value: Any) -> list[str]:
        return self.index.setdefault(name, {}).setdefault(value, [])

    def refile(self, doc: Doc, name: str, old: Any) -> None:
        """Move `doc` to another value of one index, keeping the order of creation."""
        bucket = self._bucket(name, old)
        if doc["id"] in bucket:
            bucket.remove(doc["id"])
        target = self._bucket(name, index_value(self.kind, name, doc))
        target.append(doc["id"])
        target.sort(key=self.place.__getitem__)

    def remove(self, object_id: str) -> None:
        """Forget an object (real deletions only: most of Stripe's objects end in a state instead)."""
        doc = self.docs.pop(object_id)
        for name in INDEXED.get(self.kind, ()):
            self._bucket(name, index_value(self.kind, name, doc)).remove(object_id)

    def by(self, name: str, value: Any) -> list[Doc]:
        """Objects with one value in an index, oldest first."""
        return [self.docs[i] for i in self.index.get(name, {}).get(value, ())]

    def newest_first(self, filters: dict[str, Any]) -> Iterator[Doc]:
        """Objects newest first, narrowed by the most selective index among `filters`."""
        buckets = [
            self.index.get(n, {}).get(v, []) for n, v in filters.items() if n in INDEXED.get(self.kind, ())
        ]
        ids = min(buckets, key=len) if buckets else self.order
        for object_id in reversed(ids):
            doc = self.docs.get(object_id)
            if doc is not None:
                yield doc


class Store:
    """All tables."""

    def __init__(self) -> None:
        self.tables = {kind: Table(kind) for kind in KINDS}

    def __getitem__(self, kind: str) -> Table:
        return self.tables[kind]

    def add(self, kind: str, doc: Doc) -> Doc:
        """Insert a new object."""
        return self.tables[kind].add(doc)

    def get(self, kind: str, object_id: str, param: str = "id", status: int = 404) -> Doc:
        """The object, or Stripe's `resource_missing`."""
        doc = self.tables[kind].docs.get(object_id)
        if doc is None:
            raise missing(kind.replace("_", " "), object_id, param, status)
        return doc

    def find(self, object_id: str) -> Doc | None:
        """Any object by id, whatever its kind (ids are unique over all tables)."""
        for table in self.tables.values():
            doc = table.docs.get(object_id)
            if doc is not None:
                return doc
        return None
