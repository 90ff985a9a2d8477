"""From Stripe's JSON to the rows of the mirror, and back in time by an event's `previous_attributes`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeVar, cast

import msgspec

from sync.mirror_rows import ChildRow, InvoiceRow, Kind, PaymentIntentRow, Row, SubscriptionRow
from sync.row_builders import BUILDERS
from sync.rules.ordering import UNTRIED, Facts
from sync.stripe_objects import (
    Charge,
    Customer,
    Event,
    Invoice,
    InvoicePayment,
    PaymentIntent,
    Price,
    Product,
    Schedule,
    StripeStruct,
    Subscription,
)

AnyRow = TypeVar("AnyRow", bound=tuple[Any, ...])


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One object at one moment: its row and all its children. Equal snapshots are equal rows."""

    kind: Kind
    row: Row
    children: tuple[ChildRow, ...] = ()

    @property
    def object_id(self) -> str:
        return self.row.id

    @property
    def customer_id(self) -> str | None:
        """The customer whose open changes have to hear of this; None where that is for others to tell.

        A charge's invoice and a schedule's subscription have events of their own in the same burst. A payment
        that fails at the payer's bank changes nothing but its intent.
        """
        waking = SubscriptionRow | InvoiceRow | PaymentIntentRow
        return self.row.customer_id if isinstance(self.row, waking) else None

    @property
    def facts(self) -> Facts:
        """The same in the form that the ordering rule compares."""
        return Facts(self.kind, _state(self.row), (*self.row, self.children))


def _state(row: Row) -> str:
    """Where the object is in its life; empty for kinds that have none."""
    if isinstance(row, PaymentIntentRow) and row.untried:
        return UNTRIED
    return getattr(row, "status", None) or ""


class Rendering(NamedTuple):
    """A decoded object. `complete` is False when one of its lists was cut off at its first page."""

    kind: Kind
    struct: StripeStruct
    complete: bool
    has_nul: bool


_STRUCTS: dict[Kind, type[StripeStruct]] = {
    Kind.CUSTOMER: Customer,
    Kind.SUBSCRIPTION: Subscription,
    Kind.INVOICE: Invoice,
    Kind.PRICE: Price,
    Kind.PRODUCT: Product,
    Kind.CHARGE: Charge,
    Kind.PAYMENT_INTENT: PaymentIntent,
    Kind.INVOICE_PAYMENT: InvoicePayment,
    Kind.SCHEDULE: Schedule,
}
_DECODERS = {kind: msgspec.json.Decoder(struct) for kind, struct in _STRUCTS.items()}
_FIELDS = {
    kind: {field.encode_name: (field.name, field.type) for field in msgspec.structs.fields(struct)}
    for kind, struct in _STRUCTS.items()
}
_NUL = b"\\u0000"  # the only way to write it in JSON
_SHALLOW = msgspec.json.Decoder(dict[str, msgspec.Raw])


def render(kind: Kind, body: bytes | msgspec.Raw) -> Rendering:
    """Decode one object of Stripe's. Raises `msgspec.MsgspecError` when it has not the expected shape."""
    struct = _DECODERS[kind].decode(body)
    return Rendering(kind, struct, _is_complete(struct), has_nul=_NUL in bytes(body))


def is_deleted(body: bytes) -> bool:
    """Whether an answer to a read says that the object is deleted (`"deleted": true`)."""
    return bool(msgspec.json.decode(body, type=_Deletable).deleted)


class _Deletable(msgspec.Struct):
    deleted: bool = False


def snapshot(rendering: Rendering) -> Snapshot:
    """The rows of a decoded object. NUL, which PostgreSQL's text cannot hold, is left out."""
    row, children = BUILDERS[rendering.kind](rendering.struct)
    if rendering.has_nul:
        row, children = _clean(row), tuple(_clean(child) for child in children)
    return Snapshot(rendering.kind, row, children)


def snapshot_before(
    rendering: Rendering, body: bytes | msgspec.Raw, previous: Mapping[str, Any]
) -> Snapshot | None:
    """The object as it was just before an event: `previous_attributes` laid over its snapshot.

    A changed list appears whole in `previous_attributes`; inside other objects only the changed keys do.
    None when the older values have not the expected shape, so that nothing can be said.
    """
    fields = _FIELDS[rendering.kind]
    shallow = _SHALLOW.decode(body)
    changed: dict[str, Any] = {}
    try:
        for key in previous.keys() & fields.keys():
            now = msgspec.json.decode(shallow[key]) if key in shallow else None
            name, type_ = fields[key]
            changed[name] = msgspec.convert(_lay_over(now, previous[key], key == "metadata"), type_)
    except msgspec.MsgspecError:
        return None
    struct = msgspec.structs.replace(rendering.struct, **changed)
    if not _is_complete(struct):
        return None
    return snapshot(rendering._replace(struct=struct))


class Told(NamedTuple):
    """What an event shows, and what it says was true just before it; None where it does not say."""

    object_id: str
    shown: Snapshot | None
    before: Snapshot | None


def told(kind: Kind, event: Event) -> Told:
    """Read an event. With a list cut off, it shows nothing but the object's id.

    Raises `msgspec.MsgspecError` as `render` does.
    """
    rendering = render(kind, event.data.object)
    object_id: str = rendering.struct.id  # type: ignore[attr-defined]  # every kind has one
    if not rendering.complete:
        return Told(object_id, None, None)
    previous = event.data.previous_attributes
    before = None if previous is None else snapshot_before(rendering, event.data.object, previous)
    return Told(object_id, snapshot(rendering), before)


def _lay_over(now: Any, then: Any, unset: bool = False) -> Any:
    """Merge the older values over the newer ones; a key that metadata did not have then is null."""
    if not isinstance(now, dict) or not isinstance(then, dict):
        return then
    merged = now | {key: _lay_over(now.get(key), value) for key, value in then.items()}
    return {key: value for key, value in merged.items() if value is not None} if unset else merged


def _is_complete(struct: StripeStruct) -> bool:
    match struct:
        case Subscription():
            return not struct.items.has_more
        case Invoice():
            return not struct.lines.has_more
    return True


def _clean(row: AnyRow) -> AnyRow:
    make = cast("Callable[[Iterable[object]], AnyRow]", row._make)  # type: ignore[attr-defined]
    return make(_without_nul(value) for value in row)


def _without_nul(value: object) -> object:
    if isinstance(value, dict):
        return {key.replace("\0", ""): text.replace("\0", "") for key, text in value.items()}
    return value.replace("\0", "") if isinstance(value, str) else value
