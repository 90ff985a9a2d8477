"""The price book: which Stripe prices exist for the slots of the catalog, and which one is sold now.

A price in Stripe is immutable. Another amount is the next version of the slot's price; earlier versions
stay known for the accounts that still have them (Stripe docs "Manage products and prices").
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, NamedTuple, Self

from sync.errors import BadInput, Code, NotFound, Refused
from sync.rules.slots import PREFIX, Slot

# From this version on a price was brought along by an adopted subscription: it is one account's, never sold.
FIRST_ADOPTED_VERSION: Final = 1_000_001


class PriceRow(NamedTuple):
    """One known Stripe price; `unit_amount_minor` is in the minor unit of the price's currency."""

    lookup_key: str
    stripe_price_id: str
    unit_amount_minor: int
    sold_now: bool


@dataclass(frozen=True, slots=True, eq=False)
class PriceBook:
    """An immutable view of the known prices. Prices whose key is not in our grammar have no slot."""

    _amounts: Mapping[str, int]
    _slots: Mapping[str, Slot]
    _versions: Mapping[Slot, Mapping[int, str]]
    _sold: Mapping[Slot, str]

    @classmethod
    def build(cls, rows: Iterable[PriceRow | tuple[str, str, int, bool]]) -> Self:
        """Build the book. Raises `BadInput` for a broken key of ours or two prices of a slot on sale."""
        amounts: dict[str, int] = {}
        slots: dict[str, Slot] = {}
        versions: dict[Slot, dict[int, str]] = {}
        sold: dict[Slot, str] = {}
        for row in map(PriceRow._make, rows):
            amounts[row.stripe_price_id] = row.unit_amount_minor
            if not row.lookup_key.startswith(PREFIX):
                continue
            slot, version = Slot.parse(row.lookup_key)
            slots[row.stripe_price_id] = slot
            versions.setdefault(slot, {})[version] = row.stripe_price_id
            if row.sold_now and sold.setdefault(slot, row.stripe_price_id) != row.stripe_price_id:
                raise BadInput(Code.CATALOG_INVALID, f"Two prices of {slot.key} are marked as sold now.")
        return cls(
            MappingProxyType(amounts),
            MappingProxyType(slots),
            MappingProxyType(versions),
            MappingProxyType(sold),
        )

    def slot_of(self, price_id: str) -> Slot | None:
        """Return the slot of a Stripe price, or None when it is not one of the catalog's."""
        return self._slots.get(price_id)

    def amount_of(self, price_id: str) -> int:
        """Return the unit amount in minor units. Raises `NotFound` (`not_in_catalog`)."""
        try:
            return self._amounts[price_id]
        except KeyError:
            detail = f"The price {price_id} is not known here; run `prorata catalog push`."
            raise NotFound(Code.NOT_IN_CATALOG, detail) from None

    def amounts(self) -> Mapping[str, int]:
        """Return the unit amounts of all known prices by Stripe price id, for an estimate."""
        return self._amounts

    def versions(self, slot: Slot) -> Mapping[int, str]:
        """Return the Stripe price ids of a slot by version, the retired ones included."""
        return dict(sorted(self._versions.get(slot, {}).items()))

    def newest(self, slot: Slot) -> str | None:
        """Return the Stripe price that is sold for a slot, or was last; never one that was adopted."""
        if slot in self._sold:
            return self._sold[slot]
        pushed = [version for version in self._versions.get(slot, ()) if version < FIRST_ADOPTED_VERSION]
        return self._versions[slot][max(pushed)] if pushed else None

    def sold_now(self, slot: Slot) -> str:
        """Return the id of the Stripe price that is sold for a slot today.

        Raises `Refused`: `not_in_catalog` when the slot was never pushed to Stripe, `price_changed` when
        every price of it has been withdrawn from sale.
        """
        if slot in self._sold:
            return self._sold[slot]
        if slot in self._versions:
            detail = f"The price of {slot.key} is not sold any more. Nothing was charged; ask for a quote."
            raise Refused(Code.PRICE_CHANGED, detail)
        detail = f"{slot.key} has no price at Stripe yet. Nothing was charged; run `prorata catalog push`."
        raise Refused(Code.NOT_IN_CATALOG, detail)
