"""What must be true of a catalog before anything is sold from it; each broken rule gives one sentence."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import lru_cache
from itertools import pairwise
from itertools import product as every
from typing import TYPE_CHECKING, Final

from sync.rules.slots import CURRENCY, NAME, Slot

if TYPE_CHECKING:
    from sync.rules.catalog import Catalog

_LARGEST_MINOR: Final = 99_999_999  # Stripe's largest unit amount has eight digits


@lru_cache(maxsize=4)  # a catalog never changes, and every start asks
def faults(catalog: Catalog) -> tuple[str, ...]:
    """Return every fault of the content, in the order of the rules below."""
    rules = (_names, _order, _amounts, _seats, _rising, _bundles, _eligibility)
    return tuple(fault for rule in rules for fault in rule(catalog))


def _names(catalog: Catalog) -> Iterator[str]:
    """Names become parts of lookup keys, so they must fit the grammar; each kind needs at least one."""
    kinds: Mapping[str, Mapping[str, object]] = {
        "product": catalog.products,
        "tier": catalog.tiers,
        "add-on": catalog.add_ons,
    }
    for kind, names in kinds.items():
        for name in names:
            if not NAME.fullmatch(name):
                yield f"{kind} {name!r}: use lower-case letters, digits and underscores, a letter first"
    for kind, known in (("product", catalog.products), ("tier", catalog.tiers)):
        if not known:
            yield f"there is no {kind}"


def _order(catalog: Catalog) -> Iterator[str]:
    if not catalog.bands or any(low >= high for low, high in pairwise((0, *catalog.bands))):
        yield "bands must be positive and ascending, without repeats"
    codes = catalog.currencies
    if not codes or not all(map(CURRENCY.fullmatch, codes)) or len(set(codes)) != len(codes):
        yield "currencies must be different codes of three lower-case letters"


def _amounts(catalog: Catalog) -> Iterator[str]:
    """Complete, positive, and nothing priced that does not exist.

    A price of zero is refused: with Stripe's classic billing mode a move from zero to a paid price starts a
    new billing period.
    """
    needed = list(catalog.slots())
    for slot in needed:
        amount_minor = catalog.amounts.get(slot)
        if amount_minor is None:
            yield f"{slot.key} has no amount"
        elif not 0 < amount_minor <= _LARGEST_MINOR:
            yield f"{slot.key}: the amount {amount_minor} must be from 1 to {_LARGEST_MINOR}"
    for slot in catalog.amounts.keys() - set(needed):
        yield f"{slot.key} has an amount, but its product, tier or currency does not exist"


def _seats(catalog: Catalog) -> Iterator[str]:
    """Every tier includes at least one seat, and a higher tier or the bundle never includes fewer."""
    for product in catalog.products.values():
        included = [product.seats_included.get(tier, 0) for tier in catalog.tiers]
        if any(seats < 1 for seats in included):
            yield f"{product.key}: every tier must include at least one seat"
        if any(low > high for low, high in pairwise(included)):
            yield f"{product.key}: a higher tier includes fewer seats"
        if included and max(included) > catalog.seats_max:
            yield f"{product.key}: a tier includes more seats than seats_max allows"
        for part in _parts(catalog, product.key):
            seats = catalog.products[part].seats_included
            if any(product.seats_included.get(tier, 0) < seats.get(tier, 0) for tier in catalog.tiers):
                yield f"{product.key} includes fewer seats than {part}"


def _rising(catalog: Catalog) -> Iterator[str]:
    """More contacts or a higher tier never costs less."""
    for slot, amount_minor in catalog.amounts.items():
        for higher in _next_up(catalog, slot):
            if catalog.amounts.get(higher, amount_minor) < amount_minor:
                yield f"{higher.key} is cheaper than {slot.key}"


def _next_up(catalog: Catalog, slot: Slot) -> Iterator[Slot]:
    """Return the slot one tier higher and the slot one band higher, where they exist."""
    tiers = list(catalog.tiers)
    if slot.tier in tiers[:-1]:
        higher = tiers[tiers.index(slot.tier) + 1]
        yield Slot(slot.role, slot.product, higher, slot.band, slot.interval, slot.currency)
    if slot.band in catalog.bands[:-1]:
        band = catalog.bands[catalog.bands.index(slot.band) + 1]
        yield Slot(slot.role, slot.product, slot.tier, band, slot.interval, slot.currency)


def _bundles(catalog: Catalog) -> Iterator[str]:
    """A bundle costs at least as much as each of its parts and less than all of them together."""
    for product in catalog.products.values():
        unknown = [name for name in product.includes if name not in catalog.products or name == product.key]
        yield from (f"{product.key} includes {name!r}, which is not another product" for name in unknown)
    for slot, amount_minor in catalog.amounts.items():
        parts = [_same_for(slot, part) for part in _parts(catalog, slot.product)]
        known = [catalog.amounts[part] for part in parts if part in catalog.amounts]
        if parts and len(known) == len(parts):
            if amount_minor < max(known):
                yield f"{slot.key} is cheaper than one of its parts"
            if amount_minor >= sum(known):
                yield f"{slot.key} is not cheaper than its parts together"


def _same_for(slot: Slot, product: str) -> Slot:
    return Slot(slot.role, product, slot.tier, slot.band, slot.interval, slot.currency)


def _parts(catalog: Catalog, product: str) -> tuple[str, ...]:
    """Return the existing products that a bundle includes; none for a plain product or an add-on."""
    found = catalog.products.get(product)
    return tuple(name for name in found.includes if name in catalog.products) if found else ()


def _eligibility(catalog: Catalog) -> Iterator[str]:
    """Known names only, and an add-on that a move up or to the bundle would silently take away is a fault."""
    for add_on in catalog.add_ons.values():
        for name in (*add_on.products, *add_on.tiers):
            if name not in catalog.products and name not in catalog.tiers:
                yield f"add-on {add_on.key} is offered with {name!r}, which does not exist"
        if not add_on.products or not add_on.tiers or add_on.max_quantity < 1:
            yield f"add-on {add_on.key} is offered nowhere: it needs products, tiers and a max_quantity"
        for low, high in pairwise(catalog.tiers):
            if low in add_on.tiers and high not in add_on.tiers:
                yield f"add-on {add_on.key} is offered with tier {low} but not with {high}"
        for bundle, part in every(catalog.products, add_on.products):
            if part in _parts(catalog, bundle) and bundle not in add_on.products:
                yield f"add-on {add_on.key} is offered with {part} but not with {bundle}, which includes it"
