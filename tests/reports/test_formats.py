"""What the files look like: numbers that stay numbers, words that never become formulas."""

from __future__ import annotations

import csv
import io
import json
from datetime import UTC, datetime

import pytest

from sync.errors import BadInput, NotFound
from sync.reports.cells import Column, Encoder, Format, Kind, amount, day, decimal_text, neutral, parse_format
from sync.reports.listing import REPORTS, named
from sync.reports.span import parse

HOSTILE = [
    "=1+1",
    '=HYPERLINK("http://a.example","x")',
    "+cmd|' /C calc'!A0",
    "-2+3+cmd|' /C calc'!A0",
    "@SUM(1,2)",
    "\t=1+1",
    "\r=1+1",
    "\n=1+1",
    "  =1+1",
    "\u00a0=1+1",
    "＝1+1",
    "＋1",
    "－1",
    "＠SUM(1)",
    "-5",
    "=",
]
HARMLESS = ["", "Ada", "a=1", "1-2", "O'Hara", 'say "no"', "a,b;c", "two\nlines", "naïve café", "😀", "'=1"]
COLUMNS = (Column("word", "", Kind.TEXT), Column("minor", "", Kind.NUMBER), Column("sum", "", Kind.DECIMAL))


def as_csv(*rows: tuple[object, ...]) -> list[list[str]]:
    """What a reader of RFC 4180 gets."""
    encoder = Encoder(Format.CSV, "toy/1", COLUMNS)
    raw = encoder.head() + encoder.rows(rows)  # type: ignore[arg-type]
    return list(csv.reader(io.StringIO(raw.decode(), newline=""), strict=True))


@pytest.mark.parametrize("text", HOSTILE)
def test_no_cell_is_a_formula(text: str) -> None:
    """An apostrophe stands before what a spreadsheet would run; the words themselves are all there."""
    head, row = as_csv((text, -5, "-0.05"))

    assert ["schema", "word", "minor", "sum"] == head
    assert ["toy/1", f"'{text}", "-5", "-0.05"] == row


@pytest.mark.parametrize("text", HARMLESS)
def test_harmless_words_are_as_they_were(text: str) -> None:
    """Quotes, commas and line breaks come back as they went in."""
    assert ["toy/1", text, "7", "0.07"] == as_csv((text, 7, "0.07"))[1]
    assert text == neutral(text)


@pytest.mark.parametrize("text", HOSTILE + HARMLESS)
def test_json_lines_are_exact_and_one_a_row(text: str) -> None:
    """JSON needs no apostrophe, and whatever splits lines finds one line."""
    encoder = Encoder(Format.JSONL, "toy/1", COLUMNS)
    raw = encoder.rows([(f"{text}\u2028\u0085", -5, None)]).decode()

    assert 1 == len(raw.splitlines())
    assert {"schema": "toy/1", "word": f"{text}\u2028\u0085", "minor": -5, "sum": None} == json.loads(raw)


@pytest.mark.parametrize(
    ("minor", "currency", "text"),
    [
        (0, "usd", "0.00"), (5, "usd", "0.05"), (-5, "usd", "-0.05"), (123456, "EUR", "1234.56"),
        (500, "jpy", "500"),
        (-500, "jpy", "-500"), (500, "isk", "5.00"), (500, "ugx", "5.00"), (17500, "huf", "175.00"),
        (1230, "kwd", "1.230"), (-1, "bhd", "-0.001"), (10**15, "usd", "10000000000000.00"),
    ],
)  # fmt: skip
def test_decimals_are_those_of_stripe(minor: int, currency: str, text: str) -> None:
    """Without thousands marks, and by Stripe's own table: a general one is wrong by a factor of 100."""
    assert (minor, text) == amount(minor, currency)
    assert text == decimal_text(minor, currency)


def test_amount_of_no_known_currency_has_no_decimals() -> None:
    """The minor units alone are true."""
    assert (5, None) == amount(5, None)
    assert (None, None) == amount(None, "usd")


