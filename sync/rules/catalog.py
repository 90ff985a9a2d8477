"""The catalog: products, tiers, bands, seats and add-ons, with the amount of every slot.

It is data that operators edit (`catalog.toml`); this module reads it and answers questions about it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from itertools import product as every
from types import MappingProxyType
from typing import Self

from sync.errors import Code, NotFound, Problem
from sync.rules import catalog_check, catalog_json
from sync.rules.price_book import PriceBook, PriceRow
from sync.rules.slots import Role, Slot
from sync.rules.terms import Interval, Terms, pointer_to
from sync.rules.toml_table import Table

__all__ = ["AddOn", "Catalog", "PriceBook", "PriceRow", "Product", "Role", "Slot", "packaged"]


@dataclass(frozen=True, slots=True)
class Product:
    """A product; `includes` names the products that a bundle replaces, `seats_included` is by tier."""

    key: str
    name: Mapping[str, str]
    includes: tuple[str, ...]
    seats_included: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class AddOn:
    """An optional extra, offered where both the product and the tier are named, up to `max_quantity`."""

    key: str
    name: Mapping[str, str]
    products: tuple[str, ...]
    tiers: tuple[str, ...]
    max_quantity: int

    def is_offered(self, product: str, tier: str) -> bool:
        """Say whether an account with this product and tier can have the add-on."""
        return product in self.products and tier in self.tiers


@dataclass(frozen=True, slots=True, eq=False)
class Catalog:
    """Everything that is sold. Tiers, bands ascend; amounts are in minor units of the slot's currency."""

    bands: tuple[int, ...]
    currencies: tuple[str, ...]
    seats_max: int
    tiers: Mapping[str, Mapping[str, str]]
    products: Mapping[str, Product]
    add_ons: Mapping[str, AddOn]
    amounts: Mapping[Slot, int]

    @classmethod
    def load(cls, toml_text: str) -> Self:
        """Read a catalog file. Raises `BadInput` (`catalog_invalid`) naming every part of a wrong type.

        Whether the content makes sense is the business of `check`.
        """
        root = Table.parse(toml_text, Code.CATALOG_INVALID)
        root.only("bands", "currencies", "seats_max", "tiers", "products", "add_ons")
        bands, products, add_ons = root.wholes("bands"), root.table("products"), root.table("add_ons")
        tiers = root.table("tiers")
        catalog = cls(
            bands=bands,
            currencies=root.texts("currencies"),
            seats_max=root.whole("seats_max"),
            tiers=MappingProxyType({key: tiers.names(key) for key in tiers}),
            products=MappingProxyType({key: _product(key, products.table(key)) for key in products}),
            add_ons=MappingProxyType({key: _add_on(key, add_ons.table(key)) for key in add_ons}),
            amounts=MappingProxyType(dict(_amounts(products, add_ons, bands))),
        )
        root.finish(Code.CATALOG_INVALID)
        return catalog

    def check(self) -> list[str]:
        """Return one sentence per fault of the content; an empty list means that it can be sold."""
        return list(catalog_check.faults(self))

    def slots(self) -> Iterator[Slot]:
        """Return every slot that must have an amount, in the order of the file."""
        for interval, currency in every(Interval, self.currencies):
            for product, tier in every(self.products, self.tiers):
                yield Slot(Role.BASE, product, tier, None, interval, currency)
                yield Slot(Role.SEATS, product, tier, None, interval, currency)
                for band in self.bands:
                    yield Slot(Role.CONTACTS, product, tier, band, interval, currency)
            for name in self.add_ons:
                yield Slot.of_add_on(name, interval, currency)

    def amount_minor(self, slot: Slot) -> int:
        """Return the catalog's amount of one unit for one interval. Raises `NotFound` (`not_in_catalog`)."""
        try:
            return self.amounts[slot]
        except KeyError:
            raise NotFound(Code.NOT_IN_CATALOG, f"The catalog has no amount for {slot.key}.") from None

    def included_seats(self, product: str, tier: str) -> int | None:
        """Return how many seats the tier of the product includes, or None when there is no such tier."""
        return self.products[product].seats_included.get(tier) if product in self.products else None

    def extra_seats(self, terms: Terms) -> int:
        """Return how many seats are bought beyond the included ones, never below 0."""
        return max(0, terms.seats - (self.included_seats(terms.product, terms.tier) or 0))

    def items_for(self, terms: Terms, currency: str) -> dict[Slot, int]:
        """Return the slots that bill `terms`, with their quantities: one item each at Stripe.

        The seats slot is kept at quantity 0, so that buying the first extra seat changes a quantity and
        adds no item. Raises `NotFound` (`not_in_catalog`) when a slot has no amount.
        """
        product, tier, interval = terms.product, terms.tier, terms.interval
        wanted = {
            Slot(Role.BASE, product, tier, None, interval, currency): 1,
            Slot(Role.CONTACTS, product, tier, terms.contact_limit, interval, currency): 1,
            Slot(Role.SEATS, product, tier, None, interval, currency): self.extra_seats(terms),
        }
        for name, quantity in terms.add_ons.items():
            wanted[Slot.of_add_on(name, interval, currency)] = quantity
        for slot in wanted:
            self.amount_minor(slot)
        return wanted

    def terms_of(self, slots: Mapping[Slot, int]) -> Terms | None:
        """Return the terms that such a set of slots bills, the other way round than `items_for`.

        None without a product of the catalog or without a contact limit. Whether it is sold is not asked.
        """
        by_role = {slot.role: slot for slot in slots if slot.role is not Role.ADDON}
        base, contacts, seats = (by_role.get(role) for role in (Role.BASE, Role.CONTACTS, Role.SEATS))
        if base is None or contacts is None or contacts.band is None:
            return None
        included = self.included_seats(base.product, base.tier)
        if included is None:
            return None
        return Terms(
            product=base.product,
            tier=base.tier,
            contact_limit=contacts.band,
            seats=included + (slots[seats] if seats else 0),
            add_ons={slot.add_on: quantity for slot, quantity in slots.items() if slot.add_on is not None},
            interval=base.interval,
        )

    def recurring_minor(self, terms: Terms, currency: str) -> int:
        """Return what `terms` cost per interval at today's catalog amounts, without tax and discounts."""
        items = self.items_for(terms, currency)
        return sum(self.amount_minor(slot) * quantity for slot, quantity in items.items())

    def problems_of(self, terms: Terms) -> list[Problem]:
        """Return why `terms` are not sold, with pointers: unknown names, ineligible add-ons, too many."""
        problems = [
            _not_sold(field, value, known)
            for field, value, known in (
                ("product", terms.product, self.products),
                ("tier", terms.tier, self.tiers),
                ("contact_limit", terms.contact_limit, self.bands),
            )
            if value not in known
        ]
        if terms.seats > self.seats_max:
            detail = f"at most {self.seats_max} seats can be bought"
            problems.append(Problem(pointer_to("seats"), Code.QUANTITY_OUT_OF_RANGE, detail))
        for name, quantity in terms.add_ons.items():
            problems.extend(self._add_on_problems(name, quantity, terms))
        return problems

    def _add_on_problems(self, name: str, quantity: int, terms: Terms) -> Iterator[Problem]:
        add_on, pointer = self.add_ons.get(name), pointer_to("add_ons", name)
        if add_on is None:
            known = ", ".join(self.add_ons)
            yield Problem(pointer, Code.NOT_IN_CATALOG, f"there is no add-on {name!r}; known are {known}")
        elif not add_on.is_offered(terms.product, terms.tier):
            detail = f"add-on {name!r} is not offered with {terms.product} {terms.tier}; 0 removes it"
            yield Problem(pointer, Code.NOT_IN_CATALOG, detail)
        elif quantity > add_on.max_quantity:
            detail = f"at most {add_on.max_quantity} of add-on {name!r} can be bought"
            yield Problem(pointer, Code.QUANTITY_OUT_OF_RANGE, detail)

    def to_json(self) -> dict[str, object]:
        """Return the body of `GET /v1/catalog`."""
        return catalog_json.body(self)


