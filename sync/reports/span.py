"""The span of a report: from a day or an instant on, up to another one that is not part of it.

Days begin at midnight in the zone of the accounts; without one that is UTC.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from sync.errors import BadInput, Code, Problem

_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")
_INSTANT = re.compile(r"\d{4}-\d{2}-\d{2}[Tt]\d{2}:\d{2}(:\d{2})?([Zz]|[+-]\d{2}:?\d{2})")


# A name of the IANA database: nothing that is a path, and not the machine's own zone.
_ZONE = re.compile(r"UTC|[A-Z][A-Za-z]+(/[A-Z][A-Za-z0-9_+-]+){1,2}")
UTC_ZONE = ZoneInfo("UTC")


@dataclass(frozen=True, slots=True)
class Span:
    """`[start, end)`, in UTC, to the second; days are told in `zone`, too."""

    start: datetime
    end: datetime
    zone: ZoneInfo = UTC_ZONE

    @property
    def start_unix(self) -> int:
        return int(self.start.timestamp())

    @property
    def end_unix(self) -> int:
        return int(self.end.timestamp())


def parse(begin: str | None, end: str | None, zone: str | None = None) -> Span:
    """Read two texts such as `2026-01-01` or `2026-01-01T12:00:00Z`, and a zone such as `Europe/Paris`.

    Raises BadInput with every problem.
    """
    problems: list[Problem] = []
    within = _zone(zone, problems)
    first, last = _moment("from", begin, within, problems), _moment("to", end, within, problems)
    if first and last and first >= last:
        problems.append(_problem("to", "must be later than `from`: the span ends right before it"))
    if problems or first is None or last is None:
        said = "; ".join(f"{problem.pointer.removeprefix('?')}: {problem.detail}" for problem in problems)
        raise BadInput(Code.BAD_REQUEST, f"There is no such span: {said}. Nothing was read.", problems)
    return Span(first, last, within)


def _zone(name: str | None, problems: list[Problem]) -> ZoneInfo:
    if name is None:
        return UTC_ZONE
    try:
        if _ZONE.fullmatch(name):
            return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        pass  # the database has no such file, or a folder of that name
    detail = f"{name[:40]!r} is no time zone that is known here; one is named such as Europe/Paris, or UTC"
    problems.append(_problem("zone", detail))
    return UTC_ZONE


def _moment(name: str, text: str | None, zone: ZoneInfo, problems: list[Problem]) -> datetime | None:
    if text is None:
        problems.append(_problem(name, "this is needed here, such as 2026-01-01"))
        return None
    try:
        return _read(text, zone)
    except (ValueError, OverflowError):
        detail = (
            f"{text[:40]!r} is neither a day, such as 2026-01-01, nor an instant with its zone, such as "
            "2026-01-01T12:00:00Z (in an address a + is written %2B)"
        )
        problems.append(_problem(name, detail))
        return None


def _read(text: str, zone: ZoneInfo) -> datetime:
    if _DAY.fullmatch(text):
        return datetime.fromisoformat(text).replace(tzinfo=zone).astimezone(UTC)
    if _INSTANT.fullmatch(text):
        return datetime.fromisoformat(text.upper()).astimezone(UTC)
    raise ValueError(text)


def _problem(name: str, detail: str) -> Problem:
    return Problem(f"?{name}", Code.BAD_REQUEST, detail)
