"""What must be true of a policy: unique, complete, no dead rule, and nothing granted that is not paid."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from sync.rules import entitlements
from sync.rules.differences import DIRECTIONS, Dimension, Direction, product_direction
from sync.rules.policy_rule import (
    ANY_PRODUCT,
    Decision,
    Effective,
    PaymentBehavior,
    ProrationBehavior,
    Rule,
)

if TYPE_CHECKING:
    from sync.rules.catalog import Catalog
    from sync.rules.policy import Policy

ROLES: Final = frozenset({"primary_admin", "member", "automation", "support", "finance", "oncall"})
_PAID_OR_NOTHING: Final = (PaymentBehavior.PENDING_IF_INCOMPLETE, PaymentBehavior.ERROR_IF_INCOMPLETE)
_CREATION: Final = (ProrationBehavior.NONE, PaymentBehavior.ALLOW_INCOMPLETE)


def faults(policy: Policy, catalog: Catalog) -> list[str]:
    """Return one sentence per fault, in the order of the rules below."""
    return [*_who(policy), *_unique(policy), *_complete(policy, catalog), *_dead(policy, catalog),
            *(fault for rule in policy.rules for fault in _contradictions(rule)),
            *entitlements.faults(policy.entitlements)]  # fmt: skip


def _who(policy: Policy) -> Iterator[str]:
    for action, roles in policy.who.items():
        if not roles:
            yield f"who.{action} names no role"
        for role in roles:
            if role not in ROLES:
                yield f"who.{action} names the unknown role {role!r}"


def _unique(policy: Policy) -> Iterator[str]:
    counted = Counter((rule.dimension, rule.direction, rule.product) for rule in policy.rules)
    for (dimension, direction, product), count in counted.items():
        if count > 1:
            yield f"{dimension} {direction} {product} has {count} rules; only the first one would count"


def _complete(policy: Policy, catalog: Catalog) -> Iterator[str]:
    for dimension, directions in DIRECTIONS.items():
        for direction in directions:
            named = _named(policy, dimension, direction)
            if ANY_PRODUCT in named:
                continue
            for product in _possible(dimension, direction, catalog):
                if product not in named:
                    yield f"{dimension} {direction} {product} has no rule"


def _dead(policy: Policy, catalog: Catalog) -> Iterator[str]:
    """A dead rule can never be chosen: someone believes in a rule that does not exist."""
    for rule in policy.rules:
        where = f"{rule.dimension} {rule.direction} {rule.product}"
        if rule.direction not in DIRECTIONS[rule.dimension]:
            yield f"{where} is dead: {rule.dimension} never moves {rule.direction}"
            continue
        possible = _possible(rule.dimension, rule.direction, catalog)
        if rule.product == ANY_PRODUCT:
            if all(product in _named(policy, rule.dimension, rule.direction) for product in possible):
                yield f"{where} is dead: every product has a rule of its own or cannot move this way"
        elif rule.product not in possible:
            yield f"{where} is dead: no account with {rule.product} can move this way"


def _contradictions(rule: Rule) -> Iterator[str]:
    """Each decision has its own way to bill; any other would change what is bought without being paid."""
    where = f"{rule.dimension} {rule.direction} {rule.product}"
    if (rule.decision is Decision.BY_REQUEST) != bool(rule.on_approval):
        yield f"{where}: on_approval belongs to by_request, and only there"
    if len(set(rule.on_approval)) != len(rule.on_approval):
        yield f"{where}: on_approval names a moment twice"
    yield from _timing(rule, where)
    billed = (rule.proration_behavior, rule.payment_behavior)
    if rule.dimension is Dimension.PURCHASE:
        if rule.decision not in (Decision.SELF_SERVE_NOW, Decision.REFUSED):
            yield f"{where}: a purchase is self_serve_now or refused, there is nothing to renew"
        elif rule.decision is Decision.SELF_SERVE_NOW and billed != _CREATION:
            yield f"{where}: Stripe creates a subscription with none and allow_incomplete only"
    elif _is_billed_now(rule):
        if billed[0] is not ProrationBehavior.ALWAYS_INVOICE or billed[1] not in _PAID_OR_NOTHING:
            yield f"{where}: needs always_invoice and one of {', '.join(_PAID_OR_NOTHING)}, or it is not paid"
    elif billed != (ProrationBehavior.NONE, None):
        yield f"{where}: bills nothing now, so it needs proration_behavior none and no payment_behavior"


# What only one moment makes sense for, whoever decides: ending comes with the period, staying at once.
_ONLY_MOMENT: Final = {Direction.AT_PERIOD_END: Effective.RENEWAL, Direction.UNDO: Effective.NOW}
_SELF_SERVE_MOMENT: Final = {
    Decision.SELF_SERVE_NOW: Effective.NOW,
    Decision.SELF_SERVE_AT_RENEWAL: Effective.RENEWAL,
}


def _timing(rule: Rule, where: str) -> Iterator[str]:
    only = _ONLY_MOMENT.get(rule.direction)
    if rule.decision in _SELF_SERVE_MOMENT:
        moments: tuple[Effective, ...] = (_SELF_SERVE_MOMENT[rule.decision],)
    else:
        moments = rule.on_approval
    if only is not None and any(moment is not only for moment in moments):
        yield f"{where}: takes effect {'now' if only is Effective.NOW else 'at renewal'} only"


def _is_billed_now(rule: Rule) -> bool:
    """Say whether a rule can lead to an invoice at once. Cancelling and its undoing never do."""
    if rule.dimension is Dimension.CANCELLATION:
        return False
    return rule.decision is Decision.SELF_SERVE_NOW or Effective.NOW in rule.on_approval


def _named(policy: Policy, dimension: Dimension, direction: Direction) -> set[str]:
    """Return the products (and `*`) that have a rule for one kind of change."""
    return {
        rule.product for rule in policy.rules if (rule.dimension, rule.direction) == (dimension, direction)
    }


def _possible(dimension: Dimension, direction: Direction, catalog: Catalog) -> list[str]:
    """Return the products whose accounts can move this way; only moves of the product are limited."""
    products = list(catalog.products)
    if dimension is not Dimension.PRODUCT:
        return products
    return [
        before
        for before in products
        if any(
            before != after and product_direction(before, after, catalog) is direction for after in products
        )
    ]
