"""Who lives in the simulation, and what they may wish for."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from sync.rules.terms import Terms

ADMIN, OTHER = "ada", "bob"
ACME, BETA, NEW = "acme", "beta", "newco"
ACCOUNTS = (ACME, BETA, NEW)
FIRST = {ACME: Terms("marketing", "plus", 1000, 3), BETA: Terms("marketing", "pro", 2500, 7)}
BANDS = (1000, 2500, 5000)
# Whatever somebody may have after a wish has its prices at Stripe.
SOLD = [
    replace(FIRST[ACME], tier=tier, contact_limit=band, seats=20)
    for tier in ("plus", "pro")
    for band in BANDS
]
WISHES = 10


def wish(terms: Terms | None, which: int) -> dict[str, Any]:
    """What somebody with these terms asks for; without any, a first purchase."""
    if terms is None or terms.contact_limit is None:
        return FIRST[ACME if which % 2 else BETA].to_json()
    band = BANDS.index(terms.contact_limit)
    more, fewer = BANDS[min(band + 1, 2)], BANDS[max(band - 1, 0)]
    seats = terms.seats
    return {
        0: {"seats": seats + 1},
        1: {"seats": seats + 4},
        2: {"seats": max(seats - 1, 1)},
        3: {"contact_limit": more},
        4: {"contact_limit": fewer},
        5: {"tier": "pro"},
        6: {"tier": "plus"},
        7: {"contact_limit": more, "seats": max(seats - 1, 1)},
        8: {"contact_limit": fewer, "seats": seats + 2},
        9: terms.to_json(),
    }[which % WISHES]
