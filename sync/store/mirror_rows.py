"""The typed rows of the mirror: read and replaced many at a time, always under the lock of their heads.

The statements are built from the fields of the row types, so that a column cannot be forgotten in one of
them. Every write goes in the order of its key.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any, Final, get_type_hints

import msgspec

from sync.mirror_rows import (
    ChargeRow,
    ChildRow,
    CustomerRow,
    InvoiceLineRow,
    InvoicePaymentRow,
    InvoiceRow,
    Kind,
    Metadata,
    PaymentIntentRow,
    PriceRow,
    ProductRow,
    Row,
    ScheduleItemRow,
    ScheduleRow,
    SubscriptionItemRow,
    SubscriptionRow,
)
from sync.store.db import Connection, Record

_ENCODER: Final = msgspec.json.Encoder()
_DECODER: Final = msgspec.json.Decoder(Metadata)

# Metadata travels as text and is jsonb only in the table: a tenth of the time of our jsonb codec.
_SQL_TYPES: Final[Mapping[object, str]] = {
    str: "text",
    int: "bigint",
    bool: "boolean",
    Metadata: "text",
    str | None: "text",
    int | None: "bigint",
    bool | None: "boolean",
}


def _arrays(row_type: type) -> str:
    hints = get_type_hints(row_type)
    return ", ".join(f"${n}::{_SQL_TYPES[hint]}[]" for n, hint in enumerate(hints.values(), 1))


def _json_names(row_type: type) -> set[str]:
    return {name for name, hint in get_type_hints(row_type).items() if hint == Metadata}


def _as(row_type: type, json_type: str) -> str:
    """The names of the columns, those with JSON cast to this type."""
    json = _json_names(row_type)
    return ", ".join(f"{name}::{json_type}" if name in json else name for name in get_type_hints(row_type))


def _insert(table: str, row_type: type, order: str) -> str:
    names = ", ".join(get_type_hints(row_type))
    return (
        f"INSERT INTO {table} ({names})\nSELECT {_as(row_type, 'jsonb')}\n"
        f"  FROM unnest({_arrays(row_type)})\n       AS given ({names})\n ORDER BY {order}"
    )


def _upsert(table: str, row_type: type) -> str:
    changing = [name for name in get_type_hints(row_type) if name != "id"]
    new = ", ".join(f"EXCLUDED.{name}" for name in changing)
    return (
        f"{_insert(table, row_type, 'id')}\n"
        f"    ON CONFLICT (id) DO UPDATE SET ({', '.join(changing)}) = ROW ({new})"
    )


def _select(table: str, row_type: type, key: str, order: str) -> str:
    return f"SELECT {_as(row_type, 'text')} FROM {table} WHERE {key} = ANY($1::text[]) ORDER BY {order}"


_ROWS: Final[Mapping[Kind, tuple[str, type[Row]]]] = {
    Kind.CUSTOMER: ("stripe_customer", CustomerRow),
    Kind.SUBSCRIPTION: ("stripe_subscription", SubscriptionRow),
    Kind.INVOICE: ("stripe_invoice", InvoiceRow),
    Kind.PRICE: ("stripe_price", PriceRow),
    Kind.PRODUCT: ("stripe_product", ProductRow),
    Kind.CHARGE: ("stripe_charge", ChargeRow),
    Kind.PAYMENT_INTENT: ("stripe_payment_intent", PaymentIntentRow),
    Kind.INVOICE_PAYMENT: ("stripe_invoice_payment", InvoicePaymentRow),
    Kind.SCHEDULE: ("stripe_subscription_schedule", ScheduleRow),
}
# The kinds that have children: their table, row type and the column that names the parent.
_CHILDREN: Final[Mapping[Kind, tuple[str, type[ChildRow], str]]] = {
    Kind.SUBSCRIPTION: ("stripe_subscription_item", SubscriptionItemRow, "subscription_id"),
    Kind.INVOICE: ("stripe_invoice_line", InvoiceLineRow, "invoice_id"),
    Kind.SCHEDULE: ("stripe_subscription_schedule_item", ScheduleItemRow, "schedule_id"),
}

SELECT_ROWS: Final = {kind: _select(table, row, "id", "id") for kind, (table, row) in _ROWS.items()}

UPSERT_ROWS: Final = {kind: _upsert(table, row) for kind, (table, row) in _ROWS.items()}

SELECT_CHILDREN: Final = {
    kind: _select(table, row, parent, f"{parent}, position")
    for kind, (table, row, parent) in _CHILDREN.items()
}

# Children are replaced as a whole: an item that Stripe does not list any more must not stay behind.
DELETE_CHILDREN: Final = {
    kind: f"DELETE FROM {table} WHERE {parent} = ANY($1::text[])"
    for kind, (table, _, parent) in _CHILDREN.items()
}

INSERT_CHILDREN: Final = {
    kind: _insert(table, row, f"{parent}, position") for kind, (table, row, parent) in _CHILDREN.items()
}


async def load_rows(conn: Connection, kind: Kind, ids: Collection[str]) -> dict[str, Row]:
    """The rows that exist, by id."""
    make = _maker(_ROWS[kind][1])
    return {record["id"]: make(record) for record in await conn.fetch(SELECT_ROWS[kind], list(ids))}


async def load_children(conn: Connection, kind: Kind, ids: Collection[str]) -> dict[str, list[ChildRow]]:
    """The children of these objects, by the parent's id, in Stripe's order; empty for kinds without."""
    found: dict[str, list[ChildRow]] = {}
    if kind in _CHILDREN:
        make = _maker(_CHILDREN[kind][1])
        for record in await conn.fetch(SELECT_CHILDREN[kind], list(ids)):
            found.setdefault(record[0], []).append(make(record))
    return found


async def write_rows(conn: Connection, kind: Kind, rows: Sequence[Row]) -> None:
    """Insert or overwrite these rows. The caller holds the locks of their heads."""
    await conn.execute(UPSERT_ROWS[kind], *_columns(rows))


async def replace_children(
    conn: Connection, kind: Kind, ids: Collection[str], children: Sequence[ChildRow]
) -> None:
    """Make `children` the only children of the objects `ids`. The caller holds the locks of their heads."""
    if kind not in _CHILDREN:
        return
    await conn.execute(DELETE_CHILDREN[kind], sorted(ids))
    if children:
        await conn.execute(INSERT_CHILDREN[kind], *_columns(children))


def _maker(row_type: Any) -> Callable[[Record], Any]:
    """A function from a record to a row."""
    places = [row_type._fields.index(name) for name in _json_names(row_type)]

    def make(record: Record) -> Any:
        values = list(record)
        for place in places:
            values[place] = _DECODER.decode(values[place])
        return row_type._make(values)

    return make


def _columns(rows: Sequence[tuple[Any, ...]]) -> Iterable[list[Any]]:
    """The rows turned into arrays, one for each column."""
    for column in zip(*rows, strict=True):
        yield [_encoded(value) for value in column] if isinstance(column[0], dict) else list(column)


def _encoded(metadata: Metadata) -> str:
    return _ENCODER.encode(metadata).decode() if metadata else "{}"


def statements() -> list[str]:
    """Every statement of this module, for the test that prepares them all."""
    tables = (SELECT_ROWS, UPSERT_ROWS, SELECT_CHILDREN, DELETE_CHILDREN, INSERT_CHILDREN)
    return [statement for table in tables for statement in table.values()]
