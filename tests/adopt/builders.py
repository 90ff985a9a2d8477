"""Subscriptions as somebody else made them, with defaults."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from sync.rules.adoption import FoundItem, FoundSubscription, Mapped, Unmapped, decide
from sync.rules.adoption_prices import FoundPrice, MapLine, PriceMap, Saying
from sync.rules.slots import Slot
from tests.rules.builders import BOOK, CATALOG, price_id

BASE: Final = "base:marketing:plus"
CONTACTS: Final = "contacts:marketing:plus:1000"
SEATS: Final = "seats:marketing:plus"
SMS: Final = "addon:sms"


def slot(short: str, interval: str = "month", currency: str = "usd") -> Slot:
    """The slot of a short name."""
    parts = short.split(":")
    filled = [*parts, *(["-"] * (4 - len(parts)))]
    return Slot.parse(":".join(["prorata", *filled, interval, currency, "v1"]))[0]


def ours(short: str, quantity: int = 1, version: int = 2, **of_price: Any) -> FoundItem:
    """An item with a price that our own list knows."""
    found = slot(short, of_price.get("interval", "month"), of_price.get("currency", "usd"))
    amount = CATALOG.amount_minor(found) - 2 + version
    price = FoundPrice(price_id(found, version), "prod_ours", found.currency, amount, found.interval)
    return FoundItem(f"si_{short}", replace(price, **of_price), quantity)


def foreign(
    name: str, amount_minor: int | None = 4900, quantity: int | None = 1, **of_price: Any
) -> FoundItem:
    """An item with a price of somebody else's, in dollars a month."""
    return FoundItem(
        f"si_{name}", FoundPrice(f"price_{name}", "prod_theirs", "usd", amount_minor, **of_price), quantity
    )


def tagged(short: str, quantity: int = 1, name: str | None = None, **of_price: Any) -> FoundItem:
    """An item with a price of somebody else's whose metadata names the slot, at the catalog's amount."""
    amount = CATALOG.amounts.get(slot(short), 4900)
    given = {"metadata": {"prorata_slot": short}, "amount_minor": amount, **of_price}
    return foreign(name or short, given.pop("amount_minor"), quantity, **given)


def subscription(*items: FoundItem, **others: Any) -> FoundSubscription:
    """An active subscription of `cus_1` in dollars; a complete one of ours unless items are given."""
    found = items or (ours(BASE), ours(CONTACTS), ours(SEATS, 2))
    return FoundSubscription("sub_1", "cus_1", "usd", found, **others)


def decided(found: FoundSubscription, lines: Mapping[str, MapLine | str] | None = None) -> Mapped | Unmapped:
    """What the rule says with our packaged catalog; `lines` is the operator's file."""
    mapped = {key: MapLine(line) if isinstance(line, str) else line for key, line in (lines or {}).items()}
    return decide(found, Saying(CATALOG, BOOK, PriceMap(mapped)))


def reasons(found: FoundSubscription, lines: Mapping[str, MapLine | str] | None = None) -> list[str]:
    """The codes that stand against it, in order."""
    said = decided(found, lines)
    return [str(each.code) for each in said.reasons] if isinstance(said, Unmapped) else []
