"""Differences: what moves between two terms, in the words of the policy."""

import pytest
from hypothesis import given

from sync.rules.differences import DIRECTIONS, Dimension, Direction, apply, differences
from sync.rules.terms import Interval, Terms
from tests.rules.builders import CATALOG, any_terms, terms

YEAR = Interval.YEAR


@pytest.mark.parametrize(
    ("current", "wanted", "dimension", "direction", "pointer"),
    [
        (None, terms(), "purchase", "first", "/terms"),
        (terms(), terms("bundle"), "product", "to_bundle", "/terms/product"),
        (terms("bundle"), terms(), "product", "from_bundle", "/terms/product"),
        (terms(), terms("sales"), "product", "switch", "/terms/product"),
        (terms(), terms(tier="pro"), "tier", "up", "/terms/tier"),
        (terms(), terms(tier="starter"), "tier", "down", "/terms/tier"),
        (terms(), terms(contact_limit=5000), "contact_limit", "up", "/terms/contact_limit"),
        (terms(), terms(contact_limit=500), "contact_limit", "down", "/terms/contact_limit"),
        (terms(), terms(seats=6), "seats", "up", "/terms/seats"),
        (terms(), terms(seats=4), "seats", "down", "/terms/seats"),
        (terms(), terms(add_ons={"sms": 1}), "add_ons", "add", "/terms/add_ons/sms"),
        (terms(add_ons={"sms": 1}), terms(add_ons={"sms": 2}), "add_ons", "more", "/terms/add_ons/sms"),
        (terms(add_ons={"sms": 2}), terms(add_ons={"sms": 1}), "add_ons", "fewer", "/terms/add_ons/sms"),
        (terms(add_ons={"sms": 1}), terms(), "add_ons", "remove", "/terms/add_ons/sms"),
        (terms(), terms(interval=YEAR), "interval", "to_year", "/terms/interval"),
        (terms(interval=YEAR), terms(), "interval", "to_month", "/terms/interval"),
    ],
)
def test_one_move_is_one_difference(
    current: Terms | None, wanted: Terms, dimension: str, direction: str, pointer: str
) -> None:
    """Each move is named by its dimension and direction, and points to its part of the terms."""
    found = differences(current, wanted, CATALOG)
    assert [(one.dimension, one.direction, one.pointer) for one in found] == [(dimension, direction, pointer)]


def test_a_difference_tells_before_and_after() -> None:
    """The review can say from where to where."""
    (seats,) = differences(terms(seats=5), terms(seats=8), CATALOG)
    assert (seats.before, seats.after) == (5, 8)


def test_seats_that_come_with_a_tier_are_no_difference_of_their_own() -> None:
    """Included seats cost nothing, so no rule about seats may stand in the way of a tier."""
    found = differences(terms(seats=3), terms(tier="enterprise", seats=10), CATALOG)
    assert [one.dimension for one in found] == [Dimension.TIER]


def test_seats_beyond_the_included_ones_are_a_difference() -> None:
    """An eleventh seat on a tier that includes ten is bought."""
    found = differences(terms(seats=3), terms(tier="enterprise", seats=11), CATALOG)
    assert [one.dimension for one in found] == [Dimension.TIER, Dimension.SEATS]


@given(any_terms(), any_terms())
def test_only_known_directions_are_found(current: Terms, wanted: Terms) -> None:
    """Whatever moves, the policy's table has a place for it."""
    for one in differences(current, wanted, CATALOG):
        assert one.direction in DIRECTIONS[one.dimension]


@given(any_terms())
def test_equal_terms_have_no_differences(some: Terms) -> None:
    """Nothing moves between terms and themselves."""
    assert differences(some, some, CATALOG) == ()


@given(any_terms(), any_terms())
def test_applying_every_difference_gives_the_wanted_terms(current: Terms, wanted: Terms) -> None:
    """The differences tell the whole story of a change."""
    assert apply(current, differences(current, wanted, CATALOG), wanted, CATALOG) == wanted


def test_applying_some_differences_leaves_the_rest() -> None:
    """A tier can move while the seats wait for the renewal."""
    current, wanted = terms(seats=9), terms(tier="pro", seats=6)
    tier = [one for one in differences(current, wanted, CATALOG) if one.direction is Direction.UP]
    assert apply(current, tier, wanted, CATALOG) == terms(tier="pro", seats=9)
