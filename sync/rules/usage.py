"""Use against limits: which threshold it has reached, what to tell, and what may not be undercut. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from sync.errors import Code, Problem
from sync.rules.terms import Terms, pointer_to

CONTACTS: Final = "contacts"
SEATS: Final = "seats"
THRESHOLDS: Final = (80, 90, 100)  # percent of the limit
# Days before a renewal at which a decrease that does not fit is told; the last one first.
WARNING_DAYS: Final = (1, 7)
DAY_SECONDS: Final = 86_400


@dataclass(frozen=True, slots=True)
class Use:
    """One dimension of an account: what is in use, and what was bought."""

    dimension: str
    in_use: int
    limit: int

    @property
    def percent(self) -> int:
        """What is in use in percent of the limit, rounded down."""
        return self.in_use * 100 // self.limit

    @property
    def level(self) -> int:
        """The highest threshold that is reached, 0 below the first."""
        return max((each for each in THRESHOLDS if self.in_use * 100 >= each * self.limit), default=0)


def uses(terms: Terms, contacts: int | None, seats: int | None) -> Iterator[Use]:
    """Return each dimension whose use was reported, against the terms in force."""
    if contacts is not None:
        yield Use(CONTACTS, contacts, terms.contact_limit)
    if seats is not None:
        yield Use(SEATS, seats, terms.seats)


def misfits(current: Terms, promised: Terms, contacts: int | None, seats: int | None) -> Iterator[Use]:
    """Return the dimensions that a promise lowers below what is in use, with the promised limit.

    A limit that is exceeded already and stays is no decrease, so it is not the promise's doing.
    """
    present = {each.dimension: each.limit for each in uses(current, contacts, seats)}
    for use in uses(promised, contacts, seats):
        if use.limit < present[use.dimension] and use.limit < use.in_use:
            yield use


def warning(now_unix: int, effective_unix: int) -> int | None:
    """Return which of WARNING_DAYS is due at this moment; None before the first one and after the renewal."""
    left_seconds = effective_unix - now_unix
    if left_seconds <= 0:
        return None
    return next((days for days in WARNING_DAYS if left_seconds <= days * DAY_SECONDS), None)


def days_left(now_unix: int, effective_unix: int) -> int:
    """Return the days until the renewal; a day that has begun counts."""
    return -((now_unix - effective_unix) // DAY_SECONDS)


def below_use(current: Terms | None, wanted: Terms, contacts: int, seats: int) -> Iterator[Problem]:
    """Refuse seats or contacts below those in use. An increase that is still too small is welcome."""
    if (current is None or wanted.seats < current.seats) and wanted.seats < seats:
        detail = f"{seats} seats are in use, so {wanted.seats} are too few. Free some first."
        yield Problem(pointer_to("seats"), Code.SEATS_IN_USE, detail)
    limit = wanted.contact_limit
    if (current is None or limit < current.contact_limit) and limit < contacts:
        detail = f"There are {contacts} contacts, so a limit of {limit} is too low. Remove some first."
        yield Problem(pointer_to("contact_limit"), Code.CONTACTS_IN_USE, detail)
