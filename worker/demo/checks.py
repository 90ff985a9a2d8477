"""What the story claims, each claim held against what was really found."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Check:
    """One claim. It holds when `found` equals `expected`."""

    claim: str
    expected: Any
    found: Any

    @property
    def holds(self) -> bool:
        return bool(self.expected == self.found)

    def to_json(self) -> dict[str, Any]:
        """The check for `--json`."""
        return {**asdict(self), "holds": self.holds}


class Checks:
    """Every check of a run, by step."""

    def __init__(self) -> None:
        self._by_step: dict[int, list[Check]] = {}

    def add(self, step: int, check: Check) -> None:
        self._by_step.setdefault(step, []).append(check)

    def of(self, step: int) -> list[Check]:
        """The checks of one step, in order."""
        return self._by_step.get(step, [])

    @property
    def all(self) -> list[Check]:
        """Every check, in order."""
        return [check for checks in self._by_step.values() for check in checks]

    @property
    def failed(self) -> list[Check]:
        """The claims that do not hold."""
        return [check for check in self.all if not check.holds]
