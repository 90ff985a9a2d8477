"""The array covers every pair that can be, and is the same one everywhere."""

from __future__ import annotations

import random
from itertools import combinations, product

from tests.flows.pairwise.array import build, covered, possible_pairs, the_array
from tests.flows.pairwise.factors import FACTORS, is_possible
from tests.flows.pairwise.test_pairs import EVERY_TIME


def test_every_possible_pair_is_covered() -> None:
    """At least two thousand of them, by about two hundred cases."""
    wanted = possible_pairs()
    assert wanted <= covered(the_array())
    assert len(wanted) >= 2_500
    assert len(the_array()) <= 220


def test_two_thousand_meet_every_time() -> None:
    """The cases that always run; those of the proof cover the rest."""
    assert len(covered(the_array()[:EVERY_TIME])) >= 2_000


def test_no_case_is_impossible() -> None:
    """Each case has every factor, with a value of its own, and breaks no rule."""
    for case in the_array():
        assert {name: case[name] in values for name, values in FACTORS.items()} == dict.fromkeys(
            FACTORS, True
        )
        assert is_possible(case)


def test_the_same_seed_makes_the_same_array() -> None:
    """Nothing depends on the process that builds it."""
    again = build(FACTORS, is_possible, random.Random(20261123))
    assert [tuple(case.items()) for case in again] == [tuple(case.items()) for case in the_array()]


def test_every_kind_of_change_meets_every_other_value() -> None:
    """What is left out is left out by a rule: a change meets all bands, currencies, balances and taxes."""
    seen = covered(the_array())
    for change in set(FACTORS["change"]) - {"purchase"}:
        for name in ("balance", "discount", "tax", "currency", "mode"):
            assert {
                value for value in FACTORS[name] if frozenset({("change", change), (name, value)}) in seen
            } == set(FACTORS[name])


def test_possible_pairs_are_those_of_all_possible_cases() -> None:
    """Against brute force, on factors so few that every combination can be looked at."""
    few = {"a": ("1", "2", "3"), "b": ("1", "2"), "c": ("1", "2")}

    def allowed(case: object) -> bool:
        held = dict(case)  # type: ignore[call-overload]
        return not (held.get("a") == "3" and held.get("b") == "1") and not (
            held.get("b") == "2" and held.get("c") == "2"
        )

    whole = [dict(zip(few, values, strict=True)) for values in product(*few.values())]
    brute = {frozenset(pair) for case in whole if allowed(case) for pair in combinations(case.items(), 2)}
    assert frozenset({("a", "3"), ("c", "2")}) not in brute
    assert possible_pairs(few, allowed) == brute
    assert covered(build(few, allowed, random.Random(1))) == brute