@cache
def packaged() -> Catalog:
    """Return the catalog that comes with Prorata, for when no other file is configured."""
    return Catalog.load(resources.files("sync.rules").joinpath("catalog.toml").read_text("utf-8"))


def _not_sold(field: str, value: object, known: Mapping[str, object] | tuple[int, ...]) -> Problem:
    choices = ", ".join(str(choice) for choice in known)
    detail = f"{field} {value!r} is not sold; known are {choices}"
    return Problem(pointer_to(field), Code.NOT_IN_CATALOG, detail)


def _product(key: str, table: Table) -> Product:
    table.only("name", "includes", "tiers")
    tiers = table.table("tiers")
    seats = {tier: tiers.table(tier).whole("seats_included") for tier in tiers}
    return Product(key, table.names("name"), table.texts("includes"), MappingProxyType(seats))


def _add_on(key: str, table: Table) -> AddOn:
    table.only("name", "products", "tiers", "max_quantity", "price")
    products, tiers = table.texts("products"), table.texts("tiers")
    return AddOn(key, table.names("name"), products, tiers, table.whole("max_quantity"))


def _amounts(products: Table, add_ons: Table, bands: tuple[int, ...]) -> Iterator[tuple[Slot, int]]:
    """Return the amount of every slot that the file prices; what is missing is found by `check`."""
    for product in products:
        tiers = products.table(product).table("tiers")
        for tier in tiers:
            yield from _tier_amounts(product, tier, tiers.table(tier), bands)
    for name in add_ons:
        for interval, currency, prices in _price_lists(add_ons.table(name).table("price")):
            yield Slot.of_add_on(name, interval, currency), prices.whole(currency)


def _tier_amounts(
    product: str, tier: str, table: Table, bands: tuple[int, ...]
) -> Iterator[tuple[Slot, int]]:
    table.only("seats_included", "base", "seat", "contacts")
    for key, role in (("base", Role.BASE), ("seat", Role.SEATS)):
        for interval, currency, prices in _price_lists(table.table(key)):
            yield Slot(role, product, tier, None, interval, currency), prices.whole(currency)
    for interval, currency, prices in _price_lists(table.table("contacts")):
        listed = prices.wholes(currency)
        if len(listed) > len(bands):
            prices.wrong(currency, f"has more amounts than there are bands ({len(bands)})")
        for band, amount_minor in zip(bands, listed, strict=False):
            yield Slot(Role.CONTACTS, product, tier, band, interval, currency), amount_minor


def _price_lists(table: Table) -> Iterator[tuple[Interval, str, Table]]:
    """Walk `month = {usd = ..}, year = {..}`: interval, currency, and the table with its value."""
    table.only(*Interval)
    for interval in Interval:
        prices = table.table(interval)
        for currency in prices:
            yield interval, currency, prices
