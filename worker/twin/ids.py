"""Ids: Stripe's prefix, then `twin`, which no id of live mode carries, then letters drawn from the seed."""

from __future__ import annotations

import random
from typing import Any

LETTERS = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
_OF_BYTES = (LETTERS * 5)[:256]


class Ids:
    """One sequence per twin: the same seed and the same calls give the same ids."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)

    def new(self, prefix: str, length: int = 14) -> str:
        """A fresh id, for example `sub_twinAbC...`."""
        return f"{prefix}_twin{self.letters(length)}"

    def letters(self, length: int) -> str:
        """Random letters and digits."""
        return self._random.randbytes(length).translate(_OF_BYTES).decode()

    def state(self) -> list[Any]:
        """Where the sequence stands, for a file."""
        return list(self._random.getstate())

    def restore(self, state: list[Any]) -> None:
        """Go on where `state` was taken."""
        version, numbers, rest = state
        self._random.setstate((version, tuple(numbers), rest))

    def chance(self) -> float:
        """A number in [0, 1), for deliveries that are lost or doubled."""
        return self._random.random()

    def shuffle(self, items: list[Any]) -> None:
        """Put `items` into a random order, in place."""
        self._random.shuffle(items)
