"""Cells and rows: what a report's values look like in a CSV file and in JSON lines.

CSV is RFC 4180 in UTF-8 with a header row. JSON lines are one object a row, plain ASCII, so that a line is a
line for every reader. An amount stands twice: as a whole number of minor units, and as a decimal number.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo

from sync.errors import BadInput, Code, Problem
from sync.reports.span import UTC_ZONE
from sync.rules.money import decimals

Cell = str | int | bool | Sequence[str] | None
Row = Sequence[Cell]

# A spreadsheet takes a cell that begins so for a formula; the wide forms count in some languages.
_FORMULA: Final = frozenset("=+-@\t\r\n\0＝＋－＠")  # fmt: skip
# What a text has to be looked at for: nearly none begins so.
_SUSPECT: Final = _FORMULA | frozenset(sign for sign in map(chr, range(0x3001)) if sign.isspace())


class Kind(StrEnum):
    """What a column holds."""

    TEXT = "text"  # anybody's words: neutralised in CSV
    NUMBER = "number"  # a whole number
    DECIMAL = "decimal"  # an amount as a decimal number, made here
    MOMENT = "moment"  # ISO 8601, UTC
    FLAG = "flag"  # true or false
    LIST = "list"  # several texts


@dataclass(frozen=True, slots=True)
class Column:
    """One column, with a sentence for those who read the report."""

    name: str
    says: str
    kind: Kind = Kind.TEXT


def money(name: str, says: str) -> tuple[Column, Column]:
    """The two columns of an amount: minor units and decimal number."""
    return Column(f"{name}_minor", says, Kind.NUMBER), Column(name, "The same, in units.", Kind.DECIMAL)


def amount(minor: int | None, currency: str | None) -> tuple[int | None, str | None]:
    """The two cells of an amount. Without a currency it is not known how many decimals it has."""
    if minor is None or currency is None:
        return minor, None
    return minor, decimal_text(minor, currency)


@lru_cache(maxsize=8192)
def decimal_text(minor: int, currency: str) -> str:
    """An amount as a plain decimal number, by Stripe's own table of minor units: `-1234.50`, `500`."""
    places = decimals(currency)
    if not places:
        return str(minor)
    digits = f"{abs(minor):0{places + 1}d}"
    return f"{'-' if minor < 0 else ''}{digits[:-places]}.{digits[-places:]}"


def moment(value: datetime | int | None) -> str | None:
    """A moment, or Stripe's second, as ISO 8601 in UTC."""
    if value is None:
        return None
    return _second(value) if isinstance(value, int) else _text_of(value.astimezone(UTC))


@lru_cache(maxsize=4096)
def _second(unix: int) -> str:
    return _text_of(datetime.fromtimestamp(unix, UTC))


def _text_of(utc: datetime) -> str:
    return f"{utc.isoformat(timespec='seconds')[:19]}Z"


def day(value: datetime | int, zone: ZoneInfo) -> str:
    """The day of a moment, or of Stripe's second, in a zone."""
    unix = value if isinstance(value, int) else int(value.timestamp())
    return _day(unix, zone)


@lru_cache(maxsize=4096)
def _day(unix: int, zone: ZoneInfo) -> str:
    return datetime.fromtimestamp(unix, zone).date().isoformat()


def days(value: datetime | int, zone: ZoneInfo) -> tuple[str, str, str]:
    """The cells of `date_utc`, `date_local` and `zone`."""
    return day(value, UTC_ZONE), day(value, zone), zone.key


def neutral(text: str) -> str:
    """The text for a cell of a spreadsheet: what it would take for a formula gets an apostrophe in front."""
    if text[:1] in _FORMULA or text.lstrip()[:1] in _FORMULA:
        return f"'{text}"
    return text


class Format(StrEnum):
    """How a report is written; `media_type` is the one of the answer."""

    CSV = "csv"
    JSONL = "jsonl"

    @property
    def media_type(self) -> str:
        return _MEDIA_TYPES[self]


_MEDIA_TYPES: Final = {
    Format.CSV: "text/csv; charset=utf-8; header=present",
    Format.JSONL: "application/x-ndjson",
}


def parse_format(text: str) -> Format:
    """Read the name of a format. Raises BadInput naming those that there are."""
    try:
        return Format(text)
    except ValueError:
        known = ", ".join(Format)
        detail = f"{text[:40]!r} is no format of reports; there are {known}"
        problem = Problem("?format", Code.BAD_REQUEST, detail)
        raise BadInput(Code.BAD_REQUEST, f"{detail}. Nothing was read.", [problem]) from None


class Encoder:
    """Turns rows into the bytes of a file, a part at a time."""

    def __init__(self, form: Format, schema: str, columns: Sequence[Column]) -> None:
        self._schema = schema
        self._names = ["schema", *(column.name for column in columns)]
        kinds = [column.kind for column in columns]
        self._texts = [place for place, kind in enumerate(kinds, 1) if kind is Kind.TEXT]
        self._others = [(place, _TO_CSV[kind]) for place, kind in enumerate(kinds, 1) if kind in _TO_CSV]
        self._form = form

    def head(self) -> bytes:
        """What stands before the first row."""
        return self._csv([self._names]) if self._form is Format.CSV else b""

    def rows(self, rows: Iterable[Row]) -> bytes:
        """Some rows, in their order."""
        if self._form is Format.CSV:
            return self._csv(self._cells(row) for row in rows)
        return "".join(f"{self._json(row)}\n" for row in rows).encode()

    def _csv(self, rows: Iterable[Sequence[object]]) -> bytes:
        text = io.StringIO(newline="")
        csv.writer(text, lineterminator="\r\n").writerows(rows)
        return text.getvalue().encode()

    def _json(self, row: Row) -> str:
        return json.dumps(dict(zip(self._names, (self._schema, *row), strict=True)), separators=(",", ":"))

    def _cells(self, row: Row) -> list[Cell]:
        cells = [self._schema, *row]
        for place in self._texts:
            text = cells[place]
            if isinstance(text, str) and text and text[0] in _SUSPECT:
                cells[place] = neutral(text)
        for place, changed in self._others:
            if (value := cells[place]) is not None:
                cells[place] = changed(value)
        return cells


def _flag(value: Cell) -> str:
    return "true" if value else "false"


def _list(value: Cell) -> str:
    return neutral(" ".join(value) if isinstance(value, Sequence) else str(value))


_TO_CSV: Final = {Kind.FLAG: _flag, Kind.LIST: _list}
