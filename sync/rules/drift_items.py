"""What differs between the items of a subscription and what was bought. Pure.

An item keeps its price when the catalog gets another amount, so an earlier version of the same slot's price
is no difference. Metered items and prices outside the catalog are shown, and never judged.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from sync.rules.drift import Difference, FindingKind
from sync.rules.items import Item
from sync.rules.price_book import PriceBook
from sync.rules.slots import Slot


class Owner(NamedTuple):
    """Whose items they are."""

    account_id: str
    subscription_id: str


def item_differences(
    owner: Owner, wanted: Mapping[Slot, int], items: Sequence[Item], prices: PriceBook
) -> list[Difference]:
    """What differs, item by item; `wanted` are the slots that bill what was bought, with quantities."""
    ours: dict[str, list[tuple[Item, Slot]]] = {}
    found: list[Difference] = []
    for item in items:
        slot = None if item.metered else prices.slot_of(item.price_id)
        if slot is None:
            found.append(_difference(owner, FindingKind.NOT_IN_CATALOG, item.id, None, shown(item, None)))
        else:
            ours.setdefault(slot.part, []).append((item, slot))
    parts = {slot.part: (slot, quantity) for slot, quantity in wanted.items()}
    for part, held in ours.items():
        found += _of_part(owner, part, held, parts.get(part))
    for part, (slot, quantity) in parts.items():
        # An empty seats item counts like none.
        if part not in ours and quantity > 0:
            found.append(_difference(owner, FindingKind.MISSING_ITEM, part, _meant(slot, quantity), None))
    found += _of_interval(owner, parts, ours)
    return found


def _of_part(
    owner: Owner, part: str, held: Sequence[tuple[Item, Slot]], meant: tuple[Slot, int] | None
) -> Iterator[Difference]:
    expected = _meant(*meant) if meant else None
    if len(held) > 1:
        both = [shown(item, slot) for item, slot in held]
        yield _difference(owner, FindingKind.DUPLICATE_ITEM, part, expected, both)
        return
    [(item, slot)] = held
    if meant is None:
        # An item of nothing bills nothing.
        if item.quantity > 0:
            yield _difference(owner, FindingKind.EXTRA_ITEM, item.id, None, shown(item, slot))
        return
    if replace(slot, interval=meant[0].interval) != meant[0]:
        yield _difference(owner, FindingKind.WRONG_PRICE, part, expected, shown(item, slot))
    if item.quantity != meant[1]:
        yield _difference(owner, FindingKind.WRONG_QUANTITY, part, expected, shown(item, slot))


def _of_interval(
    owner: Owner, parts: Mapping[str, tuple[Slot, int]], ours: Mapping[str, Sequence[tuple[Item, Slot]]]
) -> Iterator[Difference]:
    """One difference for the whole subscription: its items renew together."""
    meant = next(iter(parts.values()))[0].interval
    others = {
        part: str(slot.interval)
        for part, held in ours.items()
        for _, slot in held
        if slot.interval is not meant
    }
    if others:
        expected, found = {"interval": str(meant)}, {"intervals": dict(sorted(others.items()))}
        yield _difference(owner, FindingKind.WRONG_INTERVAL, "interval", expected, found)


def shown(item: Item, slot: Slot | None) -> dict[str, Any]:
    """An item as a finding shows it; no slot: it is none of the catalog's."""
    return {
        "item": item.id,
        "price": item.price_id,
        "slot": slot.key if slot else None,
        "quantity": None if item.metered else item.quantity,
    }


def _meant(slot: Slot, quantity: int) -> dict[str, Any]:
    return {"slot": slot.key, "quantity": quantity}


def _difference(owner: Owner, kind: FindingKind, about: str, expected: Any, found: Any) -> Difference:
    return Difference(kind, owner.subscription_id, about, owner.account_id, expected, found)
