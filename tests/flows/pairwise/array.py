"""The greedy covering array: complete cases until every pair that can be is in one of them."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import lru_cache
from itertools import combinations

from tests.flows.pairwise.factors import FACTORS, Case, is_possible

Value = tuple[str, str]
Pair = frozenset[Value]
SEED = 20261123


def possible_pairs(
    factors: Mapping[str, tuple[str, ...]] = FACTORS, allowed: Callable[[Case], bool] = is_possible
) -> frozenset[Pair]:
    """Every pair of values that at least one complete case has."""
    return frozenset(
        pair for pair in _all_pairs(factors) if _complete(dict(pair), factors, allowed) is not None
    )


def pairs_of(case: Case) -> Iterator[Pair]:
    """The pairs that a case covers."""
    return map(frozenset, combinations(case.items(), 2))


def covered(cases: Iterable[Case]) -> frozenset[Pair]:
    """The pairs that these cases cover together."""
    return frozenset(pair for case in cases for pair in pairs_of(case))


@lru_cache
def the_array(seed: int = SEED) -> tuple[Case, ...]:
    """The same cases for the same seed, everywhere."""
    return tuple(build(FACTORS, is_possible, random.Random(seed)))


def build(
    factors: Mapping[str, tuple[str, ...]], allowed: Callable[[Case], bool], dice: random.Random
) -> Iterator[Case]:
    """Cases, each begun with a pair that is still missing and filled with whatever covers most."""
    missing = {pair: None for pair in _all_pairs(factors) if _complete(dict(pair), factors, allowed)}
    while missing:
        case = _filled(dict(next(iter(missing))), factors, allowed, missing, dice)
        for pair in pairs_of(case):
            missing.pop(pair, None)
        yield case


def _all_pairs(factors: Mapping[str, tuple[str, ...]]) -> Iterator[Pair]:
    for one, other in combinations(factors, 2):
        for value in factors[one]:
            yield from (frozenset({(one, value), (other, found)}) for found in factors[other])


def _filled(
    case: dict[str, str],
    factors: Mapping[str, tuple[str, ...]],
    allowed: Callable[[Case], bool],
    missing: Mapping[Pair, None],
    dice: random.Random,
) -> dict[str, str]:
    """A complete case: factor by factor the value that covers most, as long as it can be completed."""
    left = [name for name in factors if name not in case]
    dice.shuffle(left)
    for name in left:
        values = list(factors[name])
        dice.shuffle(values)
        values.sort(key=lambda value: -_gain(case, (name, value), missing))
        case[name] = next(
            value for value in values if _complete({**case, name: value}, factors, allowed) is not None
        )
    return {name: case[name] for name in factors}


def _gain(case: Case, value: Value, missing: Mapping[Pair, None]) -> int:
    return sum(frozenset({held, value}) in missing for held in case.items())


def _complete(
    case: Case, factors: Mapping[str, tuple[str, ...]], allowed: Callable[[Case], bool]
) -> Case | None:
    """The first way to complete a case, or None where there is no way (depth first)."""
    if not allowed(case):
        return None
    name = next((name for name in factors if name not in case), None)
    if name is None:
        return case
    for value in factors[name]:
        if (found := _complete({**case, name: value}, factors, allowed)) is not None:
            return found
    return None
