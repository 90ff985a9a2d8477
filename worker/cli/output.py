"""What commands print: data on stdout, everything else on stderr."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any

import typer

# The same option on every command that prints data.
AsJson = Annotated[bool, typer.Option("--json", help="Print the data as JSON.")]
Yes = Annotated[bool, typer.Option("--yes", help="Do it without asking.")]
Why = Annotated[str | None, typer.Option("--reason", metavar="TEXT", help="Why; kept in the audit log.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what would happen, and change nothing.")]


def emit_json(data: Any) -> None:
    """Print data as JSON on stdout; datetimes become ISO 8601."""
    print(json.dumps(data, default=_plain, ensure_ascii=False, indent=2, allow_nan=False))


def emit_rows(rows: Sequence[Mapping[str, Any]], columns: Sequence[str], *, as_json: bool) -> None:
    """Print rows on stdout: a JSON list, or aligned columns with a heading."""
    if as_json:
        emit_json(list(rows))
        return
    table = [[_cell(row.get(name)) for name in columns] for row in rows]
    heading = [name.upper().replace("_", " ") for name in columns]
    widths = [max(len(line[index]) for line in [heading, *table]) for index in range(len(columns))]
    for line in [heading, *table]:
        print("  ".join(text.ljust(width) for text, width in zip(line, widths, strict=True)).rstrip())


def note(text: str) -> None:
    """Print a message for a person on stderr."""
    print(text, file=sys.stderr)


def confirmed(question: str, *, yes: bool) -> bool:
    """Ask before something changes; without a terminal only `--yes` says yes."""
    if yes:
        return True
    if not sys.stdin.isatty():
        note(f"{question} Nothing was done: repeat with --yes.")
        return False
    return typer.confirm(question, err=True)


def _plain(value: Any) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)


def _cell(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, datetime):
        return value.strftime("%Y-%m-%dT%H:%M:%SZ")
    if isinstance(value, list | tuple):
        return ",".join(str(item) for item in value)
    return str(value)
