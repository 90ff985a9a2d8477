"""How an invoice stands with its money, from what the mirror holds of its payments."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum


class PaymentState(StrEnum):
    """Where the money of one invoice is. A dispute is told beside it: it may still be won."""

    NONE = "none"  # nothing is to be collected: a draft, a void one, or one without an amount due
    UNPAID = "unpaid"  # nobody has tried to pay it
    PROCESSING = "processing"  # on its way; a bank debit takes days
    ACTION_REQUIRED = "action_required"  # the customer's bank wants a confirmation
    FAILED = "failed"  # the last attempt was declined
    PAID = "paid"
    PARTLY_REFUNDED = "partly_refunded"
    REFUNDED = "refunded"  # all that was paid was given back


@dataclass(frozen=True, slots=True)
class Taken:
    """A charge that pays the invoice, or tried to; the amount in minor units."""

    invoice_id: str
    refunded_minor: int
    disputed: bool


@dataclass(frozen=True, slots=True)
class Attempt:
    """The invoice's payment intent: Stripe's own status, and the last error unless it was overcome."""

    invoice_id: str
    status: str
    error_code: str | None
    decline_code: str | None


@dataclass(frozen=True, slots=True)
class Standing:
    """How one invoice stands. `failure_code` is the bank's reason, or else Stripe's."""

    state: PaymentState
    refunded_minor: int
    disputed: bool
    failure_code: str | None


_UNDER_WAY = {
    "processing": PaymentState.PROCESSING,
    "requires_action": PaymentState.ACTION_REQUIRED,
}


def standing(
    status: str | None, due_minor: int, paid_minor: int, taken: Sequence[Taken], last: Attempt | None
) -> Standing:
    """Return how an invoice stands: its own status and amounts, its charges, its newest payment intent.

    `refunded_minor` is what was given back on its charges; credit notes to the balance are none of it.
    """
    refunded = sum(charge.refunded_minor for charge in taken)
    disputed = any(charge.disputed for charge in taken)
    state = _state(status, due_minor, paid_minor, refunded, last)
    failed = last if state is PaymentState.FAILED else None
    return Standing(state, refunded, disputed, (failed.decline_code or failed.error_code) if failed else None)


def _state(
    status: str | None, due_minor: int, paid_minor: int, refunded: int, last: Attempt | None
) -> PaymentState:
    if status in ("draft", "void", None) or due_minor == 0:
        return PaymentState.NONE
    if status == "paid":
        if refunded == 0:
            return PaymentState.PAID
        return PaymentState.REFUNDED if refunded >= paid_minor else PaymentState.PARTLY_REFUNDED
    if last is None:
        return PaymentState.UNPAID
    under_way = _UNDER_WAY.get(last.status)
    return under_way or (PaymentState.FAILED if last.error_code else PaymentState.UNPAID)
