"""A slot: one thing of the catalog that has a price, and the lookup key that names it at Stripe.

Grammar of the lookup key, eight parts joined by colons:

    prorata:<role>:<product>:<tier>:<band or ->:<interval>:<currency>:v<version>
    prorata:addon:<name>:-:-:<interval>:<currency>:v<version>

Stripe's prices are immutable: another amount for the same slot is the next version of it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from sync.errors import BadInput, Code
from sync.rules.terms import Interval

PREFIX: Final = "prorata:"
NAME: Final = re.compile(r"[a-z][a-z0-9_]{0,39}")
CURRENCY: Final = re.compile(r"[a-z]{3}")
_NUMBER: Final = re.compile(r"[1-9][0-9]{0,8}")
_NONE: Final = "-"


class Role(StrEnum):
    """What a subscription item stands for."""

    BASE = "base"  # the product at its tier, always quantity 1
    CONTACTS = "contacts"  # the contact limit, one price per band, always quantity 1
    SEATS = "seats"  # the extra seats; the quantity is what was bought beyond the included ones, 0 allowed
    ADDON = "addon"  # an optional extra, the quantity is the number of packs


@dataclass(frozen=True, slots=True, order=True)
class Slot:
    """One priced thing. `band` is in contacts, only for the contacts role; `add_on` only for an add-on.

    For an add-on `product` and `tier` are `"-"`: it costs the same wherever it is offered.
    """

    role: Role
    product: str
    tier: str
    band: int | None
    interval: Interval
    currency: str
    add_on: str | None = None

    @classmethod
    def of_add_on(cls, name: str, interval: Interval, currency: str) -> Slot:
        """Return the slot of the add-on `name`."""
        return cls(Role.ADDON, _NONE, _NONE, None, interval, currency, name)

    @property
    def part(self) -> str:
        """Return which part of a subscription this is: the role, or `addon:<name>`. One item per part."""
        return f"{self.role}:{self.add_on}" if self.role is Role.ADDON else str(self.role)

    @property
    def key(self) -> str:
        """Return the lookup key without its version, such as `prorata:base:sales:pro:-:month:usd`."""
        named = self.add_on if self.role is Role.ADDON else self.product
        band = _NONE if self.band is None else str(self.band)
        return f"{PREFIX}{self.role}:{named}:{self.tier}:{band}:{self.interval}:{self.currency}"

    def lookup_key(self, version: int) -> str:
        """Return the Stripe lookup key of the slot's price number `version` (counted from 1)."""
        return f"{self.key}:v{version}"

    @classmethod
    def parse(cls, lookup_key: str) -> tuple[Slot, int]:
        """Read a lookup key back into its slot and version.

        Raises `BadInput` (`bad_request`) when the text does not follow the grammar exactly.
        """
        parts = lookup_key.split(":")
        if len(parts) != 8 or f"{parts[0]}:" != PREFIX or not _NUMBER.fullmatch(parts[7].removeprefix("v")):
            raise _unreadable(lookup_key)
        _, role, named, tier, band, interval, currency, version = parts
        try:
            if role == Role.ADDON:
                slot = cls.of_add_on(named, Interval(interval), currency)
            else:
                number = None if band == _NONE else int(band)
                slot = cls(Role(role), named, tier, number, Interval(interval), currency)
        except ValueError as error:
            raise _unreadable(lookup_key) from error
        number_of_version = int(version.removeprefix("v"))
        if not slot._is_well_formed() or slot.lookup_key(number_of_version) != lookup_key:
            raise _unreadable(lookup_key)
        return slot, number_of_version

    def _is_well_formed(self) -> bool:
        """Say whether the names fit the grammar and a band is there exactly for the contacts role."""
        names = (self.add_on or "",) if self.role is Role.ADDON else (self.product, self.tier)
        return (
            all(NAME.fullmatch(name) for name in names)
            and bool(CURRENCY.fullmatch(self.currency))
            and (self.band is not None) == (self.role is Role.CONTACTS)
            and (self.band is None or self.band > 0)
        )


def _unreadable(lookup_key: str) -> BadInput:
    return BadInput(Code.BAD_REQUEST, f"{lookup_key!r} is not a lookup key of Prorata's catalog.")
