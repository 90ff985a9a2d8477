"""Subscription items as Stripe has them, and amendments: computed sets of additions, updates and removals.

Three rules of Stripe's subscription update shape everything here (Stripe docs "Change the price of existing
subscriptions"): an entry without its item id adds a second item; a price that is sent without a quantity
resets the quantity to 1; and items that are not mentioned stay as they are.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from sync.errors import Code, Conflict, Refused
from sync.rules.catalog import Catalog
from sync.rules.price_book import PriceBook
from sync.rules.slots import Role, Slot
from sync.rules.terms import Terms

MAX_ITEMS: Final = 20  # Stripe's limit per subscription


@dataclass(frozen=True, slots=True)
class Item:
    """A subscription item as read. A metered item has no quantity at Stripe: give 0."""

    id: str
    price_id: str
    quantity: int
    metered: bool = False


@dataclass(frozen=True, slots=True)
class AddItem:
    """A new item."""

    price_id: str
    quantity: int


@dataclass(frozen=True, slots=True)
class SetItem:
    """Another price or quantity, or both, on an existing item; both are always sent."""

    item_id: str
    price_id: str
    quantity: int


@dataclass(frozen=True, slots=True)
class RemoveItem:
    """An existing item that goes."""

    item_id: str


ItemChange = AddItem | SetItem | RemoveItem


@dataclass(frozen=True, slots=True)
class Amendment:
    """Everything that one call changes on a subscription's items. Items it does not name stay untouched."""

    changes: tuple[ItemChange, ...] = ()

    @property
    def is_empty(self) -> bool:
        """Say whether there is nothing to send."""
        return not self.changes

    @property
    def removes(self) -> bool:
        """Say whether an item goes; a pending update is not known to support that."""
        return any(isinstance(change, RemoveItem) for change in self.changes)

    def as_stripe_items(self) -> list[dict[str, object]]:
        """Return the `items` parameter, the same for a preview, a creation and an update."""
        return [_as_stripe_item(change) for change in self.changes]


def _as_stripe_item(change: ItemChange) -> dict[str, object]:
    match change:
        case AddItem(price_id, quantity):
            return {"price": price_id, "quantity": quantity}
        case SetItem(item_id, price_id, quantity):
            return {"id": item_id, "price": price_id, "quantity": quantity}
        case RemoveItem(item_id):
            return {"id": item_id, "deleted": True}


def amend(items: Sequence[Item], amendment: Amendment) -> tuple[Item, ...]:
    """Return the items after an amendment, as Stripe would have them; a new item's id is `new:<price id>`.

    Raises `Conflict` (`items_conflict`) when the amendment names an item that is not there.
    """
    after = {item.id: item for item in items}
    for change in amendment.changes:
        if isinstance(change, AddItem):
            new = Item(f"new:{change.price_id}", change.price_id, change.quantity)
            after[new.id] = new
        elif change.item_id not in after:
            detail = f"The item {change.item_id} is not on the subscription any more. Ask for a new quote."
            raise Conflict(Code.ITEMS_CONFLICT, detail)
        elif isinstance(change, SetItem):
            after[change.item_id] = Item(change.item_id, change.price_id, change.quantity)
        else:
            del after[change.item_id]
    return tuple(after.values())


def recognise(items: Sequence[Item], prices: PriceBook) -> dict[str, tuple[Item, Slot]]:
    """Return the items that are ours by their part (`base`, `contacts`, `seats`, `addon:<name>`).

    Metered items and prices outside the catalog are left out: they are not ours to touch. Raises `Refused`
    (`items_conflict`) when two items play the same part, because nobody knows which of them is meant.
    """
    found: dict[str, tuple[Item, Slot]] = {}
    for item in items:
        slot = None if item.metered else prices.slot_of(item.price_id)
        if slot is None:
            continue
        if slot.part in found:
            other = found[slot.part][0].id
            detail = (
                f"The items {other} and {item.id} of the subscription both stand for {slot.part}. "
                "Nothing was charged; support has to remove one of them in Stripe first."
            )
            raise Refused(Code.ITEMS_CONFLICT, detail)
        found[slot.part] = (item, slot)
    return found


def billed(items: Sequence[Item], prices: PriceBook) -> Mapping[Slot, int]:
    """Return what the items bill, as slots with quantities. An empty seats item counts like none."""
    return without_empty({slot: item.quantity for item, slot in recognise(items, prices).values()})


def without_empty(slots: Mapping[Slot, int]) -> Mapping[Slot, int]:
    """Return the slots whose quantity is not 0."""
    return {slot: quantity for slot, quantity in slots.items() if quantity != 0}


def amendment_for(
    items: Sequence[Item], terms: Terms, *, catalog: Catalog, prices: PriceBook, currency: str
) -> Amendment:
    """Return what has to change so that the items bill exactly `terms`.

    Each part of the terms is one item, so a move of product, tier, band or interval is a price swap on the
    same item: an increase never removes one. An item that already has a price of its slot keeps that price,
    also when the price is retired. A seats item of quantity 0 is made with the first purchase; later it is
    made only when seats are bought.

    Raises `Refused` (`items_conflict` for a doubled part or price, `too_many_items`, `not_in_catalog` or
    `price_changed` for a slot that cannot be sold) and `NotFound` for terms outside the catalog.
    """
    ours = recognise(items, prices)
    is_first = not ours
    changes: list[ItemChange] = []
    for slot, quantity in catalog.items_for(terms, currency).items():
        if slot.part not in ours:
            if is_first or quantity > 0:
                changes.append(AddItem(prices.sold_now(slot), quantity))
            continue
        item, present = ours.pop(slot.part)
        price_id = item.price_id if present == slot else prices.sold_now(slot)
        if (price_id, quantity) != (item.price_id, item.quantity):
            changes.append(SetItem(item.id, price_id, quantity))
    changes.extend(RemoveItem(item.id) for item, slot in ours.values() if slot.role is Role.ADDON)
    amendment = Amendment(tuple(changes))
    _refuse_impossible(items, amendment)
    return amendment


def _refuse_impossible(items: Sequence[Item], amendment: Amendment) -> None:
    """Refuse what Stripe would refuse: one price on two items, or more items than it allows."""
    after = amend(items, amendment)
    counted = Counter(item.price_id for item in after)
    for change in amendment.changes:
        if not isinstance(change, RemoveItem) and counted[change.price_id] > 1:
            detail = (
                f"The price {change.price_id} is on the subscription already, and Stripe takes a price once. "
                "Nothing was charged; support has to look at the subscription's items."
            )
            raise Refused(Code.ITEMS_CONFLICT, detail)
    if amendment.changes and len(after) > MAX_ITEMS:
        detail = f"Stripe allows {MAX_ITEMS} items, these would be {len(after)}. Nothing was charged."
        raise Refused(Code.TOO_MANY_ITEMS, detail)
