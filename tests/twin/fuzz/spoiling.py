"""Forms as a broken client would send them."""

from __future__ import annotations

import random
from collections.abc import Callable

Pairs = list[tuple[str, str]]
NAMES = (
    "items", "items[0]", "items[]", "items[x][price]", "items[-1][price]",
    "items[99999999999999999999][price]", "[", "a[", "a]", "[]", "a[b", "a[]b", "", "a[[b]]",
    "expand", "expand[]", "expand[0][a]", "id", "metadata", "metadata[]", "metadata[a][b]",
    "metadata[0]", "customer[]", "quantity[0]",
)  # fmt: skip
VALUES = ("", "x", "-1", "1.5", "true", "null", "é", "\x00", "9" * 30, "١٢", " 1", "0x10", "1_000", "NaN")


def spoil(pick: random.Random, pairs: Pairs) -> Pairs:
    """One to three faults in a form."""
    spoilt = list(pairs)
    for _ in range(pick.choice((1, 1, 2, 3))):
        spoilt = pick.choice(WAYS)(pick, spoilt)
    return spoilt


def _add(pick: random.Random, pairs: Pairs) -> Pairs:
    at = pick.randint(0, len(pairs))
    return [*pairs[:at], (pick.choice(NAMES), pick.choice(VALUES)), *pairs[at:]]


def _change(pick: random.Random, pairs: Pairs) -> Pairs:
    at = pick.randrange(len(pairs)) if pairs else None
    return [(k, pick.choice(VALUES) if n == at else v) for n, (k, v) in enumerate(pairs)]


def _rename(pick: random.Random, pairs: Pairs) -> Pairs:
    at = pick.randrange(len(pairs)) if pairs else None
    ends = ("[]", "[0]", "[a]", "[", "x")
    return [(k + pick.choice(ends) if n == at else k, v) for n, (k, v) in enumerate(pairs)]


def _double(pick: random.Random, pairs: Pairs) -> Pairs:
    return [*pairs, pick.choice(pairs)] if pairs else pairs


def _lose(pick: random.Random, pairs: Pairs) -> Pairs:
    gone = pick.randrange(len(pairs)) if pairs else None
    return [pair for n, pair in enumerate(pairs) if n != gone]


WAYS: tuple[Callable[[random.Random, Pairs], Pairs], ...] = (_add, _change, _rename, _double, _lose)
