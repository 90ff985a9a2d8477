"""What goes through the door: a write that was stored, an object as read, a page of events."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, TypeVar
from urllib.parse import quote

import msgspec

from sync.gateway.failures import Failure, StripeCallFailed, Verdict

T = TypeVar("T")

# Where an object of each mirrored kind (Stripe's own `object`) is read.
PATHS: Final = {
    "customer": "/v1/customers/{}",
    "subscription": "/v1/subscriptions/{}",
    "invoice": "/v1/invoices/{}",
    "price": "/v1/prices/{}",
    "product": "/v1/products/{}",
    "charge": "/v1/charges/{}",
    "payment_intent": "/v1/payment_intents/{}",
    "invoice_payment": "/v1/invoice_payments/{}",
    "subscription_schedule": "/v1/subscription_schedules/{}",
}


def path_of(kind: str, object_id: str) -> str:
    """Where one object is read: whatever its id holds, it stays one part of the path.

    Some ids may be chosen by people, and ids come from command lines. Raises StripeCallFailed (MISSING) for
    one that names nothing, such as `..`, which would lead to another path.
    """
    if not any(character.isalnum() for character in object_id):
        failure = Failure(Verdict.MISSING, f"there is no {kind} {object_id!r}", http_status=404)
        raise StripeCallFailed(failure, f"{kind}.retrieve")
    return PATHS[kind].format(quote(object_id, safe=""))


@dataclass(frozen=True, slots=True)
class StoredCall:
    """A write whose key and body are already committed in table stripe_call."""

    key: str
    step: str
    method: str
    path: str
    params: dict[str, Any]


@dataclass(frozen=True, slots=True)
class ObjectRead:
    """One object as Stripe has it: `body` is JSON, None when Stripe has no such object (any more)."""

    kind: str
    object_id: str
    body: bytes | None
    sent_unix: int
    date_unix: int

    def decode(self, struct: type[T]) -> T:
        """The object, typed. Raises StripeCallFailed (MISSING) where Stripe has none."""
        if self.body is None:
            failure = Failure(Verdict.MISSING, f"there is no {self.kind} {self.object_id}", http_status=404)
            raise StripeCallFailed(failure, f"{self.kind}.retrieve")
        return msgspec.json.decode(self.body, type=struct)


@dataclass(frozen=True, slots=True)
class EventPage:
    """A page of the Events API, newest first, each event as raw JSON."""

    events: list[bytes]
    has_more: bool
    last_id: str | None
    date_unix: int


@dataclass(frozen=True, slots=True)
class ObjectPage:
    """A page of a list of whole objects, newest first; no list inside them is cut off."""

    reads: list[ObjectRead]
    has_more: bool
    last_id: str | None
    sent_unix: int
    date_unix: int
