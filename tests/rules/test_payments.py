"""How an invoice stands with its money, as one table."""

from __future__ import annotations

import pytest

from sync.rules.payments import Attempt, PaymentState, Taken, standing


def took(refunded: int = 0, disputed: bool = False) -> Taken:
    return Taken("in_1", refunded, disputed)


def tried(status: str, error: str | None = None, decline: str | None = None) -> Attempt:
    return Attempt("in_1", status, error, decline)


RETRY = "requires_payment_method"
CASES = [
    ("draft", 1500, 0, [], None, PaymentState.NONE),
    ("void", 1500, 0, [took()], tried("canceled", "card_declined"), PaymentState.NONE),
    ("paid", 0, 0, [], None, PaymentState.NONE),
    ("open", 1500, 0, [], None, PaymentState.UNPAID),
    ("open", 1500, 0, [], tried(RETRY), PaymentState.UNPAID),
    ("open", 1500, 0, [took()], tried(RETRY, "card_declined"), PaymentState.FAILED),
    ("uncollectible", 1500, 0, [took()], tried(RETRY, "card_declined"), PaymentState.FAILED),
    ("open", 1500, 0, [], tried("processing"), PaymentState.PROCESSING),
    ("open", 1500, 0, [], tried("requires_action"), PaymentState.ACTION_REQUIRED),
    ("paid", 1500, 1500, [took()], tried("succeeded"), PaymentState.PAID),
    ("paid", 1500, 1500, [took(), took(400)], tried("succeeded"), PaymentState.PARTLY_REFUNDED),
    ("paid", 1500, 1500, [took(1000), took(500)], tried("succeeded"), PaymentState.REFUNDED),
    # Paid out of band: Stripe took nothing.
    ("paid", 1500, 1500, [], None, PaymentState.PAID),
]


@pytest.mark.parametrize(("status", "due", "paid", "taken", "last", "expected"), CASES)
def test_an_invoice_stands(
    status: str, due: int, paid: int, taken: list[Taken], last: Attempt | None, expected: PaymentState
) -> None:
    """Its own status first, then what was given back, then the last attempt."""
    assert standing(status, due, paid, taken, last).state is expected


def test_the_banks_reason_comes_before_stripes() -> None:
    """And none is told once the attempt is over."""
    declined = tried(RETRY, "card_declined", "insufficient_funds")
    assert standing("open", 1500, 0, [], declined).failure_code == "insufficient_funds"
    assert standing("open", 1500, 0, [], tried(RETRY, "card_declined")).failure_code == "card_declined"
    assert standing("paid", 1500, 1500, [], declined).failure_code is None


def test_refunds_and_disputes_are_told_of_all_charges() -> None:
    """The sum of what was given back; one disputed charge is enough."""
    found = standing("paid", 1500, 1500, [took(200), took(300, disputed=True)], None)
    assert (found.refunded_minor, found.disputed) == (500, True)
