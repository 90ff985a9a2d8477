"""What a confirm answers for every state that a change can be in."""

from __future__ import annotations

from typing import Any

import pytest

from handlers.api.quotes import confirmed
from handlers.errors import document_of
from sync.errors import ProrataError
from sync.states import LegState

S = LegState
GOOD = {
    S.CONFIRMED: 202,
    S.APPLYING: 202,
    S.AWAITING_PAYMENT: 202,
    S.APPLIED: 200,
    S.SETTLED: 200,
    S.SCHEDULED: 200,
}


def change(state: LegState, reason: str | None = None, renewal: LegState | None = None) -> dict[str, Any]:
    """Return a change whose now-leg is in this state."""
    return {
        "id": "chg_1",
        "now": {"state": state, "reason": reason, "detail": None},
        "at_renewal": {"state": renewal} if renewal else None,
        "state": renewal or state,
    }


def answer(of: dict[str, Any]) -> tuple[int, str | None]:
    """Return the status and the code of the answer."""
    try:
        return confirmed(of).status, None
    except ProrataError as error:
        found = document_of(error)
        assert found.extra["id"] == "chg_1"
        return found.status, found.code


@pytest.mark.parametrize("state", LegState)
def test_every_state_has_its_status(state: LegState) -> None:
    """What is done is 200, what is on its way 202, and what ended without effect 409."""
    expected = (GOOD[state], None) if state in GOOD else (409, "quote_used")

    assert answer(change(state)) == expected


def test_a_decline_is_a_402() -> None:
    """The reason of the failure decides."""
    assert answer(change(S.FAILED, "payment_declined")) == (402, "payment_declined")


@pytest.mark.parametrize("reason", ["stripe_refused", "never heard of"])
def test_a_failure_for_good_never_looks_repeatable(reason: str) -> None:
    """A change that has ended is no 5xx, whatever ended it."""
    assert answer(change(S.FAILED, reason)) == (409, "quote_used")


def test_what_a_withdrawn_change_waited_for_is_not_its_end() -> None:
    """A change that was withdrawn while the bank was asked is no failed payment."""
    assert answer(change(S.WITHDRAWN, "payment_action_required")) == (409, "quote_used")


def test_the_part_that_costs_money_decides() -> None:
    """A declined increase is a 402 even if a decrease stays scheduled."""
    assert answer(change(S.FAILED, "payment_declined", S.SCHEDULED)) == (402, "payment_declined")


def test_a_change_at_renewal_alone_is_done_when_it_is_scheduled() -> None:
    """There is nothing to pay now."""
    assert answer({"id": "chg_1", "now": None, "at_renewal": {}, "state": S.SCHEDULED}) == (200, None)


def test_the_answer_says_where_the_change_is() -> None:
    """A caller can go and look."""
    assert confirmed(change(S.APPLYING)).headers["Location"] == "/v1/changes/chg_1"
