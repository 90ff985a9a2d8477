"""What a case is made of, and which values cannot meet."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

Case = Mapping[str, str]

NOW_CHANGES: Final = ("contacts_up", "seats_up", "tier_up", "to_bundle", "add_on_add", "add_on_more")
CARTS: Final = (
    "contacts_up_seats_down",
    "tier_up_contacts_down",
    "add_on_add_seats_down",
    "to_bundle_seats_down",
    "seats_up_contacts_down",
)
RENEWAL_CHANGES: Final = ("contacts_down", "seats_down", "both_down")
EITHER_BY_REQUEST: Final = (
    "tier_down",
    "from_bundle",
    "switch",
    "add_on_fewer",
    "add_on_remove",
    "tier_down_seats_up",
)
NOW_BY_REQUEST: Final = ("to_year", "to_year_seats_up", "undo")
RENEWAL_BY_REQUEST: Final = ("to_month", "cancel")
TO_YEAR: Final = ("to_year", "to_year_seats_up")
BY_REQUEST: Final = (*EITHER_BY_REQUEST, *NOW_BY_REQUEST, *RENEWAL_BY_REQUEST)
PAYS_NOW: Final = ("purchase", *NOW_CHANGES, *CARTS, *TO_YEAR)

FACTORS: Final[Mapping[str, tuple[str, ...]]] = {
    "change": ("purchase", *NOW_CHANGES, *CARTS, *RENEWAL_CHANGES, *BY_REQUEST),
    "band": ("500", "1000", "2500", "5000", "10000", "25000", "50000", "100000"),
    "payment": ("good", "declined", "insufficient_funds", "bank_paid", "bank_failed"),
    "tier": ("starter", "plus", "pro", "enterprise"),
    "add_on": ("none", "one_sms", "three_sms", "special"),
    "product": ("marketing", "sales", "bundle"),
    "extra_seats": ("0", "1", "7"),
    "mode": ("flexible", "classic", "migrated"),
    "approval": ("none", "now", "renewal"),
    "moment": ("first_day", "mid", "day_31"),
    "balance": ("none", "credit", "debit"),
    "discount": ("none", "percent", "amount"),
    "tax": ("none", "exclusive", "inclusive"),
    "interval": ("month", "year"),
    "currency": ("usd", "eur"),
    "earlier": ("none", "increase"),
    "confirm": ("at_once", "later"),
}

TIERS: Final = FACTORS["tier"]


def _is(case: Case, name: str, *values: str) -> bool:
    """Whether a factor that is known already has one of these values."""
    return case.get(name) in values


def _not(case: Case, name: str, *values: str) -> bool:
    """Whether a factor is known already, and has another value."""
    return name in case and case[name] not in values


# Each says what cannot be; a case that is not complete yet breaks a rule only by what it already has.
_RULES: Final[tuple[Callable[[Case], bool], ...]] = (
    # A purchase has no history, and discounts and taxes of a subscription are never set by us.
    lambda c: _is(c, "change", "purchase") and _not(c, "mode", "flexible"),
    lambda c: _is(c, "change", "purchase") and _not(c, "earlier", "none"),
    lambda c: _is(c, "change", "purchase") and _not(c, "moment", "first_day"),
    lambda c: _is(c, "change", "purchase") and (_not(c, "discount", "none") or _not(c, "tax", "none")),
    # There is room to move.
    lambda c: "contacts_up" in c.get("change", "") and _is(c, "band", "100000"),
    lambda c: (
        ("contacts_down" in c.get("change", "") or _is(c, "change", "both_down")) and _is(c, "band", "500")
    ),
    lambda c: (
        ("seats_down" in c.get("change", "") or _is(c, "change", "both_down")) and _is(c, "extra_seats", "0")
    ),
    lambda c: _is(c, "change", "to_bundle_seats_down") and _not(c, "extra_seats", "7"),
    lambda c: "tier_up" in c.get("change", "") and _is(c, "tier", "enterprise"),
    lambda c: "tier_down" in c.get("change", "") and _is(c, "tier", "starter"),
    lambda c: _is(c, "change", "to_bundle", "to_bundle_seats_down", "switch") and _is(c, "product", "bundle"),
    lambda c: _is(c, "change", "from_bundle") and _not(c, "product", "bundle"),
    lambda c: _is(c, "change", *TO_YEAR) and _not(c, "interval", "month"),
    lambda c: _is(c, "change", "to_month") and _not(c, "interval", "year"),
    # Add-ons: some are sold only for some products and tiers.
    lambda c: (
        _is(c, "change", "add_on_add", "add_on_add_seats_down") and _not(c, "add_on", "none", "special")
    ),
    lambda c: _is(c, "change", "add_on_more", "add_on_remove") and _is(c, "add_on", "none"),
    lambda c: _is(c, "change", "add_on_fewer") and _not(c, "add_on", "three_sms"),
    lambda c: _is(c, "change", "switch") and _is(c, "add_on", "special"),
    lambda c: _is(c, "add_on", "special") and _is(c, "tier", "starter"),
    lambda c: _is(c, "add_on", "special") and _not(c, "product", "sales") and _is(c, "tier", "plus"),
    lambda c: (
        "tier_down" in c.get("change", "") and _is(c, "add_on", "special") and _not(c, "tier", "enterprise")
    ),
    lambda c: (
        _is(c, "change", "to_bundle", "to_bundle_seats_down")
        and _is(c, "add_on", "special")
        and _is(c, "tier", "starter")
    ),
    # Who decides, and when.
    lambda c: _is(c, "change", *EITHER_BY_REQUEST) and _is(c, "approval", "none"),
    lambda c: _is(c, "change", *NOW_BY_REQUEST) and _not(c, "approval", "now"),
    lambda c: _is(c, "change", *RENEWAL_BY_REQUEST) and _not(c, "approval", "renewal"),
    lambda c: "change" in c and c["change"] not in BY_REQUEST and _not(c, "approval", "none"),
    # Only what is charged now can fail to be paid, and only what the admin confirms can wait.
    lambda c: "change" in c and c["change"] not in PAYS_NOW and _not(c, "payment", "good"),
    lambda c: (
        "change" in c and c["change"] not in (*PAYS_NOW, *RENEWAL_CHANGES) and _not(c, "confirm", "at_once")
    ),
    # Refused in classic mode, so that nothing is left to be paid or to wait.
    lambda c: (
        _is(c, "mode", "classic")
        and _is(c, "change", *TO_YEAR)
        and (_not(c, "payment", "good") or _not(c, "confirm", "at_once"))
    ),
)


def is_possible(case: Case) -> bool:
    """Whether a case, or the part of it that is known so far, breaks no rule."""
    return not any(rule(case) for rule in _RULES)
