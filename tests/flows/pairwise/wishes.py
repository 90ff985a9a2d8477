"""A case's terms before, its wish, and what the rules of the business say about it.

The expectations stand here as the rules are told to people, not as the policy file or the planner have them.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from sync.rules.catalog import Catalog
from sync.rules.terms import Interval, Terms
from tests.flows.pairwise.factors import (
    BY_REQUEST,
    NOW_CHANGES,
    PAYS_NOW,
    RENEWAL_CHANGES,
    TIERS,
    TO_YEAR,
    Case,
)

BANDS = (500, 1000, 2500, 5000, 10_000, 25_000, 50_000, 100_000)


@dataclass(frozen=True, slots=True)
class Story:
    """What a case is about. `now` and `at_renewal` are the terms of the two legs, None where one is empty.

    `cancel` is True or False where the end is asked for or taken back; `refused` is the code of a no.
    """

    case: Case
    held: Terms | None
    wish: dict[str, Any]
    now: Terms | None
    at_renewal: Terms | None
    cancel: bool | None = None
    refused: str | None = None

    @property
    def is_request(self) -> bool:
        """Whether support decides it."""
        return self.case["change"] in BY_REQUEST

    @property
    def is_paid(self) -> bool:
        """Whether the payment that it may need succeeds."""
        return self.case["payment"] in ("good", "bank_paid")

    @property
    def done(self) -> Terms:
        """The terms in the end."""
        before = self.held or self.now
        assert before is not None
        return (self.at_renewal or self.now or before) if self.is_done else before

    @property
    def is_done(self) -> bool:
        """Whether anything changes at all."""
        return self.refused is None and self.is_paid

    @property
    def present(self) -> Terms | None:
        """The terms from the answer to the renewal; None where the first purchase failed."""
        return (self.now or self.held) if self.is_done else self.held


def story(case: Case, catalog: Catalog) -> Story:
    """The story of a case."""
    held, change = _held(case, catalog), case["change"]
    if change in ("cancel", "undo"):
        return Story(case, held, {}, None, None, cancel=change == "cancel")
    if change == "purchase":
        return Story(case, None, held.to_json(), held, None)
    wish = _wish(case, held, catalog)
    wanted = _laid_over(held, wish, catalog)
    # Another interval in classic mode starts a new period by itself: no promise could be kept.
    refused = "billing_mode_classic" if change in TO_YEAR and case["mode"] == "classic" else None
    if change in NOW_CHANGES or case["approval"] == "now":
        return Story(case, held, wish, wanted, None, refused=refused)
    if change in RENEWAL_CHANGES or case["approval"] == "renewal":
        return _at_renewal(case, held, wish, wanted, catalog)
    more = {part: value for part, value in wish.items() if _rises(part, value, held)}
    return Story(case, held, wish, _laid_over(held, more, catalog), wanted)


def pays_now(case: Case) -> bool:
    """Whether it charges at once by its nature."""
    return case["change"] in PAYS_NOW


def _at_renewal(case: Case, held: Terms, wish: dict[str, Any], wanted: Terms, catalog: Catalog) -> Story:
    """A decrease waits; what support promised for the renewal may have an increase beside it."""
    more = {"seats": wish["seats"]} if case["change"] == "tier_down_seats_up" else {}
    now = _laid_over(held, more, catalog) if more else None
    return Story(case, held, wish, now, wanted)


def _held(case: Case, catalog: Catalog) -> Terms:
    product, tier = case["product"], case["tier"]
    included = catalog.included_seats(product, tier) or 0
    special = "dialer" if product == "sales" else "dedicated_ip"
    add_ons = {"none": {}, "one_sms": {"sms": 1}, "three_sms": {"sms": 3}, "special": {special: 1}}
    # What was bought earlier in this period is held by now.
    seats = included + int(case["extra_seats"]) + (case["earlier"] == "increase")
    return Terms(product, tier, int(case["band"]), seats, add_ons[case["add_on"]], Interval(case["interval"]))


def before_the_increase(held: Terms) -> Terms:
    """What was bought first, where an increase came earlier in the same period."""
    return replace(held, seats=held.seats - 1)


def _wish(case: Case, held: Terms, catalog: Catalog) -> dict[str, Any]:
    name, rank = next(iter(held.add_ons), "sms"), TIERS.index(held.tier)
    many = held.add_ons.get(name, 0)
    included = catalog.included_seats("bundle", held.tier) or 0
    fewer = included + 1 if case["change"] == "to_bundle_seats_down" else held.seats - 1
    more, less = {"seats": held.seats + 4}, {"seats": fewer}
    up, down = {"contact_limit": _band(held, 1)}, {"contact_limit": _band(held, -1)}
    higher, lower = {"tier": TIERS[min(rank + 1, 3)]}, {"tier": TIERS[max(rank - 1, 0)]}
    to_bundle, extra = {"product": "bundle"}, {"add_ons": {"sms": 2}}
    wishes: dict[str, dict[str, Any]] = {
        "contacts_up": up,
        "contacts_down": down,
        "seats_up": more,
        "seats_down": less,
        "both_down": down | less,
        "tier_up": higher,
        "tier_down": lower,
        "tier_down_seats_up": lower | more,
        "to_bundle": to_bundle,
        "from_bundle": {"product": "marketing" if name != "sms" or held.add_ons else "sales"},
        "switch": {"product": "sales" if held.product == "marketing" else "marketing"},
        "add_on_add": extra,
        "add_on_more": {"add_ons": {name: many + 2}},
        "add_on_fewer": {"add_ons": {name: many - 2}},
        "add_on_remove": {"add_ons": {name: 0}},
        "to_year": {"interval": "year"},
        "to_year_seats_up": {"interval": "year"} | more,
        "to_month": {"interval": "month"},
        "contacts_up_seats_down": up | less,
        "tier_up_contacts_down": higher | down,
        "add_on_add_seats_down": extra | less,
        "to_bundle_seats_down": to_bundle | less,
        "seats_up_contacts_down": more | down,
    }
    return wishes[case["change"]]


def _band(held: Terms, step: int) -> int:
    return BANDS[min(max(BANDS.index(held.contact_limit) + step, 0), len(BANDS) - 1)]


def _laid_over(held: Terms, wish: dict[str, Any], catalog: Catalog) -> Terms:
    """The terms with the wish in them; nobody loses a seat by moving up."""
    parts = {**wish, "add_ons": {**held.add_ons, **wish.get("add_ons", {})}}
    terms = replace(held, **parts)
    return replace(terms, seats=max(terms.seats, catalog.included_seats(terms.product, terms.tier) or 0))


def _rises(part: str, value: Any, held: Terms) -> bool:
    """Whether a part of a cart is the increase of it; carts never hold two of one kind."""
    if part in ("contact_limit", "seats"):
        return bool(value > getattr(held, part))
    return True
