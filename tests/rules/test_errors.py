"""Errors: codes that scripts rely on, and sentences that people can use."""

import pytest

from sync import errors
from sync.errors import BadInput, Code, OutcomeUnknown, Problem, ProrataError, StripeTrouble

CONTRACT = """not_billing_admin account_unknown account_exists payment_method_missing renewal_unpaid
subscription_canceling subscription_trialing tax_location_required writes_stopped quote_expired quote_stale
price_changed change_in_progress needs_request not_in_catalog subscription_past_due subscription_canceled
schedule_attached payment_declined payment_action_required currency_mismatch quantity_out_of_range
seats_in_use rate_limited change_limit_reached
stripe_unavailable outcome_unknown account_parked idempotency_conflict"""


@pytest.mark.parametrize("code", CONTRACT.split())
def test_every_published_code_exists(code: str) -> None:
    """A code that the public contract names can be looked up by its text."""
    assert Code(code) == code


@pytest.mark.parametrize("code", Code)
def test_every_code_has_one_sentence(code: Code) -> None:
    """Each code explains itself, because the API reference prints the sentence."""
    assert code.sentence[0].isupper()
    assert code.sentence.endswith(".")


def test_no_two_codes_share_a_sentence() -> None:
    """Two codes with one meaning would be one code too many."""
    assert len({code.sentence for code in Code}) == len(Code)


def test_an_unknown_outcome_is_a_stripe_trouble() -> None:
    """Who catches Stripe's failures also sees the one whose effect is not known."""
    assert issubclass(OutcomeUnknown, StripeTrouble)


def test_the_drawn_tree_names_every_class() -> None:
    """The drawing at the top of the module shows each class that exists."""
    classes = [
        name
        for name, value in vars(errors).items()
        if isinstance(value, type) and issubclass(value, Exception)
    ]
    assert [name for name in classes if name not in (errors.__doc__ or "")] == []


def test_an_error_keeps_its_problems_and_says_them() -> None:
    """The text of an error shows the code, the sentence and each problem with its pointer."""
    problem = Problem("/terms/seats", Code.SEATS_IN_USE, "9 seats are in use")
    error = BadInput(Code.BAD_REQUEST, "These terms cannot be used.", [problem])
    assert error.problems == (problem,)
    assert str(error) == "bad_request: These terms cannot be used.\n  /terms/seats: 9 seats are in use"


def test_an_error_is_not_retryable_unless_said() -> None:
    """Repeating an unchanged request is only proposed where it can help."""
    assert ProrataError(Code.INTERNAL_ERROR, "x").retryable is False


def test_a_problem_is_plain_json() -> None:
    """A problem's JSON has plain texts, so that any encoder can write it."""
    written = Problem("/terms", Code.NOT_IN_CATALOG, "no").to_json()
    assert written == {"pointer": "/terms", "code": "not_in_catalog", "detail": "no"}
    assert type(written["code"]) is str
