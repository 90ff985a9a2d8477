"""Terms: what an account bought, and how a wish ("8 seats, please") becomes complete terms.

`seats` is always the total: those included in the tier plus the extra ones bought.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Final, Self

from sync.errors import BadInput, Code, Problem

if TYPE_CHECKING:
    from sync.rules.catalog import Catalog

MAX_QUANTITY: Final = 1_000_000  # far above anything sold: a larger number is a typing error
FIELDS: Final = ("product", "tier", "contact_limit", "seats", "add_ons", "interval")
_NEEDED_FOR_A_PURCHASE: Final = ("product", "tier", "contact_limit")


class Interval(StrEnum):
    """How often the subscription renews."""

    MONTH = "month"
    YEAR = "year"


class AddOns(Mapping[str, int]):
    """An immutable, hashable mapping from an add-on's name to its quantity, without zero entries."""

    __slots__ = ("_quantities",)

    def __init__(self, quantities: Mapping[str, int] | None = None) -> None:
        wanted = sorted((quantities or {}).items())
        self._quantities = {name: quantity for name, quantity in wanted if quantity != 0}

    def __getitem__(self, name: str) -> int:
        return self._quantities[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._quantities)

    def __len__(self) -> int:
        return len(self._quantities)

    def __hash__(self) -> int:
        return hash(tuple(self._quantities.items()))

    def __repr__(self) -> str:
        return f"AddOns({self._quantities!r})"


@dataclass(frozen=True, slots=True)
class Terms:
    """Everything an account bought. `contact_limit` is a band in contacts, `seats` the total of seats."""

    product: str
    tier: str
    contact_limit: int
    seats: int
    add_ons: Mapping[str, int] = field(default_factory=AddOns)
    interval: Interval = Interval.MONTH

    def __post_init__(self) -> None:
        """Keep a frozen copy of the add-ons, whatever mapping was given, so that terms can be compared."""
        object.__setattr__(self, "add_ons", AddOns(self.add_ons))
        object.__setattr__(self, "interval", Interval(self.interval))

    def to_json(self) -> dict[str, object]:
        """Return the `terms` object of the public contract."""
        return {
            "product": self.product,
            "tier": self.tier,
            "contact_limit": self.contact_limit,
            "seats": self.seats,
            "add_ons": dict(self.add_ons),
            "interval": self.interval.value,
        }

    @classmethod
    def from_json(cls, value: object) -> Self:
        """Read complete terms, as `to_json` wrote them. Raises `BadInput` when a part is missing or wrong."""
        partial = parse_partial(value)
        product, tier, contact_limit, seats, interval = (
            partial.product,
            partial.tier,
            partial.contact_limit,
            partial.seats,
            partial.interval,
        )
        if product is None or tier is None or contact_limit is None or seats is None or interval is None:
            raise _bad_terms(_missing(partial, tuple(name for name in FIELDS if name != "add_ons")))
        return cls(product, tier, contact_limit, seats, AddOns(partial.add_ons), interval)


@dataclass(frozen=True, slots=True)
class PartialTerms:
    """A wish: the fields that were named. In `add_ons`, 0 means "remove this one"; other names stay."""

    product: str | None = None
    tier: str | None = None
    contact_limit: int | None = None
    seats: int | None = None
    add_ons: Mapping[str, int] | None = None
    interval: Interval | None = None

    def to_json(self) -> dict[str, object]:
        """Return the fields that were named, in the form that `parse_partial` reads."""
        named = {name: value for name in FIELDS if (value := getattr(self, name)) is not None}
        return {name: dict(value) if isinstance(value, Mapping) else value for name, value in named.items()}


def parse_partial(value: object) -> PartialTerms:
    """Read `terms` of a request, strictly: `"8"`, `2.5` and `true` are not numbers here.

    `value` is decoded JSON. Raises `BadInput` with every problem found, each with its pointer below `/terms`.
    """
    if not isinstance(value, dict):
        raise _bad_terms([_wrong("/terms", "terms must be an object")])
    problems = [
        _wrong(pointer_to(str(name)), f"{name!r} is not a part of terms; known are {', '.join(FIELDS)}")
        for name in value
        if name not in FIELDS
    ]
    partial = PartialTerms(
        product=_text(value, "product", problems),
        tier=_text(value, "tier", problems),
        contact_limit=_number(value, "contact_limit", problems),
        seats=_number(value, "seats", problems),
        add_ons=_add_ons(value["add_ons"], problems) if "add_ons" in value else None,
        interval=_interval(value, problems),
    )
    if problems:
        raise _bad_terms(problems)
    return partial


def merge(current: Terms | None, wanted: PartialTerms, catalog: Catalog) -> Terms:
    """Lay a wish over the current terms and check the result against the catalog.

    Without current terms the product, the tier and the contact limit are needed; seats default to the
    included ones, add-ons to none and the interval to a month. When the product or tier moves and seats were
    not named, they become the larger of the present number and the included one: nobody loses a seat by
    moving up. Raises `BadInput` with all problems (`bad_request`, `not_in_catalog`, `quantity_out_of_range`).
    """
    if current is None and (missing := _missing(wanted, _NEEDED_FOR_A_PURCHASE)):
        raise _bad_terms(missing)
    terms, included = _overlay(current, wanted, catalog)
    problems = [*catalog.problems_of(terms), *_unknown_removals(current, wanted, catalog)]
    if wanted.seats is not None and included is not None and wanted.seats < included:
        detail = f"{included} seats are included in this tier, so {wanted.seats} cannot be chosen"
        problems.append(Problem("/terms/seats", Code.QUANTITY_OUT_OF_RANGE, detail))
    if problems:
        raise _bad_terms(problems)
    return terms


