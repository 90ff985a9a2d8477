"""What the twin remembers: a table of API objects per kind, in order of creation, with indexes.

Objects are plain dicts in the shape of the API, with ids instead of expanded objects. A subscription's
items and their prices are the one exception: they are inline, and the same dict objects as in their own
tables. Most objects are packed while nobody works with them: see `shelf`.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterator, Mapping
from itertools import dropwhile, islice
from typing import Any

import msgspec

from worker.twin.errors import missing
from worker.twin.shelf import Form, Room, Shelf

Doc = dict[str, Any]

INDEXED = {
    "customer": ("email",),
    "payment_method": ("customer",),
    "price": ("product", "lookup_key"),
    "subscription": ("customer", "test_clock"),
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
    "event": ("type", "about"),
    "promotion_code": ("coupon",),
    "balance_transaction": ("source", "type"),
    "payout": (),
}
KINDS = (
    *INDEXED,
    "product",
    "coupon",
    "discount",
    "tax_rate",
    "webhook_endpoint",
    "test_clock",
    "event_destination",
)

# Few, or shared by many objects: these are never packed.
UNPACKED = {
    "event_destination",
    "product", "price", "coupon", "promotion_code", "discount", "tax_rate", "webhook_endpoint", "test_clock",
    "dispute",
}  # fmt: skip
# Kinds whose objects change an indexed value: only these remember the order of their creation.
REFILED = {"customer", "payment_method", "price", "invoiceitem"}


class _About(msgspec.Struct):
    """What an event is about; some objects have no id."""

    id: str = ""


_about = msgspec.json.Decoder(_About)


# Where an indexed value stands, when it is not a field of that name.
_VALUES: dict[tuple[str, str], Callable[[Doc], Any]] = {
    ("invoice", "subscription"): lambda d: subscription_of(d),
    ("invoiceitem", "subscription"): lambda d: subscription_of(d),
    ("invoice_payment", "payment_intent"): lambda d: d["payment"]["payment_intent"],
    ("promotion_code", "coupon"): lambda d: d["promotion"]["coupon"],
    ("event", "about"): lambda d: _about.decode(d["data"]["object"]).id,
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


_raw_fields = msgspec.json.Decoder(dict[str, msgspec.Raw])


def shown(event: Doc) -> Doc:
    """An event as the API shows it: its data is encoded already, and is not touched on the way."""
    return {**event, "data": {name: msgspec.Raw(raw) for name, raw in event["data"].items()}}


def _decoded_event(raw: bytes) -> Doc:
    fields = _raw_fields.decode(raw)
    data = {name: bytes(part) for name, part in _raw_fields.decode(fields["data"]).items()}
    return {name: data if name == "data" else msgspec.json.decode(part) for name, part in fields.items()}


EVENT = Form(bare=shown, decode=_decoded_event, family=lambda event: str(event["type"]))


def _ids(bucket: str | list[str]) -> list[str]:
    return bucket if isinstance(bucket, list) else [bucket]


class Table:
    """Objects of one kind, oldest first. A bucket of an index is one id, or a list of ids, oldest first."""

    def __init__(self, kind: str, docs: Shelf) -> None:
        self.kind, self.docs = kind, docs
        self._index: dict[str, dict[Any, str | list[str]]] = {name: {} for name in INDEXED.get(kind, ())}
        self._place: dict[str, int] = {}
        self._added = 0
        self._gone = 0  # removed objects that the indexes still name

    def add(self, doc: Doc) -> Doc:
        """Insert `doc`, newest last."""
        self.docs.add(doc)
        self._file(doc)
        return doc

    def restore(self, raw: bytes) -> Doc:
        """Insert what `Shelf.dump` has written; the answer is for reading only."""
        doc = self.docs.restore(raw)
        self._file(doc)
        return doc

    def _file(self, doc: Doc) -> None:
        self._added += 1
        if self.kind in REFILED:
            self._place[doc["id"]] = self._added
        for name in self._index:
            self._insert(name, index_value(self.kind, name, doc), doc["id"])

    def _insert(self, name: str, value: Any, object_id: str) -> None:
        buckets = self._index[name]
        found = buckets.setdefault(value, object_id)
        if isinstance(found, list):
            found.append(object_id)
        elif found is not object_id:
            buckets[value] = [found, object_id]

    def _delete(self, name: str, value: Any, object_id: str) -> None:
        buckets = self._index[name]
        found = buckets.get(value)
        if isinstance(found, list) and object_id in found:
            found.remove(object_id)
        if found in (object_id, []):
            del buckets[value]

    def ids_by(self, name: str, value: Any) -> list[str]:
        """Ids of the objects with one value in an index, oldest first."""
        return _ids(self._index[name].get(value, []))

    def refile(self, doc: Doc, name: str, old: Any) -> None:
        """Move `doc` to another value of one index, keeping the order of creation."""
        self._delete(name, old, doc["id"])
        value = index_value(self.kind, name, doc)
        self._insert(name, value, doc["id"])
        self.ids_by(name, value).sort(key=self._place.__getitem__)

    def remove(self, object_id: str) -> None:
        """Forget an object (real deletions only: most of Stripe's objects end in a state instead)."""
        doc = self.docs[object_id]
        for name in self._index:
            self._delete(name, index_value(self.kind, name, doc), object_id)
        self._place.pop(object_id, None)
        self.docs.remove(object_id)

    def remove_oldest(self, count: int, keep: Container[str]) -> int:
        """Forget the oldest `count` objects except those in `keep`, all at once; returns how many stay.

        The indexes still name them until there are more of them than of what is left: readers skip them.
        """
        oldest = list(islice(self.docs, count))
        gone = [object_id for object_id in oldest if object_id not in keep]
        for object_id in gone:
            self.docs.remove(object_id)
        self._gone += len(gone)
        if self._gone > len(self.docs):
            self._gone = 0
            for name, buckets in self._index.items():
                left = {value: [i for i in _ids(found) if i in self.docs] for value, found in buckets.items()}
                self._index[name] = {value: ids for value, ids in left.items() if ids}
        return len(oldest) - len(gone)

    def by(self, name: str, value: Any) -> list[Doc]:
        """Objects with one value in an index, oldest first."""
        return [self.docs[i] for i in self.ids_by(name, value) if i in self.docs]

    def newest_first(self, filters: dict[str, Any], after: str | None = None) -> Iterator[Doc]:
        """Objects newest first, narrowed by the most selective index among `filters`.

        `after`: begin with this one, if it is among them, and pass over what is newer.
        """
        buckets = [self.ids_by(n, v) for n, v in filters.items() if n in self._index]
        ids: list[str] | Shelf = min(buckets, key=len) if buckets else self.docs
        newest: Iterator[str] = reversed(ids)
        if after is not None and after in ids:
            newest = dropwhile(lambda object_id: object_id != after, newest)
        return self.docs.read(filter(self.docs.__contains__, newest) if self._gone else newest)


class Store:
    """All tables. `plan_of` gives the legacy plan that an item embeds beside its price.

    `lent`: tables of another store, or over it, in place of empty ones.
    """

    def __init__(self, plan_of: Callable[[str], Doc], lent: Mapping[str, Table] | None = None) -> None:
        self.room = Room()
        self.gone: set[str] = set()  # ids of deleted customers: found by `docs`, not by `get`
        self._plan_of = plan_of
        special = {
            "subscription": Form(self._bare_subscription, self._link_subscription),
            "subscription_item": Form(self._bare_item, self._link_item),
            "subscription_schedule": Form(link=self._link_schedule),
            "invoice": Form(link=self._link_rates),
            "invoiceitem": Form(link=self._link_rates),
            "customer": Form(link=self._link_customer),
            "event": EVENT,
        }
        plain = Form()
        self.tables = dict(lent or {})
        for kind in KINDS:
            if kind not in self.tables:
                form = None if kind in UNPACKED else special.get(kind, plain)
                self.tables[kind] = Table(kind, Shelf(self.room, form))

    def _bare_subscription(self, doc: Doc) -> Doc:
        items = self["subscription_item"].docs
        data = [item["id"] if items.holds(item) else item for item in doc["items"]["data"]]
        return {**doc, "items": {**doc["items"], "data": data}}

    def _link_subscription(self, doc: Doc) -> None:
        items, listed = self["subscription_item"].docs, doc["items"]
        listed["data"] = [items[item] if isinstance(item, str) else item for item in listed["data"]]
        self._link_rates(doc)

    def _bare_item(self, doc: Doc) -> Doc:
        return {**doc, "price": doc["price"]["id"], "plan": None}

    def _link_item(self, doc: Doc) -> None:
        doc["plan"], doc["price"] = self._plan_of(doc["price"]), self["price"].docs[doc["price"]]
        self._link_rates(doc)

    def _link_rates(self, doc: Doc) -> None:
        """Tax rates are embedded, and an archived one shows it wherever it is."""
        for name in ("default_tax_rates", "tax_rates"):
            if doc.get(name):
                doc[name] = [self["tax_rate"].docs.get(rate["id"], rate) for rate in doc[name]]

    def _link_schedule(self, doc: Doc) -> None:
        for phase in doc["phases"]:
            for part in (phase, *phase["items"]):
                self._link_rates(part)

    def _link_customer(self, doc: Doc) -> None:
        if doc["discount"]:
            doc["discount"] = self["discount"].docs.get(doc["discount"]["id"], doc["discount"])

    def __getitem__(self, kind: str) -> Table:
        return self.tables[kind]

    def add(self, kind: str, doc: Doc) -> Doc:
        """Insert a new object."""
        return self.tables[kind].add(doc)

    def get(self, kind: str, object_id: str, param: str = "id", status: int = 404) -> Doc:
        """The object, or Stripe's `resource_missing`."""
        doc = self.tables[kind].docs.get(object_id)
        if doc is None or object_id in self.gone:
            raise missing(kind.replace("_", " "), object_id, param, status)
        return doc

    def find(self, object_id: str) -> Doc | None:
        """Any object by id, whatever its kind (ids are unique over all tables)."""
        for table in self.tables.values():
            if object_id in table.docs:
                return table.docs[object_id]
        return None
