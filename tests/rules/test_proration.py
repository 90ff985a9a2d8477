"""The estimate: Stripe's proration arithmetic, held against documented and recorded amounts."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sync.errors import Conflict, NotFound
from sync.rules.items import Item, amend, amendment_for
from sync.rules.proration import Estimate, LineKind, Period, estimate, estimate_change, period_from, prorate
from sync.rules.terms import Interval, Terms
from tests.rules.builders import BOOK, CATALOG, any_terms, items_of, terms


def second(text: str) -> int:
    """Return a moment in Unix seconds."""
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp())


MONTH = Period(second("2026-11-01"), second("2026-12-01"))
YEAR = Period(second("2026-03-01"), second("2027-03-01"))
NOON, LATER = second("2026-11-16T12:00:00"), second("2026-11-16T12:34:56")
IN_YEAR = second("2026-11-23T09:00:00")
Rows = list[tuple[str, int, int]]


def change(
    before: Rows, after: Rows, period: Period, at: int, minimum: int = 0, trial: bool = False
) -> Estimate:
    """Estimate a change of rows of (item, unit amount, quantity); another amount is another price."""
    amounts = {f"price_{amount}": amount for _, amount, _ in (*before, *after)}
    old, new = ([Item(name, f"price_{amount}", n) for name, amount, n in rows] for rows in (before, after))
    return estimate(old, new, amounts, *period, at, minimum_minor=minimum, trialing=trial)


@pytest.mark.parametrize(
    ("amount_minor", "left", "total", "expected"),
    [
        (-5, 1, 2, -3),
        (9, 1, 2, 4),
        (15, 1, 2, 7),
        (24_999_997, 1, 1000, 25_000),
        (2_499_996, 1, 1000, 2_500),
        (-16_635, 1, 100, -166),
        (54_096, 1, 100, 541),
        (2000, 1, 3, 667),
        (1000, 1, 3, 333),
        (1000, 0, 3, 0),
        (1000, 3, 3, 1000),
        (-1000, 3, 3, -1000),
    ],
)
def test_rounding_is_to_the_nearest_and_ties_go_down(
    amount_minor: int, left: int, total: int, expected: int
) -> None:
    """Recorded and documented amounts of Stripe: -2.5 is -3, 4.5 is 4, -166.35 is -166."""
    assert prorate(amount_minor, left, total) == expected


@pytest.mark.parametrize(("left", "total"), [(-1, 10), (11, 10), (0, 0)])
def test_a_share_outside_of_the_period_is_an_error(left: int, total: int) -> None:
    """No silent amount for a moment that is not in the period."""
    with pytest.raises(ValueError, match="no share of a period"):
        prorate(100, left, total)


@given(st.integers(-(10**9), 10**9), st.integers(0, 10**8), st.integers(1, 10**8))
def test_a_share_is_within_half_a_unit(amount_minor: int, left: int, total: int) -> None:
    """No float comes in between, however large the amount is."""
    left %= total + 1
    assert -total <= 2 * (prorate(amount_minor, left, total) * total - amount_minor * left) < total + 1


@pytest.mark.parametrize(
    ("before", "after", "period", "at", "lines"),
    [
        ([("seats", 2000, 5)], [("seats", 2000, 8)], MONTH, NOON, [-4833, 7733]),
        ([("seats", 2000, 5)], [("seats", 2000, 8)], MONTH, LATER, [-4825, 7720]),
        ([("band", 8000, 1)], [("band", 18000, 1)], MONTH, NOON, [-3867, 8700]),
        ([("band", 8000, 1)], [("band", 18000, 1)], MONTH, LATER, [-3860, 8685]),
        ([("band", 18000, 1)], [("band", 8000, 1)], MONTH, NOON, [-8700, 3867]),
        ([("base", 8000, 1), ("seats", 2000, 5)], [("base", 15000, 1), ("seats", 2000, 8), ("sms", 3000, 1)],
         MONTH, NOON, [-3867, -4833, 7250, 7733, 1450]),
        ([("seats", 20000, 5)], [("seats", 20000, 8)], YEAR, IN_YEAR, [-26747, 42795]),
        ([("tier", 120000, 1)], [("tier", 60000, 1)], YEAR, IN_YEAR, [-32096, 16048]),
        ([("volume", 10000, 1)], [("volume", 12000, 1)], MONTH, NOON, [-4833, 5800]),
        ([("volume", 10000, 1)], [("volume", 9000, 1)], MONTH, NOON, [-4833, 4350]),
        ([("graduated", 10000, 1)], [("graduated", 14500, 1)], MONTH, NOON, [-4833, 7008]),
    ],
)  # fmt: skip
def test_golden_prorations(before: Rows, after: Rows, period: Period, at: int, lines: list[int]) -> None:
    """Worked examples to the second: credits first, then charges, each for the whole quantity."""
    made = change(before, after, period, at)
    assert [line.amount_minor for line in made.lines] == lines
    assert made.total_minor == sum(lines)


def test_a_price_and_quantity_change_is_one_credit_and_one_charge() -> None:
    """The whole old quantity is credited and the whole new one charged, never the difference."""
    made = change([("seats", 1000, 1)], [("seats", 1000, 3)], MONTH, NOON)
    assert [(line.kind, line.quantity) for line in made.lines] == [
        (LineKind.CREDIT, 1), (LineKind.CHARGE, 3),
    ]  # fmt: skip


def test_an_item_that_stays_has_no_line() -> None:
    """Only what moves is prorated, and all of it is in the price from now on."""
    made = change(
        [("base", 4900, 1), ("seats", 1500, 1)], [("base", 4900, 1), ("seats", 1500, 2)], MONTH, NOON
    )
    assert {line.price_id for line in made.lines} == {"price_1500"}
    assert made.from_now_on_minor == 4900 + 3000


def test_metered_items_are_never_prorated() -> None:
    """Usage is billed afterwards, so a metered item that comes or goes has no line and no fixed price."""
    usage, more = Item("si_u", "price_u", 5, metered=True), Item("si_v", "price_v", 5, metered=True)
    made = estimate([usage], [more], {"price_u": 100, "price_v": 100}, *MONTH, NOON)
    assert (made.lines, made.from_now_on_minor) == ((), 0)


def test_a_credit_goes_to_the_balance() -> None:
    """Nothing is collected and nothing refunded when the change is worth less."""
    made = change([("band", 18000, 1)], [("band", 8000, 1)], MONTH, NOON)
    assert (made.due_today_minor, made.to_balance_minor) == (0, -4833)


@pytest.mark.parametrize(("minimum", "due", "balance"), [(49, 49, 0), (50, 0, 49), (0, 49, 0)])
def test_a_total_under_the_minimum_is_not_collected(minimum: int, due: int, balance: int) -> None:
    """Stripe moves a charge that is too small to the balance."""
    made = change([], [("base", 49, 1)], MONTH, MONTH.start, minimum)
    assert (made.due_today_minor, made.to_balance_minor) == (due, balance)


def test_a_trial_charges_nothing_today() -> None:
    """During a trial a change has no lines, but the price from now on is known."""
    made = change([("base", 4900, 1)], [("base", 9900, 1)], MONTH, NOON, trial=True)
    assert (made.lines, made.due_today_minor, made.from_now_on_minor) == ((), 0, 9900)


@pytest.mark.parametrize("at", [MONTH.start - 1, MONTH.end])
def test_a_moment_outside_of_the_period_asks_to_repeat(at: int) -> None:
    """The period rolled over while somebody moved the slider."""
    with pytest.raises(Conflict) as refused:
        change([("base", 1, 1)], [("base", 2, 1)], MONTH, at)
    assert (refused.value.code, refused.value.retryable) == ("quote_stale", True)


def test_a_missing_amount_is_not_free() -> None:
    """A touched price without an amount is an error, an untouched foreign one is left out."""
    foreign, ours = Item("si_f", "price_f", 1), Item("si_o", "price_o", 1)
    kept = estimate([foreign, ours], [foreign, Item("si_o", "price_o", 2)], {"price_o": 100}, *MONTH, NOON)
    assert kept.from_now_on_minor == 200
    with pytest.raises(NotFound):
        estimate([ours], [], {}, *MONTH, NOON)


def test_a_first_purchase_is_charged_in_full() -> None:
    """49.00 + 42.00 + two extra seats at 15.00, whatever second it is bought in."""
    made = estimate_change(None, terms(seats=5), CATALOG, "usd", MONTH, NOON)
    assert (made.due_today_minor, made.from_now_on_minor) == (12100, 12100)
    assert {line.period for line in made.lines} == {MONTH}


def test_more_seats_in_mid_month() -> None:
    """From two extra seats at 15.00 to four: 48.33 % of 30.00 back and of 60.00 charged."""
    made = estimate_change(terms(seats=5), terms(seats=7), CATALOG, "usd", MONTH, NOON)
    assert [line.amount_minor for line in made.lines] == [-1450, 2900]
    assert (made.due_today_minor, made.from_now_on_minor) == (1450, 4900 + 4200 + 6000)


def test_month_to_year_keeps_the_start_of_the_period() -> None:
    """The rest of the month is credited, and the rest of a year from the same start is charged."""
    made = estimate_change(
        terms(seats=3), terms(seats=3, interval=Interval.YEAR), CATALOG, "usd", MONTH, NOON
    )
    a_year = second("2027-11-01") - MONTH.start
    left = second("2027-11-01") - NOON
    assert made.lines[0].amount_minor == prorate(-4900, 1252800, 2592000)
    assert made.lines[2].amount_minor == prorate(49000, left, a_year)
    assert made.lines[2].period.end == second("2027-11-01")


@given(any_terms(), any_terms(), st.integers(0, MONTH.end - MONTH.start - 1))
def test_lines_add_up_and_credits_come_first(before: Terms, after: Terms, offset: int) -> None:
    """Due today and the balance are the sum of the lines; Stripe's order is kept."""
    made = estimate_change(before, after, CATALOG, "eur", MONTH, MONTH.start + offset)
    assert made.due_today_minor + made.to_balance_minor == sum(line.amount_minor for line in made.lines)
    kinds = [line.kind for line in made.lines]
    assert kinds == sorted(kinds, key=[LineKind.CREDIT, LineKind.CHARGE].index)
    assert made.from_now_on_minor == CATALOG.recurring_minor(after, "eur")


