"""What came out of a run: the differences as a table, the answers to the open questions, or all as JSON."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from rich.console import Console
from rich.table import Table

from tests.sandbox.probe import PROBES, Seen


@dataclass(frozen=True)
class Report:
    """Observations by probe: `ours` on the twin, `theirs` on the other Stripe."""

    target: str
    ours: dict[str, Seen]
    theirs: dict[str, Seen]

    @property
    def differences(self) -> list[str]:
        """The probes whose observations differ."""
        return [name for name, seen in self.theirs.items() if seen != self.ours[name]]

    def as_json(self) -> str:
        """Everything, one entry for each probe."""
        entries = [self._entry(name) for name in self.theirs]
        counts = {"probes": len(entries), "differences": len(self.differences)}
        return json.dumps({"target": self.target, **counts, "results": entries}, indent=2, sort_keys=True)

    def _entry(self, name: str) -> dict[str, Any]:
        probe = PROBES[name]
        entry = {
            "probe": name,
            "group": probe.group,
            "question": probe.question,
            "open": probe.branch or None,
        }
        seen = {"ours": self.ours[name], "theirs": self.theirs[name]}
        return {**entry, **seen, "same": self.ours[name] == self.theirs[name]}

    def show(self, console: Console) -> None:
        """Print both tables and the sum."""
        if self.differences:
            rows = [(name, self.ours[name], self.theirs[name]) for name in self.differences]
            console.print(_table("Differences", ("probe", "ours", "Stripe's"), rows))
        rows = [
            (f"{name}\n{PROBES[name].question}", PROBES[name].branch, seen)
            for name, seen in self.theirs.items()
            if PROBES[name].is_open
        ]
        if rows:
            console.print(_table("Open questions", ("probe", "what we assume", "the answer"), rows))
        console.print(
            f"{len(self.theirs)} probes against {self.target}: {len(self.differences)} differences."
        )


def _table(title: str, columns: tuple[str, ...], rows: list[tuple[Any, ...]]) -> Table:
    table = Table(title=title, show_lines=True)
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*(cell if isinstance(cell, str) else json.dumps(cell) for cell in row))
    return table
