"""What the policy says about a change, and why: the planner itself, asked without Stripe and without prices.

The items are those that would bill the present terms at the catalog's amounts, so a yes here can still be
refused by a quote because of how the subscription stands at Stripe.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from enum import StrEnum

from sync.errors import Code
from sync.rules.catalog import Catalog
from sync.rules.differences import Target
from sync.rules.items import Item
from sync.rules.planner import Decided, Plan, Usage, plan
from sync.rules.policy import Policy
from sync.rules.policy_rule import Decision
from sync.rules.price_book import PriceBook, PriceRow
from sync.rules.terms import Terms


class Outcome(StrEnum):
    """What becomes of the whole change."""

    NOW = "now"
    AT_RENEWAL = "at_renewal"
    NOW_AND_AT_RENEWAL = "now_and_at_renewal"
    BY_REQUEST = "by_request"  # at least one part needs support; nothing of it is self-serve
    REFUSED = "refused"
    NOTHING_TO_CHANGE = "nothing_to_change"


@dataclass(frozen=True, slots=True)
class Explanation:
    """The plan with the terms that it is about; `current` is None for a first purchase."""

    current: Terms | None
    wanted: Terms
    plan: Plan

    @property
    def outcome(self) -> Outcome:
        """What becomes of the whole: a cart is as strict as its strictest part."""
        codes = {problem.code for problem in self.plan.refusals}
        if codes == {Code.NOTHING_TO_CHANGE}:
            return Outcome.NOTHING_TO_CHANGE
        if codes:
            return Outcome.BY_REQUEST if codes == {Code.NEEDS_REQUEST} else Outcome.REFUSED
        if self.plan.now is None:
            return Outcome.AT_RENEWAL
        return Outcome.NOW if self.plan.at_renewal is None else Outcome.NOW_AND_AT_RENEWAL

    def to_json(self) -> dict[str, object]:
        """Return it for scripts; `when` says when each part takes effect, or may on approval."""
        parts = self.plan.differences
        return {
            "from": self.current.to_json() if self.current else None,
            "to": self.wanted.to_json(),
            "differences": [_part_json(part) for part in parts],
            "refusals": [problem.to_json() for problem in self.plan.refusals],
            "summary": {
                "outcome": str(self.outcome),
                "now": _pointers(parts, Decision.SELF_SERVE_NOW),
                "at_renewal": _pointers(parts, Decision.SELF_SERVE_AT_RENEWAL),
                "by_request": _pointers(parts, Decision.BY_REQUEST),
                "refused": _pointers(parts, Decision.REFUSED),
            },
            "now": self.plan.now.to_json() if self.plan.now else None,
            "at_renewal": self.plan.at_renewal.to_json() if self.plan.at_renewal else None,
        }


def explain(
    current: Terms | None,
    wanted: Terms,
    *,
    catalog: Catalog,
    policy: Policy,
    currency: str,
    usage: Usage | None = None,
    scheduled: Terms | None = None,
    named: Collection[Target] = (),
) -> Explanation:
    """Explain the way from `current` to `wanted`; arguments as in `planner.plan`.

    Raises `NotFound` (`not_in_catalog`) when the catalog does not sell the present terms any more.
    """
    items = _items(current, catalog, currency)
    made = plan(
        current,
        wanted,
        catalog=catalog,
        policy=policy,
        items=items,
        prices=_book(catalog),
        currency=currency,
        usage=usage,
        scheduled=scheduled,
        named=named,
    )
    return Explanation(current, wanted, made)


def _items(current: Terms | None, catalog: Catalog, currency: str) -> list[Item]:
    wanted = catalog.items_for(current, currency) if current else {}
    return [Item(slot.part, slot.key, quantity) for slot, quantity in wanted.items()]


def _book(catalog: Catalog) -> PriceBook:
    """The catalog as if it had just been pushed; a price's id is its slot's key."""
    rows = [PriceRow(slot.lookup_key(1), slot.key, minor, True) for slot, minor in catalog.amounts.items()]
    return PriceBook.build(rows)


def when(part: Decided) -> list[str]:
    """Return when a part takes effect, or may once support approved it: the usual moment first."""
    if part.effective is not None:
        return [str(part.effective)]
    return [str(moment) for moment in part.rule.on_approval]


def _part_json(part: Decided) -> dict[str, object]:
    difference, rule = part.difference, part.rule
    return {
        "dimension": str(difference.dimension),
        "direction": str(difference.direction),
        "pointer": difference.pointer,
        "add_on": difference.add_on,
        "before": difference.before,
        "after": difference.after,
        "rule": f"{rule.dimension} {rule.direction} {rule.product}",
        "decision": str(rule.decision),
        "when": when(part),
        "proration_behavior": str(rule.proration_behavior),
        "payment_behavior": str(rule.payment_behavior) if rule.payment_behavior else None,
        "reason": rule.reason,
    }


def _pointers(parts: Sequence[Decided], decision: Decision) -> list[str]:
    return [part.difference.pointer for part in parts if part.rule.decision is decision]