@pytest.mark.parametrize(
    ("begin", "end"),
    [
        ("2026-01-01", "2026-02-01"),
        ("2026-01-01T00:00:00Z", "2026-02-01T00:00Z"),
        ("2026-01-01T01:00:00+01:00", "2026-01-31t19:00:00-05:00"),
    ],
)
def test_spans_are_in_utc_and_half_open(begin: str, end: str) -> None:
    """Three ways to say January."""
    span = parse(begin, end)

    assert (datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 2, 1, tzinfo=UTC)) == (span.start, span.end)


def test_days_begin_at_midnight_in_the_zone() -> None:
    """Also on the days around a change of the clocks; an instant has its own zone."""
    march = parse("2026-03-01", "2026-04-01", "Europe/Paris")
    mixed = parse("2026-03-01T00:00:00Z", "2026-04-01", "America/New_York")

    assert (datetime(2026, 2, 28, 23, tzinfo=UTC), datetime(2026, 3, 31, 22, tzinfo=UTC)) == (
        march.start,
        march.end,
    )
    assert (datetime(2026, 3, 1, tzinfo=UTC), datetime(2026, 4, 1, 4, tzinfo=UTC)) == (mixed.start, mixed.end)
    assert ["2026-03-01", "2026-02-28"] == [day(march.start, span.zone) for span in (march, mixed)]


@pytest.mark.parametrize(
    "zone", ["", "x", "Europe", "Mars/Base", "../etc/passwd", "/etc/passwd", "localtime", "CET\0", "\udc80/A"]
)
def test_zone_that_is_not_known_is_said(zone: str) -> None:
    """Never a traceback, and no file besides those of the database."""
    with pytest.raises(BadInput, match="no time zone that is known") as refused:
        parse("2026-01-01", "2026-02-01", zone)

    assert ["?zone"] == [problem.pointer for problem in refused.value.problems]


@pytest.mark.parametrize(
    ("begin", "end", "pointers"),
    [
        (None, None, ["?from", "?to"]),
        ("2026-02-01", "2026-02-01", ["?to"]),
        ("2026-02-02", "2026-02-01", ["?to"]),
        ("yesterday", "2026-02-01", ["?from"]),
        ("2026-02-30", "2026-13-01", ["?from", "?to"]),
        ("2026-01-01T00:00:00", "2026-02-01", ["?from"]),  # of no zone
        ("2026-01-01T00:00:00 01:00", "2026-02-01", ["?from"]),  # a + that an address lost
        ("0001-01-01T00:00:00+14:00", "2026-02-01", ["?from"]),
        ("2026-01-01T00:00:00.5Z", "2026-02-01", ["?from"]),
        ("٢٠٢٦-01-01", "2026-02-01", ["?from"]),
        ("", "=1", ["?from", "?to"]),
    ],
)
def test_what_is_no_span_is_said_with_its_place(
    begin: str | None, end: str | None, pointers: list[str]
) -> None:
    """All problems at once, never a guess."""
    with pytest.raises(BadInput) as refused:
        parse(begin, end)

    assert pointers == [problem.pointer for problem in refused.value.problems]
    assert "Nothing was read" in refused.value.detail


def test_what_there_is_not_is_said_with_what_there_is() -> None:
    """A format and a report."""
    with pytest.raises(BadInput, match="'xlsx' is no format of reports; there are csv, jsonl"):
        parse_format("xlsx")
    with pytest.raises(NotFound, match="there are proration-audit, change-register, exceptions"):
        named("mrr")


@pytest.mark.parametrize("name", REPORTS)
def test_columns_are_unique_and_say_what_they_hold(name: str) -> None:
    """Each amount has its decimal column, and a currency column is there."""
    columns = REPORTS[name].columns
    names = [column.name for column in columns]

    assert len(names) == len(set(names))
    assert all(column.says for column in columns)
    assert "currency" in names
    decimals = [column.name for column in columns if column.kind is Kind.DECIMAL]
    assert decimals
    assert all(f"{each}_minor" == names[names.index(each) - 1] for each in decimals)
