"""What a price at Stripe stands for: said exactly, by somebody who knows, or not at all.

Five places can say it, and all that speak must agree: our own list of the catalog's prices; a lookup key of
our grammar; the metadata `prorata_slot` of the item, its price or its product; the metadata `prorata_slots`
of the subscription (`price_1=base:sales:pro price_2=seats:sales:pro`); and the operator's mapping file.

A slot is named in full (`prorata:base:sales:pro:-:month:usd`) or without interval and currency, which are
then the price's own (`base:sales:pro`, `contacts:sales:pro:1000`, `seats:sales:pro`, `addon:sms`). `outside`
says that a price is none of the catalog's; it can be said wherever a slot can be named.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, Self

from sync.errors import BadInput, Code
from sync.rules.adoption_reasons import Reason, Why, why
from sync.rules.catalog import Catalog
from sync.rules.price_book import PriceBook
from sync.rules.slots import PREFIX, Role, Slot
from sync.rules.terms import Interval
from sync.rules.toml_table import Table

SLOT: Final = "prorata_slot"
SLOTS: Final = "prorata_slots"
AMOUNT: Final = "prorata_amount_minor"
OUTSIDE: Final = "outside"

NAME_IT: Final = (
    f"Name its slot, or `{OUTSIDE}` where the catalog does not sell it, in the --map file or in the metadata "
    f"{SLOT} of the item, the price or its product."
)

_NAMES: Final = {Role.BASE: 2, Role.CONTACTS: 3, Role.SEATS: 2, Role.ADDON: 1}


class By(StrEnum):
    """Where it is said what a price stands for."""

    CATALOG = "catalog"
    LOOKUP_KEY = "lookup_key"
    METADATA = "metadata"
    MAP = "map"


@dataclass(frozen=True, slots=True)
class FoundPrice:
    """A price as read. `unit_amount_minor` is None where one unit has no fixed amount of its own.

    `product_metadata` is that of its product.
    """

    id: str
    product_id: str
    currency: str
    unit_amount_minor: int | None
    interval: str | None = "month"
    interval_count: int = 1
    metered: bool = False
    lookup_key: str | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)
    product_metadata: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class MapLine:
    """One line of the operator's file: a slot or `outside`, and the amount that was accepted for it."""

    slot: str
    accept_amount_minor: int | None = None


@dataclass(frozen=True, slots=True)
class PriceMap:
    """The operator's file: foreign price ids and what they stand for."""

    prices: Mapping[str, MapLine] = field(default_factory=dict)

    @classmethod
    def load(cls, toml_text: str) -> Self:
        """Read a file of `[prices.<price id>]` tables. Raises `BadInput` naming every part that is wrong."""
        root = Table.parse(toml_text, Code.BAD_REQUEST)
        root.only("prices")
        prices = root.table("prices")
        read = cls({price_id: _mapping(prices.table(price_id)) for price_id in prices})
        root.finish(Code.BAD_REQUEST)
        return read


def _mapping(table: Table) -> MapLine:
    table.only("slot", "accept_amount_minor")
    slot = table.text("slot")
    if slot and slot != OUTSIDE and read_slot(slot, Interval.MONTH, "usd") is None:
        table.wrong("slot", f"is no slot: {slot!r}")
    amount = table.whole("accept_amount_minor") if "accept_amount_minor" in list(table) else None
    return MapLine(slot, amount)


@dataclass(frozen=True, slots=True)
class Named:
    """What a price stands for, and who says so. `lookup_key` is set where the price owns one of ours."""

    slot: Slot
    by: By
    lookup_key: str | None = None


@dataclass(frozen=True, slots=True)
class Saying:
    """Everything outside the price itself that may name it."""

    catalog: Catalog
    book: PriceBook
    mapped: PriceMap


def read_slot(text: str, interval: str, currency: str) -> Slot | None:
    """Return the slot that a text names in full or in short; None when it is no slot."""
    parts = text.split(":")
    if text.startswith(PREFIX):
        key = text if len(parts) == 8 else f"{text}:v1"
    elif parts[0] in Role.__members__.values() and len(parts) == 1 + _NAMES[Role(parts[0])]:
        named = {2: ["-", "-"], 3: ["-"], 4: []}[len(parts)]
        key = ":".join(["prorata", *parts, *named, interval, currency, "v1"])
    else:
        return None
    try:
        return Slot.parse(key)[0]
    except BadInput:
        return None


