"""The verdict of `make proof`: a row for each part, and one last line."""

from __future__ import annotations

import traceback
from dataclasses import dataclass, field

PROBLEMS_SHOWN = 12
COUNTS = ("lost", "doubled", "unequal")


@dataclass(slots=True)
class Part:
    """One row of the verdict; what a part does not count is None."""

    name: str
    what: str
    tried: str
    seconds: float
    is_clean: bool
    lost: int | None = None
    doubled: int | None = None
    unequal: int | None = None
    problems: list[str] = field(default_factory=list)

    @property
    def row(self) -> str:
        counts = "".join(f"{_told(getattr(self, name)):>9}" for name in COUNTS)
        word = "held" if self.is_clean else "BROKEN"
        return f"{self.name:<12}{counts}{self.seconds:>8.0f} s  {word:<7} {self.tried}"

    @classmethod
    def broken(cls, name: str, error: Exception, seconds: float) -> Part:
        """A part that did not come to its end."""
        while isinstance(error, ExceptionGroup):
            error = error.exceptions[0]
        places = traceback.extract_tb(error.__traceback__)
        place = f" in {places[-1].name}, line {places[-1].lineno}" if places else ""
        first = (str(error).splitlines() or [""])[0]
        why = f"{name}: {type(error).__name__}{place}: {first[:200]}"
        return cls(name, f"{name} without coming to its end", "", seconds, is_clean=False, problems=[why])


def report(parts: list[Part], seed: int) -> str:
    """One screen, with the verdict on the last line."""
    problems = [problem for part in parts for problem in part.problems]
    lines = [
        f"{'part':<12}{'lost':>9}{'doubled':>9}{'unequal':>9}{'time':>10}",
        *(part.row for part in parts),
        *problems[:PROBLEMS_SHOWN],
    ]
    if len(problems) > PROBLEMS_SHOWN:
        lines.append(f"... and {len(problems) - PROBLEMS_SHOWN} more")
    word = "HELD" if all(part.is_clean for part in parts) else "BROKEN"
    tried = ", ".join(part.what for part in parts)
    counts = ", ".join(f"{_total(parts, name)} {name}" for name in COUNTS)
    lines.append(f"{word}: tried {tried}: {counts} (seed {seed})")
    return "\n".join(lines)


def _told(count: int | None) -> str:
    return "-" if count is None else str(count)


def _total(parts: list[Part], name: str) -> str:
    """The sum of what was counted; where nobody came to count, that is no 0."""
    counted = [count for part in parts if (count := getattr(part, name)) is not None]
    return str(sum(counted)) if counted else "an unknown number"
