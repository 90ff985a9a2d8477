"""What an account may use: decided by the state of its subscription, from a table of the policy. Pure.

Terms come into force when a change is applied (paid, and read back at Stripe), never at its confirm. This
table says what is left of them while Stripe reports that something is not in order.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from sync.rules.terms import Terms


class Status(StrEnum):
    """Stripe's states of a subscription, and one more."""

    ACTIVE = "active"
    TRIALING = "trialing"
    PAST_DUE = "past_due"  # a renewal is unpaid, and Stripe is still collecting
    UNPAID = "unpaid"  # Stripe gave up collecting and keeps the subscription
    PAUSED = "paused"  # a trial ended without a card
    INCOMPLETE = "incomplete"  # the first payment is open
    INCOMPLETE_EXPIRED = "incomplete_expired"  # the first payment never came
    CANCELED = "canceled"
    NONE = "none"  # there is no subscription


class Level(StrEnum):
    """How much of the terms may be used."""

    FULL = "full"
    READ_ONLY = "read_only"  # look at what is there and take it away, but nothing new
    NONE = "none"


# For good: nothing is billed any more.
ENDED: Final = (Status.CANCELED, Status.INCOMPLETE_EXPIRED)
# Nothing was paid: granting something here would be granting it before the payment.
NEVER_PAID: Final = frozenset({Status.NONE, Status.INCOMPLETE, Status.INCOMPLETE_EXPIRED})
# Stripe may invent a state that this release does not know: then nobody can say what was paid.
UNKNOWN_STATUS: Final = "Stripe reports a state that this release does not know, so nothing is granted."


@dataclass(frozen=True, slots=True)
class EntitlementRule:
    """One row of the table: what a state of the subscription leaves, and a sentence for people."""

    status: Status
    level: Level
    reason: str


@dataclass(frozen=True, slots=True)
class Entitlement:
    """What an account may use now; `terms` is None exactly when the level is `none`."""

    level: Level
    reason: str
    terms: Terms | None

    @property
    def entitled(self) -> Terms | None:
        """The terms that may be used in full."""
        return self.terms if self.level is Level.FULL else None

    def to_json(self) -> dict[str, object]:
        """Return it as the public contract shows it."""
        terms = self.terms.to_json() if self.terms else None
        return {"level": str(self.level), "reason": self.reason, "terms": terms}


def entitlement(rules: Sequence[EntitlementRule], status: str, terms: Terms | None) -> Entitlement:
    """Return what is granted of the terms in force; without terms the state does not matter."""
    wanted = status if terms is not None else Status.NONE
    for rule in rules:
        if rule.status == wanted:
            left = None if rule.level is Level.NONE else terms
            return Entitlement(rule.level if left else Level.NONE, rule.reason, left)
    return Entitlement(Level.NONE, UNKNOWN_STATUS, None)


def faults(rules: Sequence[EntitlementRule]) -> Iterator[str]:
    """Yield one sentence per fault: a state that is decided twice or not at all, or granted unpaid."""
    counted = Counter(rule.status for rule in rules)
    for status in Status:
        if counted[status] != 1:
            yield f"entitlements: {status} has {counted[status] or 'no'} rules; each state needs exactly one"
    for rule in rules:
        if rule.status in NEVER_PAID and rule.level is not Level.NONE:
            yield f"entitlements: {rule.status} grants {rule.level}, but nothing was paid; it must be none"
        if rule.status is Status.ACTIVE and rule.level is not Level.FULL:
            yield f"entitlements: active grants {rule.level}, but everything is paid; it must be full"
