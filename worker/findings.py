"""What a check of the doctor ends in."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Status(StrEnum):
    """How a check ended."""

    OK = "ok"
    WARN = "warn"  # it works, but not as it should for long
    FAIL = "fail"  # it does not work


class Area(StrEnum):
    """Whose trouble it is; the command's exit code follows from it."""

    SETTINGS = "settings"
    STRIPE = "stripe"
    DATABASE = "database"


@dataclass(frozen=True, slots=True)
class Finding:
    """What one check found, and what to do about it."""

    name: str
    area: Area
    status: Status
    found: str
    advice: str | None = None