def pointer_to(*path: str) -> str:
    """Return the JSON pointer of a part of terms: `pointer_to("add_ons", "sms")` is `/terms/add_ons/sms`."""
    escaped = (part.replace("~", "~0").replace("/", "~1") for part in path)
    return "/".join(("/terms", *escaped))


def _overlay(current: Terms | None, wanted: PartialTerms, catalog: Catalog) -> tuple[Terms, int | None]:
    """Return the merged, unchecked terms and how many seats they include (None: unknown product or tier)."""
    base = current or Terms("", "", 0, 0)
    product = base.product if wanted.product is None else wanted.product
    tier = base.tier if wanted.tier is None else wanted.tier
    included = catalog.included_seats(product, tier)
    terms = Terms(
        product=product,
        tier=tier,
        contact_limit=base.contact_limit if wanted.contact_limit is None else wanted.contact_limit,
        seats=max(base.seats, included or 0) if wanted.seats is None else wanted.seats,
        add_ons={**base.add_ons, **(wanted.add_ons or {})},
        interval=base.interval if wanted.interval is None else wanted.interval,
    )
    return terms, included


def _unknown_removals(current: Terms | None, wanted: PartialTerms, catalog: Catalog) -> list[Problem]:
    """Report the removal of a misspelt add-on, which would otherwise look like success."""
    held = current.add_ons if current else {}
    names = [name for name, quantity in (wanted.add_ons or {}).items() if quantity == 0]
    return [
        Problem(pointer_to("add_ons", name), Code.NOT_IN_CATALOG, f"there is no add-on {name!r}")
        for name in names
        if name not in held and name not in catalog.add_ons
    ]


def _missing(partial: PartialTerms, needed: tuple[str, ...]) -> list[Problem]:
    return [
        _wrong(pointer_to(name), f"{name} is needed here")
        for name in needed
        if getattr(partial, name) is None
    ]


def _text(value: dict[str, object], name: str, problems: list[Problem]) -> str | None:
    if name not in value:
        return None
    text = value[name]
    if isinstance(text, str) and text:
        return text
    problems.append(_wrong(pointer_to(name), f"{name} must be a name in quotes"))
    return None


def _number(value: dict[str, object], name: str, problems: list[Problem]) -> int | None:
    if name not in value:
        return None
    return _quantity(value[name], 1, pointer_to(name), name, problems)


def _quantity(value: object, least: int, pointer: str, name: str, problems: list[Problem]) -> int:
    """Return a whole number from `least` up; anything else is reported. `True` is an int to Python only."""
    if not isinstance(value, int) or isinstance(value, bool):
        problems.append(_wrong(pointer, f"{name} must be a whole number without quotes"))
        return least
    if not least <= value <= MAX_QUANTITY:
        detail = f"{name} must be a whole number from {least} to {MAX_QUANTITY:,}"
        problems.append(Problem(pointer, Code.QUANTITY_OUT_OF_RANGE, detail))
    return value


def _add_ons(value: object, problems: list[Problem]) -> Mapping[str, int]:
    """Read `{"sms": 2}`, or `["sms"]` which means one of each."""
    if isinstance(value, list):
        return _listed_add_ons(value, problems)
    if not isinstance(value, dict):
        problems.append(_wrong(pointer_to("add_ons"), "add_ons must be an object or a list of names"))
        return {}
    return {
        str(name): _quantity(quantity, 0, pointer_to("add_ons", str(name)), f"add-on {name}", problems)
        for name, quantity in value.items()
    }


def _listed_add_ons(names: list[object], problems: list[Problem]) -> Mapping[str, int]:
    listed: dict[str, int] = {}
    for index, name in enumerate(names):
        if not isinstance(name, str) or name in listed:
            detail = "each entry must be the name of an add-on, and each name once"
            problems.append(_wrong(pointer_to("add_ons", str(index)), detail))
        else:
            listed[name] = 1
    return listed


def _interval(value: dict[str, object], problems: list[Problem]) -> Interval | None:
    text = _text(value, "interval", problems)
    if text is None:
        return None
    try:
        return Interval(text)
    except ValueError:
        detail = f"interval must be one of {', '.join(Interval)}"
        problems.append(Problem(pointer_to("interval"), Code.NOT_IN_CATALOG, detail))
        return None


def _wrong(pointer: str, detail: str) -> Problem:
    return Problem(pointer, Code.BAD_REQUEST, detail)


def _bad_terms(problems: list[Problem]) -> BadInput:
    """Name the error after its first problem and repeat every sentence, since many clients show only one."""
    said = "; ".join(problem.detail for problem in problems)
    return BadInput(problems[0].code, f"These terms cannot be used: {said}. Nothing was changed.", problems)
