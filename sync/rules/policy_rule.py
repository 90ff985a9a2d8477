"""One row of the policy, and the words it is written in."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from sync.rules.differences import Dimension, Direction

ANY_PRODUCT: Final = "*"


class Decision(StrEnum):
    """What the policy says about a change."""

    SELF_SERVE_NOW = "self_serve_now"  # takes effect at once, and only if it is paid
    SELF_SERVE_AT_RENEWAL = "self_serve_at_renewal"  # takes effect when the period ends, without refund
    BY_REQUEST = "by_request"  # a form; support answers and applies it on approval
    REFUSED = "refused"


class Effective(StrEnum):
    """When a change takes effect."""

    NOW = "now"
    RENEWAL = "renewal"


class ProrationBehavior(StrEnum):
    """The values of Stripe's `proration_behavior` that are used here.

    `create_prorations` is not among them: it makes no invoice, so the change would happen unpaid.
    """

    ALWAYS_INVOICE = "always_invoice"
    NONE = "none"


class PaymentBehavior(StrEnum):
    """The values of Stripe's `payment_behavior` that are used here."""

    ALLOW_INCOMPLETE = "allow_incomplete"  # for a creation, where a pending update does not exist
    PENDING_IF_INCOMPLETE = "pending_if_incomplete"  # the change waits for its payment
    ERROR_IF_INCOMPLETE = "error_if_incomplete"  # no payment, no change


@dataclass(frozen=True, slots=True)
class Rule:
    """One row: a product (or `*`) whose dimension moves in a direction.

    `payment_behavior` is None where no invoice is made. `on_approval` says when support may let a
    by-request change take effect, its first entry being what is done when the wish is not possible.
    """

    dimension: Dimension
    direction: Direction
    product: str
    decision: Decision
    proration_behavior: ProrationBehavior
    payment_behavior: PaymentBehavior | None
    on_approval: tuple[Effective, ...]
    reason: str
