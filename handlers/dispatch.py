"""The table from event type to family, and what to do with everything that is not in it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

import msgspec

from handlers.envelope import JUNK, THIN
from handlers.events import (
    charges,
    corrections,
    customers,
    invoice_payments,
    invoices,
    payment_intents,
    prices,
    products,
    schedules,
    subscriptions,
)
from handlers.inbox import Claimed
from sync.mirror_rows import Kind
from sync.observation import Observation
from sync.stripe_objects import Event

# One family's view of one event of a type that it lists; None: it touches nothing that is mirrored.
Family = Callable[[Event], Observation | None]

_FAMILIES: Final[tuple[tuple[frozenset[str], Kind, Family], ...]] = (
    (customers.TYPES, Kind.CUSTOMER, customers.observe),
    (subscriptions.TYPES, Kind.SUBSCRIPTION, subscriptions.observe),
    (invoices.TYPES, Kind.INVOICE, invoices.observe),
    (prices.TYPES, Kind.PRICE, prices.observe),
    (products.TYPES, Kind.PRODUCT, products.observe),
    (charges.TYPES, Kind.CHARGE, charges.observe),
    (corrections.TYPES, Kind.CHARGE, corrections.observe),
    (payment_intents.TYPES, Kind.PAYMENT_INTENT, payment_intents.observe),
    (invoice_payments.TYPES, Kind.INVOICE_PAYMENT, invoice_payments.observe),
    (schedules.TYPES, Kind.SCHEDULE, schedules.observe),
)
HANDLED: Final[Mapping[str, tuple[Kind, Family]]] = MappingProxyType(
    {name: (kind, family) for names, kind, family in _FAMILIES for name in names}
)
# What catch-up asks for and everything that counts events may use as a label.
EVENT_TYPES: Final = frozenset(HANDLED)

_EVENT = msgspec.json.Decoder(Event)


@dataclass(frozen=True, slots=True)
class Ignored:
    """The event is of no use to us; `alert` when it should not have come here at all."""

    why: str
    alert: bool = False


@dataclass(frozen=True, slots=True)
class Rubbish:
    """A signed body that is no event: a person has to look at it."""

    why: str


@dataclass(frozen=True, slots=True)
class Dispatcher:
    """Decides what a stored event is worth. `api_version` is the one that the SDK pins.

    `livemode` is that of our API key; None: events of both modes are taken (there is only a local Stripe).
    """

    api_version: str
    livemode: bool | None = None

    def view(self, row: Claimed) -> Observation | Ignored | Rubbish:
        """Return what the event says about an object, or why it says nothing to us.

        Raises `msgspec.MsgspecError` when a listed event has not the shape that its type promises.
        """
        if row.type == JUNK:
            return Rubbish("signed, but not an event")
        if self.livemode is not None and row.livemode is not self.livemode:
            return Ignored("of the other mode (test or live)", alert=True)
        if row.account is not None:
            return Ignored("of another account", alert=True)
        listed = HANDLED.get(row.type)
        if listed is None:
            return _thin_hint(row) or Ignored("unlisted type")
        kind, family = listed
        if row.api_version != self.api_version and row.type not in corrections.TYPES:
            return _hint(row, kind, row.body)
        return family(_EVENT.decode(row.body)) or Ignored("touches nothing that is mirrored")


def _hint(row: Claimed, kind: Kind, body: bytes) -> Observation | Ignored:
    """Rendered in another version: only its id can be trusted, so the object is read."""
    object_id = msgspec.json.decode(body, type=_Identified).data.object.id
    if not object_id:
        return Ignored("about an object without an id")
    return Observation(kind, object_id, row.created, row.id, shown=None)


def _thin_hint(row: Claimed) -> Observation | None:
    """A thin event carries no object, but the id of one."""
    if not row.type.startswith("v1."):
        return None
    head = msgspec.json.decode(row.body, type=_ThinHead)
    related = head.related_object
    if head.object != THIN or related is None or related.type not in set(Kind):
        return None
    return Observation(Kind(related.type), related.id, row.created, row.id, shown=None)


class _Id(msgspec.Struct):
    id: str | None = None


class _Data(msgspec.Struct):
    object: _Id


class _Identified(msgspec.Struct):
    data: _Data


class _Related(msgspec.Struct):
    id: str
    type: str


class _ThinHead(msgspec.Struct):
    object: Any = None
    related_object: _Related | None = None
