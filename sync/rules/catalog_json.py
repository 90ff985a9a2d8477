"""The catalog as the public API shows it: what a price slider or a shop page needs, in one document."""

from __future__ import annotations

from itertools import product as every
from typing import TYPE_CHECKING

from sync.rules.slots import Role, Slot
from sync.rules.terms import Interval

if TYPE_CHECKING:
    from sync.rules.catalog import AddOn, Catalog, Product


def body(catalog: Catalog) -> dict[str, object]:
    """Return currencies, intervals, bands, tiers, products and add-ons.

    Every amount is `{"amount_minor", "currency"}` for one unit and one interval.
    """
    return {
        "currencies": list(catalog.currencies),
        "intervals": [interval.value for interval in Interval],
        "contact_limits": list(catalog.bands),
        "seats_max": catalog.seats_max,
        "tiers": [{"id": key, "name": dict(name)} for key, name in catalog.tiers.items()],
        "products": [_product(catalog, product) for product in catalog.products.values()],
        "add_ons": [_add_on(catalog, add_on) for add_on in catalog.add_ons.values()],
    }


def _product(catalog: Catalog, product: Product) -> dict[str, object]:
    return {
        "id": product.key,
        "name": dict(product.name),
        "includes": list(product.includes),
        "tiers": [_tier(catalog, product, tier) for tier in product.seats_included],
    }


def _tier(catalog: Catalog, product: Product, tier: str) -> dict[str, object]:
    offered = [add_on.key for add_on in catalog.add_ons.values() if add_on.is_offered(product.key, tier)]
    return {
        "id": tier,
        "name": dict(catalog.tiers[tier]),
        "seats_included": product.seats_included[tier],
        "add_ons": offered,
        "prices": [
            _tier_prices(catalog, product.key, tier, interval, currency)
            for interval, currency in every(Interval, catalog.currencies)
        ],
    }


def _tier_prices(
    catalog: Catalog, product: str, tier: str, interval: Interval, currency: str
) -> dict[str, object]:
    base = Slot(Role.BASE, product, tier, None, interval, currency)
    seat = Slot(Role.SEATS, product, tier, None, interval, currency)
    contacts = [Slot(Role.CONTACTS, product, tier, band, interval, currency) for band in catalog.bands]
    return {
        "interval": interval.value,
        "currency": currency,
        "base": _amount(catalog, base),
        "extra_seat": _amount(catalog, seat),
        "contacts": [{"contact_limit": slot.band, "amount": _amount(catalog, slot)} for slot in contacts],
    }


def _add_on(catalog: Catalog, add_on: AddOn) -> dict[str, object]:
    prices = [
        Slot.of_add_on(add_on.key, interval, currency)
        for interval, currency in every(Interval, catalog.currencies)
    ]
    return {
        "id": add_on.key,
        "name": dict(add_on.name),
        "products": list(add_on.products),
        "tiers": list(add_on.tiers),
        "max_quantity": add_on.max_quantity,
        "prices": [
            {"interval": slot.interval.value, "currency": slot.currency, "amount": _amount(catalog, slot)}
            for slot in prices
        ],
    }


def _amount(catalog: Catalog, slot: Slot) -> dict[str, object]:
    return {"amount_minor": catalog.amount_minor(slot), "currency": slot.currency}
