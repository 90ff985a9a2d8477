"""The catalog: what is sold."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from handlers.views.base import Amount, Given

Names = Annotated[dict[str, str], Field(description="By language: en, fr.")]


class NamedTier(Given):
    """A commercial level."""

    id: str
    name: Names


class BandPrice(Given):
    """What a contact limit costs per interval."""

    contact_limit: int
    amount: Amount


class TierPrices(Given):
    """What a tier costs per interval."""

    interval: Literal["month", "year"]
    currency: str
    base: Amount
    extra_seat: Amount
    contacts: list[BandPrice]


class ProductTier(Given):
    """A tier as it is sold in one product."""

    id: str
    name: Names
    seats_included: int
    add_ons: list[str]
    prices: list[TierPrices]


class Product(Given):
    """A product; a bundle includes others."""

    id: str
    name: Names
    includes: list[str]
    tiers: list[ProductTier]


class AddOnPrice(Given):
    """What one piece of an add-on costs per interval."""

    interval: Literal["month", "year"]
    currency: str
    amount: Amount


class AddOn(Given):
    """An optional extra, and where it can be bought."""

    id: str
    name: Names
    products: list[str]
    tiers: list[str]
    max_quantity: int
    prices: list[AddOnPrice]


class Catalog(Given):
    """Everything that is sold; amounts are for one unit and one interval."""

    currencies: list[str]
    intervals: list[Literal["month", "year"]]
    contact_limits: list[int]
    seats_max: int
    tiers: list[NamedTier]
    products: list[Product]
    add_ons: list[AddOn]
