"""What all objects share: tolerance of unknown fields, and references that may come expanded."""

from __future__ import annotations

from typing import Protocol

import msgspec


class HasId(Protocol):
    """Any object of Stripe's that came expanded."""

    @property
    def id(self) -> str: ...


class StripeStruct(msgspec.Struct, frozen=True, kw_only=True):
    """Base: unknown fields are ignored, instances are immutable."""


class Reference(StripeStruct, frozen=True, kw_only=True):
    """An expanded object of which only the id matters."""

    id: str


Ref = str | Reference


def ref_id(value: str | HasId | None) -> str | None:
    """The id behind an expandable field, whether or not it came expanded."""
    if value is None or isinstance(value, str):
        return value
    return value.id