def name_of(
    price: FoundPrice, item: Mapping[str, str], subscription: Mapping[str, str], saying: Saying
) -> Named | Why | None:
    """Return the slot of a price, why it cannot be believed, or None for a price outside the catalog.

    `item` and `subscription` are their metadata. A price of which nothing is said is `unknown_price`.
    """
    said = list(_sayings(price, item, subscription, saying))
    if not said:
        return why(Reason.UNKNOWN_PRICE, price.id, price.id, NAME_IT)
    texts = {text for _, text in said}
    if texts == {OUTSIDE}:
        return None
    slots = {text: read_slot(text, price.interval or "", price.currency) for text in texts - {OUTSIDE}}
    unreadable = sorted(text for text, slot in slots.items() if slot is None)
    if unreadable:
        return why(Reason.SLOT_UNREADABLE, price.id, f"{price.id} is named {unreadable[0]!r}")
    [first, *others] = {slot for slot in slots.values() if slot is not None}
    if others or OUTSIDE in texts:
        names = ", ".join(f"{by} says {text}" for by, text in said)
        return why(Reason.SLOTS_DISAGREE, price.id, f"of {price.id}, {names}")
    ours = price.lookup_key if price.lookup_key and price.lookup_key.startswith(PREFIX) else None
    named = Named(first, said[0][0], ours)
    return _contradicted(price, named, item, saying) or named


def _sayings(
    price: FoundPrice, item: Mapping[str, str], subscription: Mapping[str, str], saying: Saying
) -> Iterator[tuple[By, str]]:
    """Return who says what of a price, the surest first."""
    if (known := saying.book.slot_of(price.id)) is not None:
        yield By.CATALOG, known.key
    if price.lookup_key is not None and price.lookup_key.startswith(PREFIX):
        yield By.LOOKUP_KEY, price.lookup_key
    for metadata in (item, price.metadata, price.product_metadata):
        if metadata.get(SLOT):
            yield By.METADATA, metadata[SLOT]
    for entry in subscription.get(SLOTS, "").split():
        price_id, _, slot = entry.partition("=")
        if price_id == price.id:
            yield By.METADATA, slot
    if price.id in saying.mapped.prices:
        yield By.MAP, saying.mapped.prices[price.id].slot


def _contradicted(price: FoundPrice, named: Named, item: Mapping[str, str], saying: Saying) -> Why | None:
    """Return what the price itself has against the slot that it is said to stand for."""
    slot, about = named.slot, price.id
    if price.metered:
        return why(Reason.METERED, about, f"{about} is named {slot.key}")
    if price.interval not in Interval.__members__.values() or price.interval_count != 1:
        return why(Reason.INTERVAL_NOT_SOLD, about, f"{about}, every {price.interval_count} {price.interval}")
    if (slot.interval, slot.currency) != (price.interval, price.currency):
        values = f"{about} is in {price.currency} per {price.interval} and is named {slot.key}"
        return why(Reason.SLOTS_DISAGREE, about, values)
    if price.unit_amount_minor is None or price.unit_amount_minor <= 0:
        return why(Reason.PRICE_NOT_FIXED, about, about)
    if slot not in saying.catalog.amounts:
        return why(_unknown(slot, saying.catalog), about, f"{about} is named {slot.key}")
    if named.by in (By.CATALOG, By.LOOKUP_KEY):
        return None  # an earlier version of the catalog's own price
    expected = saying.catalog.amount_minor(slot)
    if price.unit_amount_minor in (expected, *_accepted(price, item, saying.mapped)):
        return None
    values = f"{about} costs {price.unit_amount_minor}, {slot.key} costs {expected}"
    advice = f"Accept it with accept_amount_minor in the mapping file, or the metadata {AMOUNT}."
    return why(Reason.AMOUNT_DIFFERS, about, values, advice)


def _unknown(slot: Slot, catalog: Catalog) -> Reason:
    """Return what exactly the catalog does not have."""
    is_sold = slot.role is Role.CONTACTS and catalog.included_seats(slot.product, slot.tier) is not None
    return Reason.UNKNOWN_BAND if is_sold else Reason.NOT_IN_CATALOG


def _accepted(price: FoundPrice, item: Mapping[str, str], mapped: PriceMap) -> Iterator[int]:
    """Return the amounts that somebody accepted for this price."""
    entry = mapped.prices.get(price.id)
    if entry is not None and entry.accept_amount_minor is not None:
        yield entry.accept_amount_minor
    for metadata in (item, price.metadata, price.product_metadata):
        text = metadata.get(AMOUNT, "")
        if text.isascii() and text.isdigit():
            yield int(text)
