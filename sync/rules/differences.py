"""What differs between two terms, in the words of the policy: a dimension and a direction."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from sync.rules.catalog import Catalog
from sync.rules.terms import FIELDS, Interval, PartialTerms, Terms, pointer_to


class Dimension(StrEnum):
    """What a rule of the policy is about."""

    PURCHASE = "purchase"  # the first terms of an account, or the first ones after a cancellation
    PRODUCT = "product"
    TIER = "tier"
    CONTACT_LIMIT = "contact_limit"
    SEATS = "seats"
    ADD_ONS = "add_ons"
    INTERVAL = "interval"
    CANCELLATION = "cancellation"  # not a part of terms: asked for by itself


class Direction(StrEnum):
    """Which way a dimension moves."""

    FIRST = "first"
    TO_BUNDLE = "to_bundle"
    FROM_BUNDLE = "from_bundle"
    SWITCH = "switch"
    UP = "up"
    DOWN = "down"
    ADD = "add"
    MORE = "more"
    FEWER = "fewer"
    REMOVE = "remove"
    TO_YEAR = "to_year"
    TO_MONTH = "to_month"
    AT_PERIOD_END = "at_period_end"
    UNDO = "undo"


DIRECTIONS: Final[Mapping[Dimension, tuple[Direction, ...]]] = MappingProxyType(
    {
        Dimension.PURCHASE: (Direction.FIRST,),
        Dimension.PRODUCT: (Direction.TO_BUNDLE, Direction.FROM_BUNDLE, Direction.SWITCH),
        Dimension.TIER: (Direction.UP, Direction.DOWN),
        Dimension.CONTACT_LIMIT: (Direction.UP, Direction.DOWN),
        Dimension.SEATS: (Direction.UP, Direction.DOWN),
        Dimension.ADD_ONS: (Direction.ADD, Direction.MORE, Direction.FEWER, Direction.REMOVE),
        Dimension.INTERVAL: (Direction.TO_YEAR, Direction.TO_MONTH),
        Dimension.CANCELLATION: (Direction.AT_PERIOD_END, Direction.UNDO),
    }
)


Target = tuple[Dimension, str | None]  # a dimension, and the add-on that is meant


@dataclass(frozen=True, slots=True)
class Difference:
    """One dimension that moves. `before` is None for a purchase; `add_on` names the add-on that moves."""

    dimension: Dimension
    direction: Direction
    before: str | int | None
    after: str | int | None
    add_on: str | None = None

    @property
    def target(self) -> Target:
        """Return what moves, without the direction: two differences with one target exclude each other."""
        return self.dimension, self.add_on

    @property
    def pointer(self) -> str:
        """Return the JSON pointer of the part of the terms that moves."""
        if self.dimension is Dimension.PURCHASE:
            return pointer_to()
        return pointer_to(self.dimension, self.add_on) if self.add_on else pointer_to(self.dimension)


def differences(current: Terms | None, wanted: Terms, catalog: Catalog) -> tuple[Difference, ...]:
    """Return what moves from `current` to `wanted`; a single `purchase` when nothing is bought yet.

    Seats that grow only because the wanted tier includes more are no difference of their own: they come
    with the tier and cost nothing.
    """
    if current is None:
        return (Difference(Dimension.PURCHASE, Direction.FIRST, None, wanted.product),)
    return tuple(
        found
        for found in (
            _product(current, wanted, catalog),
            _tier(current, wanted, catalog),
            _amount(Dimension.CONTACT_LIMIT, current.contact_limit, wanted.contact_limit),
            _seats(current, wanted, catalog),
            *_add_ons(current.add_ons, wanted.add_ons),
            _interval(current, wanted),
        )
        if found is not None
    )


def targets_of(wish: PartialTerms) -> frozenset[Target]:
    """Return what a wish names, whether or not it differs from what the account has."""
    fields = [name for name in FIELDS if name != "add_ons" and getattr(wish, name) is not None]
    return frozenset(
        [(Dimension(name), None) for name in fields]
        + [(Dimension.ADD_ONS, name) for name in wish.add_ons or {}]
    )


def apply(current: Terms, some: Iterable[Difference], wanted: Terms, catalog: Catalog) -> Terms:
    """Return `current` with the targets of `some` differences set as in `wanted`, and nothing else moved.

    Seats rise to the included ones where the product or tier that results includes more.
    """
    terms = current
    for difference in some:
        if difference.add_on is not None:
            name = difference.add_on
            terms = replace(terms, add_ons={**terms.add_ons, name: wanted.add_ons.get(name, 0)})
        else:
            field = str(difference.dimension)
            terms = replace(terms, **{field: getattr(wanted, field)})
    included = catalog.included_seats(terms.product, terms.tier) or 0
    return replace(terms, seats=max(terms.seats, included))


def _product(current: Terms, wanted: Terms, catalog: Catalog) -> Difference | None:
    before, after = current.product, wanted.product
    if before == after:
        return None
    return Difference(Dimension.PRODUCT, product_direction(before, after, catalog), before, after)


def product_direction(before: str, after: str, catalog: Catalog) -> Direction:
    """Return whether a move of the product leads into a bundle of it, out of one, or elsewhere."""
    if after in catalog.products and before in catalog.products[after].includes:
        return Direction.TO_BUNDLE
    if before in catalog.products and after in catalog.products[before].includes:
        return Direction.FROM_BUNDLE
    return Direction.SWITCH


def _tier(current: Terms, wanted: Terms, catalog: Catalog) -> Difference | None:
    if current.tier == wanted.tier:
        return None
    rank = {tier: position for position, tier in enumerate(catalog.tiers)}
    direction = Direction.UP if rank.get(wanted.tier, -1) > rank.get(current.tier, -1) else Direction.DOWN
    return Difference(Dimension.TIER, direction, current.tier, wanted.tier)


def _amount(dimension: Dimension, before: int, after: int) -> Difference | None:
    if before == after:
        return None
    return Difference(dimension, Direction.UP if after > before else Direction.DOWN, before, after)


def _seats(current: Terms, wanted: Terms, catalog: Catalog) -> Difference | None:
    included = catalog.included_seats(wanted.product, wanted.tier) or 0
    if current.seats < wanted.seats <= included:
        return None
    return _amount(Dimension.SEATS, current.seats, wanted.seats)


def _add_ons(before: Mapping[str, int], after: Mapping[str, int]) -> Iterator[Difference]:
    for name in sorted(before.keys() | after.keys()):
        old, new = before.get(name, 0), after.get(name, 0)
        if old == new:
            continue
        if old == 0:
            direction = Direction.ADD
        elif new == 0:
            direction = Direction.REMOVE
        else:
            direction = Direction.MORE if new > old else Direction.FEWER
        yield Difference(Dimension.ADD_ONS, direction, old, new, name)


def _interval(current: Terms, wanted: Terms) -> Difference | None:
    if current.interval is wanted.interval:
        return None
    direction = Direction.TO_YEAR if wanted.interval is Interval.YEAR else Direction.TO_MONTH
    return Difference(Dimension.INTERVAL, direction, str(current.interval), str(wanted.interval))
