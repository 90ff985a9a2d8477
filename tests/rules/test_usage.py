"""Use against limits: thresholds, promises that no longer fit, and what may not be undercut."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sync.rules.terms import Terms
from sync.rules.usage import DAY_SECONDS, Use, below_use, days_left, misfits, warning
from tests.rules.builders import any_terms, terms

COUNTS = st.integers(0, 2_147_483_647)
RENEWAL = 1_800_000_000


@pytest.mark.parametrize(
    ("in_use", "limit", "level", "percent"),
    [
        (0, 1000, 0, 0),
        (799, 1000, 0, 79),
        (800, 1000, 80, 80),
        (899, 1000, 80, 89),
        (900, 1000, 90, 90),
        (999, 1000, 90, 99),
        (1000, 1000, 100, 100),
        (1300, 1000, 100, 130),
        (2, 3, 0, 66),
        (3, 3, 100, 100),
        (1, 1, 100, 100),
    ],
)
def test_thresholds(in_use: int, limit: int, level: int, percent: int) -> None:
    """80, 90 and 100 % of what was bought, reached exactly and not by rounding."""
    use = Use("contacts", in_use, limit)
    assert (use.level, use.percent) == (level, percent)


@given(COUNTS, COUNTS, st.integers(1, 1_000_000))
def test_more_use_is_never_a_lower_threshold(one: int, other: int, limit: int) -> None:
    """The level follows the use."""
    low, high = (Use("seats", count, limit).level for count in sorted((one, other)))
    assert low <= high


@pytest.mark.parametrize(
    ("left_seconds", "due"),
    [
        (8 * DAY_SECONDS, None),
        (7 * DAY_SECONDS + 1, None),
        (7 * DAY_SECONDS, 7),
        (DAY_SECONDS + 1, 7),
        (DAY_SECONDS, 1),
        (1, 1),
        (0, None),
        (-5, None),
    ],
)
def test_warnings_are_due_seven_days_and_one_day_before(left_seconds: int, due: int | None) -> None:
    """Not earlier, and not after the renewal."""
    assert warning(RENEWAL - left_seconds, RENEWAL) == due


@pytest.mark.parametrize(
    ("left_seconds", "days"), [(7 * DAY_SECONDS, 7), (7 * DAY_SECONDS - 30, 7), (3 * DAY_SECONDS, 3), (60, 1)]
)
def test_a_day_that_has_begun_counts(left_seconds: int, days: int) -> None:
    """A look half a minute late still says seven days."""
    assert days_left(RENEWAL - left_seconds, RENEWAL) == days


def test_only_a_decrease_can_outgrow_its_promise() -> None:
    """A limit that is exceeded already and stays is nothing that the renewal changes."""
    current = terms(contact_limit=2500, seats=8)
    promised = replace(current, seats=5)
    assert list(misfits(current, promised, 3000, 6)) == [Use("seats", 6, 5)]
    assert list(misfits(current, promised, 3000, 5)) == []
    assert list(misfits(current, promised, None, None)) == []


@given(any_terms(), any_terms(), COUNTS, COUNTS)
def test_what_is_told_as_a_misfit_would_be_refused_today(
    current: Terms, promised: Terms, contacts: int, seats: int
) -> None:
    """The warning and the refusal agree: both mean less than now, and less than is in use."""
    told = {use.dimension for use in misfits(current, promised, contacts, seats)}
    refused = {problem.code.partition("_")[0] for problem in below_use(current, promised, contacts, seats)}
    assert told == refused
