"""What the story looks like: 78 columns, colours on a terminal only, and as readable without them."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from enum import Enum, auto
from typing import IO, Final

from rich.console import Console
from rich.text import Text

from sync.rules.money import format_minor
from worker.demo.checks import Check

WIDTH: Final = 78
LABEL: Final = 18
AMOUNT: Final = 13
INDENT: Final = "  "

Line = tuple[str, int]  # what an invoice line says, and its amount in minor units


class Kind(Enum):
    """Kinds of line; between words and checks there is a blank one."""

    BLANK = auto()
    WORDS = auto()
    CHECK = auto()


class Screen:
    """Prints the story to one stream."""

    def __init__(self, stream: IO[str]) -> None:
        self._console = Console(
            file=stream, width=None if stream.isatty() else WIDTH, highlight=False, markup=False, emoji=False
        )
        self._last = Kind.BLANK

    @property
    def live(self) -> bool:
        """Whether somebody watches: a terminal."""
        return self._console.is_terminal

    def restore(self) -> None:
        """Give a terminal its cursor back, whatever an interrupted child did with it."""
        self._console.show_cursor(True)

    # ---- words

    def line(self, text: str = "", style: str = "") -> None:
        """One line as it is."""
        self._print(Text(text, style=style), Kind.WORDS if text else Kind.BLANK)

    def loud(self, *lines: str) -> None:
        """Lines that must not be overlooked."""
        for text in lines:
            self.line(f" {text:<{WIDTH - 2}} ", "bold black on yellow")

    def title(self, number: int, text: str) -> None:
        """The head of a step."""
        head = f"== {number}. {text} "
        self.line()
        self.line(head + "=" * max(2, WIDTH - len(head)), "bold cyan")

    def say(self, text: str) -> None:
        """A paragraph."""
        for line in textwrap.wrap(" ".join(text.split()), WIDTH):
            self.line(line)

    def command(self, text: str) -> None:
        """A command or a request as somebody would type it."""
        self.line(f"{INDENT}$ {text}", "bold")

    def row(self, label: str, text: str, style: str = "") -> None:
        """A label and what belongs to it; long text goes on below."""
        first, *more = textwrap.wrap(text, WIDTH - LABEL - len(INDENT)) or [""]
        self._print(Text.assemble((f"{INDENT}{label:<{LABEL}}", "dim"), (first, style)))
        for rest in more:
            self.line(" " * (LABEL + len(INDENT)) + rest, style)

    @contextmanager
    def waiting(self, text: str) -> Iterator[None]:
        """Say what is being waited for: with a moving sign on a terminal."""
        if not self.live:
            self.line(f"{INDENT}... {text}", "dim")
            yield
            return
        with self._console.status(Text(text)):
            yield

    # ---- money

    def lines(self, lines: Sequence[Line], currency: str) -> None:
        """Invoice lines with their amounts, each as Stripe words it."""
        for text, minor in lines:
            self._with_amounts(text, [format_minor(minor, currency)])

    def total(self, label: str, minor: int, currency: str, note: str = "", *, main: bool = False) -> None:
        """A sum below lines; the main one of a step stands out."""
        text = f"{label}{f', {note}' if note else ''}"
        self._with_amounts(text, [format_minor(minor, currency)], "bold green" if main else "")

    def compared(self, rows: Mapping[str, Sequence[int | None]], heads: Sequence[str], currency: str) -> None:
        """Lines with several amounts beside each other, such as quoted and invoiced."""
        if heads:
            self._with_amounts("", [*heads], "dim")
        for text, amounts in rows.items():
            shown = ["-" if minor is None else format_minor(minor, currency) for minor in amounts]
            self._with_amounts(text, shown)

    def _with_amounts(self, text: str, amounts: Sequence[str], style: str = "") -> None:
        room = WIDTH - len(INDENT) - AMOUNT * len(amounts)
        *before, last = textwrap.wrap(text, room - 1) or [""]
        for part in before:
            self.line(f"{INDENT}{part}", style)
        self.line(f"{INDENT}{last:<{room}}" + "".join(f"{amount:>{AMOUNT}}" for amount in amounts), style)

    # ---- before and after

    def table(self, widths: Sequence[int], heads: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        """Columns of text; a row whose second and third column differ stands out and is marked."""
        self.line(f"{INDENT}{_columns(widths, heads)}".rstrip(), "dim")
        for row in rows:
            changed = row[1] != row[2]
            mark = "<" if changed else ""
            self.line(f"{INDENT}{_columns(widths, row)}{mark}".rstrip(), "bold" if changed else "")

    # ---- checks

    def check(self, check: Check) -> None:
        """A claim that holds, or what was found instead."""
        if check.holds:
            self._print(Text.assemble((f"{INDENT}ok  ", "green"), check.claim), Kind.CHECK)
            return
        self._print(Text(f"{INDENT}FAILED  {check.claim}", "bold red"), Kind.CHECK)
        self._print(Text(f"{INDENT}        expected: {check.expected!r}", "red"), Kind.CHECK)
        self._print(Text(f"{INDENT}        found:    {check.found!r}", "red"), Kind.CHECK)

    def _print(self, text: Text, kind: Kind = Kind.WORDS) -> None:
        blank_first = Kind.BLANK not in (kind, self._last) and kind is not self._last
        if blank_first:
            self._console.print()
        if kind is not Kind.BLANK or self._last is not Kind.BLANK:
            self._console.print(text, soft_wrap=True)
        self._last = kind


def _columns(widths: Sequence[int], texts: Sequence[str]) -> str:
    return "".join(f"{text:<{width}}" for text, width in zip(texts, widths, strict=True))
