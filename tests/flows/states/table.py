"""The table of ARCHITECTURE.md that says what is allowed from which state: the expectation of every cell."""

from __future__ import annotations

from pathlib import Path

HEADING = "## What is allowed from which state"
ALLOWED, IMPOSSIBLE = "yes", "-"

Table = dict[str, dict[str, str]]


def read() -> Table:
    """State to flow to what is expected: `yes`, `-`, or the code that it is refused with."""
    text = (Path(__file__).parents[3] / "ARCHITECTURE.md").read_text(encoding="utf-8")
    section = text.split(HEADING, 1)[1].split("\n## ", 1)[0]
    rows = [_cells(line) for line in section.splitlines() if line.startswith("|")]
    flows = rows[0][1:]
    return {row[0]: dict(zip(flows, row[1:], strict=True)) for row in rows[2:]}


def _cells(line: str) -> list[str]:
    return [cell.strip().replace("`", "") for cell in line.strip().strip("|").split("|")]
