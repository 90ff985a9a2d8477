"""What bills an account's terms, worked out once for all of its lines."""

from __future__ import annotations

from collections.abc import Mapping

from sync.errors import NotFound
from sync.rules.catalog import Catalog
from sync.rules.slots import Slot
from sync.rules.terms import Terms


class Parts:
    """The slots of terms in one currency."""

    def __init__(self, catalog: Catalog, currency: str) -> None:
        self._catalog, self._currency = catalog, currency
        self._known: dict[Terms, Mapping[Slot, int] | None] = {}

    def slots(self, terms: Terms) -> Mapping[Slot, int] | None:
        """Slot to quantity; None where the catalog does not know the terms any more."""
        if terms not in self._known:
            self._known[terms] = self._ask(terms)
        return self._known[terms]

    def quantity(self, part: str, terms: Terms | None) -> int | None:
        """How much of a part the terms have; None where it cannot be said."""
        slots = self.slots(terms) if terms else {}
        if slots is None:
            return None
        return next((quantity for slot, quantity in slots.items() if slot.part == part), 0)

    def _ask(self, terms: Terms) -> Mapping[Slot, int] | None:
        try:
            return self._catalog.items_for(terms, self._currency)
        except NotFound:
            return None