@given(any_terms(), any_terms(), st.integers(0, MONTH.end - MONTH.start - 1))
def test_terms_and_items_give_one_estimate(before: Terms, after: Terms, offset: int) -> None:
    """The slider's way and the way over real items agree when the account has today's prices."""
    at, items = MONTH.start + offset, items_of(before)
    amendment = amendment_for(items, after, catalog=CATALOG, prices=BOOK, currency="usd")
    new_end = period_from(MONTH.start, after.interval).end if before.interval != after.interval else None
    by_items = estimate(items, amend(items, amendment), BOOK.amounts(), *MONTH, at, new_period_end=new_end)
    by_terms = estimate_change(before, after, CATALOG, "usd", MONTH, at)
    assert (by_items.total_minor, by_items.from_now_on_minor) == (
        by_terms.total_minor,
        by_terms.from_now_on_minor,
    )


@pytest.mark.parametrize(
    ("start", "interval", "end"),
    [
        ("2026-11-01", Interval.MONTH, "2026-12-01"),
        ("2026-12-15", Interval.MONTH, "2027-01-15"),
        ("2027-01-31", Interval.MONTH, "2027-02-28"),
        ("2028-01-30", Interval.MONTH, "2028-02-29"),
        ("2028-02-29", Interval.YEAR, "2029-02-28"),
        ("2026-11-01T10:20:30", Interval.YEAR, "2027-11-01T10:20:30"),
    ],
)
def test_periods_follow_the_calendar(start: str, interval: Interval, end: str) -> None:
    """A day that the month does not have becomes its last one."""
    assert period_from(second(start), interval) == (second(start), second(end))
