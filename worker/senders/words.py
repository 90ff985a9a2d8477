"""What templates say in numbers, dates, amounts and terms, in English or French.

Everything that comes from outside passes `line` or `paragraphs` on its way in: no text of a user can begin
a header, hide characters, or turn the direction of what stands beside it.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from datetime import date
from typing import Any, Final

from sync.rules.catalog import Catalog
from sync.rules.money import format_minor

Row = tuple[str, str]

LONGEST_LINE: Final = 200
MONTHS: Final[Mapping[str, tuple[str, ...]]] = {
    "en": ("January", "February", "March", "April", "May", "June", "July", "August", "September", "October",
           "November", "December"),
    "fr": ("janvier", "février", "mars", "avril", "mai", "juin", "juillet", "août", "septembre", "octobre",
           "novembre", "décembre"),
}  # fmt: skip
LABELS: Final[Mapping[str, Mapping[str, str]]] = {
    "en": {
        "product": "Product",
        "tier": "Tier",
        "contact_limit": "Contact limit",
        "seats": "Seats",
        "included": "Seats included in the tier",
        "interval": "Paid",
        "month": "by the month",
        "year": "by the year",
        "per_month": "per month",
        "per_year": "per year",
        "contacts_counted": "contacts",
        "seats_counted": "seats",
        "cancellation": "Subscription",
        "ends": "ends with its period",
        "stays": "does not end",
        "removed": "removed",
        "none": "none",
        "now": "now",
        "renewal": "at the next renewal",
    },
    "fr": {
        "product": "Produit",
        "tier": "Formule",
        "contact_limit": "Limite de contacts",
        "seats": "Utilisateurs",
        "included": "Utilisateurs compris dans la formule",
        "interval": "Paiement",
        "month": "mensuel",
        "year": "annuel",
        "per_month": "par mois",
        "per_year": "par an",
        "contacts_counted": "contacts",
        "seats_counted": "utilisateurs",
        "cancellation": "Abonnement",
        "ends": "prend fin avec sa période",
        "stays": "ne prend pas fin",
        "removed": "supprimé",
        "none": "aucun",
        "now": "maintenant",
        "renewal": "au prochain renouvellement",
    },
}
_TURNS: Final = frozenset({"LRE", "RLE", "PDF", "LRO", "RLO", "LRI", "RLI", "FSI", "PDI"})


def line(text: str) -> str:
    """A text of somebody else's on one line, cut where it goes on for too long."""
    flat = " ".join(paragraphs(text).split("\n")).strip()
    return flat if len(flat) <= LONGEST_LINE else f"{flat[: LONGEST_LINE - 1]}…"


def paragraphs(text: str) -> str:
    """A text of somebody else's with its line breaks, and without any other control character."""
    broken = re.sub(r"\r\n|[\r\n\v\f\x85\u2028\u2029]", "\n", text)
    return "".join(" " if _is_control(each) else each for each in broken).strip()


def _is_control(character: str) -> bool:
    turns = unicodedata.bidirectional(character) in _TURNS
    return turns or (character != "\n" and unicodedata.category(character) in ("Cc", "Cs"))


class Words:
    """The words of one language; names of what is sold come from the catalog."""

    def __init__(self, locale: str, catalog: Catalog) -> None:
        self.locale = locale if locale in LABELS else "en"
        self._catalog = catalog
        self._labels = LABELS[self.locale]
        self.colon = "\u00a0:" if self.locale == "fr" else ":"

    def money(self, amount_minor: int, currency: str) -> str:
        """An amount of Stripe's minor unit."""
        return format_minor(amount_minor, currency, self.locale)

    def number(self, value: int) -> str:
        """A whole number with the thousands mark of the language."""
        return f"{value:,}".replace(",", "\u202f" if self.locale == "fr" else ",")

    def date(self, moment: str) -> str:
        """A day, from ISO 8601 text of a day or of a moment in UTC."""
        day = date.fromisoformat(moment[:10])
        first = "1er" if self.locale == "fr" and day.day == 1 else str(day.day)
        return f"{first} {MONTHS[self.locale][day.month - 1]} {day.year}"

    def label(self, name: str) -> str:
        """The word for a name of ours."""
        return self._labels[name]

    def wish(self, wish: Mapping[str, Any] | None, cancel: bool | None) -> list[Row]:
        """What was asked for, as label and value."""
        if wish is None:
            return [(self.label("cancellation"), self.label("ends" if cancel else "stays"))]
        rows = [
            (self.label(name), self._value(name, value)) for name, value in wish.items() if name in _PLAIN
        ]
        add_ons = wish.get("add_ons") or {}
        return rows + [
            (self._add_on(name), self.number(quantity) if quantity else self.label("removed"))
            for name, quantity in add_ons.items()
        ]

    def losses(self, losses: list[dict[str, Any]]) -> list[Row]:
        """What is lost with it, as label and `before → after`."""
        return [self._loss(loss["dimension"], loss["name"], loss["before"], loss["after"]) for loss in losses]

    def costs(
        self, today: str, due_minor: int, after: str, later_minor: int | None, currency: str, interval: str
    ) -> list[Row]:
        """What is paid at once and, where it is known, what each period costs from now on."""
        rows = [(today, self.money(due_minor, currency))]
        if later_minor is not None:
            rows.append((after, f"{self.money(later_minor, currency)} {self.label(f'per_{interval}')}"))
        return rows

    def _loss(self, dimension: str, name: str | None, before: Any, after: Any) -> Row:
        if dimension == "cancellation":
            return self.label(dimension), f"{self._value('product', before)} → {self.label('ends')}"
        label = self._add_on(name or "") if dimension == "add_ons" else self.label(name or dimension)
        return label, f"{self._value(dimension, before)} → {self._value(dimension, after)}"

    def _value(self, name: str, value: Any) -> str:
        if not value:
            return self.label("none")
        if isinstance(value, int):
            return self.number(value)
        if name == "interval":
            return self.label(value)
        names: Mapping[str, str] | None = None
        if name == "tier":
            names = self._catalog.tiers.get(value)
        elif name == "product" and value in self._catalog.products:
            names = self._catalog.products[value].name
        return self._named(names, value)

    def _add_on(self, key: str) -> str:
        add_on = self._catalog.add_ons.get(key)
        return self._named(add_on.name if add_on else None, key)

    def _named(self, names: Mapping[str, str] | None, key: str) -> str:
        return line((names or {}).get(self.locale) or key)


_PLAIN: Final = ("product", "tier", "contact_limit", "seats", "interval")
