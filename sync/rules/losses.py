"""What an account would lose by a change: said before somebody asks for it, and to who decides. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from sync.rules.catalog import Catalog
from sync.rules.differences import Difference, Dimension, Direction, differences
from sync.rules.terms import Terms

_LOSING = {
    Direction.DOWN,
    Direction.FEWER,
    Direction.REMOVE,
    Direction.FROM_BUNDLE,
    Direction.SWITCH,
    Direction.AT_PERIOD_END,
}


@dataclass(frozen=True, slots=True)
class Loss:
    """One thing that is lost; `name` is the add-on's or the product's key where one is meant."""

    dimension: Dimension
    before: str | int | None
    after: str | int | None
    name: str | None = None

    def to_json(self) -> dict[str, object]:
        """Return it as the public contract shows it."""
        return {"dimension": self.dimension, "before": self.before, "after": self.after, "name": self.name}


def losses(current: Terms, wanted: Terms | None, catalog: Catalog) -> tuple[Loss, ...]:
    """Return what is lost on the way from `current` to `wanted`; None: everything, by cancelling."""
    if wanted is None:
        return (Loss(Dimension.CANCELLATION, current.product, None),)
    found = [_loss(difference) for difference in differences(current, wanted, catalog)]
    return (*(each for each in found if each), *_seats_included(current, wanted, catalog))


def _loss(difference: Difference) -> Loss | None:
    if difference.direction not in _LOSING:
        return None
    return Loss(difference.dimension, difference.before, difference.after, difference.add_on)


def _seats_included(current: Terms, wanted: Terms, catalog: Catalog) -> Iterator[Loss]:
    """A lower tier includes fewer seats: the same number costs more, which is a loss that nobody expects."""
    before = catalog.included_seats(current.product, current.tier) or 0
    after = catalog.included_seats(wanted.product, wanted.tier) or 0
    if after < before:
        yield Loss(Dimension.SEATS, before, after, "included")
