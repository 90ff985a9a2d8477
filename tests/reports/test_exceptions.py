"""Findings beside invoice lines: their age, what is at risk, and how they ended."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from sync.reports.span import Span
from sync.rules.at_risk import at_risk_minor
from sync.store.db import Pool
from tests.http.conftest import lonely  # noqa: F401  a billing without Stripe
from tests.reports.builders import BOOK, FOREIGN_SEAT, OLD_SEAT, OTHER_BAND, PRO_SEAT, SEAT
from tests.reports.conftest import told

BEGIN, END = datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 2, 1, tzinfo=UTC)
DAY = timedelta(days=1)


SLOT, BAND_SLOT = "prorata:seats:marketing:plus:-:month:usd", "prorata:contacts:marketing:plus:1000:month:usd"


def meant(slot: str, quantity: int) -> dict[str, Any]:
    """One side of a finding about an item: what was bought."""
    return {"slot": slot, "quantity": quantity}


def seen(price_id: str, quantity: int | None, slot: str | None = SLOT) -> dict[str, Any]:
    """The other side: the item that is there."""
    return {"item": "si_1", "price": price_id, "slot": slot, "quantity": quantity}


@pytest.mark.parametrize(
    ("expected", "found", "minor"),
    [
        (meant(SLOT, 2), seen(SEAT, 3), 1500),
        (meant(SLOT, 2), seen(OLD_SEAT, 3), 1400),  # an account keeps the version that it has
        (meant(SLOT, 2), None, 3000),
        (None, seen(SEAT, 3), 4500),
        (meant(SLOT, 2), [seen(SEAT, 2), seen(PRO_SEAT, 1, "x")], 1900),
        (meant(BAND_SLOT, 1), seen(OTHER_BAND, 1, "x"), 2200),
        (None, {"total_minor": 700, "currency": "usd"}, 700),
        (None, seen("price_x", 1, None), None),  # nobody here knows what it costs
        (None, seen("price_x", None, None), None),  # metered
        ({"status": "active"}, {"status": "canceled"}, None),
        (meant("x", 1), None, None),
        (None, None, None),
    ],
)
def test_what_is_at_risk(expected: Any, found: Any, minor: int | None) -> None:
    """What an interval costs too much or too little; empty where it is no matter of an amount."""
    assert minor == at_risk_minor(expected, found, BOOK)


def test_what_is_at_risk_is_told_at_the_accounts_own_price() -> None:
    """An adopted seat of 100 is worth that, and to nobody else; one asked for earlier is not the newest."""
    assert 200 == at_risk_minor(meant(SLOT, 2), None, BOOK, [{FOREIGN_SEAT}, {OLD_SEAT}])
    assert 2800 == at_risk_minor(meant(SLOT, 2), None, BOOK, [set(), {OLD_SEAT}])
    assert 3000 == at_risk_minor(meant(SLOT, 2), None, BOOK)


async def find(pool: Pool, finding_id: str, first_seen_at: datetime, **columns: Any) -> None:
    """Store a finding of `acme`."""
    row = {
        "id": finding_id, "kind": "wrong_quantity", "severity": "critical", "account_id": "acme",
        "object_id": "sub_1", "about": finding_id, "state": "open", "first_seen_at": first_seen_at,
        "last_seen_at": first_seen_at, **columns,
    }  # fmt: skip
    names = ", ".join(row)
    places = ", ".join(f"${place}" for place in range(1, len(row) + 1))
    await pool.execute(f"INSERT INTO finding ({names}) VALUES ({places})", *row.values())


async def test_findings_that_were_open_in_the_span(pool: Pool, lonely: Any) -> None:  # noqa: F811
    """Those that ended before or began after are left out; the age is as of the span's end."""
    await pool.execute(
        "INSERT INTO account (id, email, name, locale, currency, primary_admin_user_id, primary_admin_email)"
        " VALUES ('acme', 'a@b.c', 'Acme', 'en', 'eur', 'ada', 'ada@b.c')"
    )
    await find(pool, "before", BEGIN - 9 * DAY, state="gone", closed_at=BEGIN - DAY)
    await find(pool, "old", BEGIN - 9 * DAY, found={"total_minor": 300, "currency": "chf"})
    await find(pool, "ended", BEGIN + DAY, state="repaired", closed_at=BEGIN + 3 * DAY, decided_by="eve")
    await find(
        pool, "accepted", BEGIN + DAY, state="accepted", reason="=agreed", decided_by="eve", decided_at=END
    )
    await find(pool, "after", END)

    rows = (await told(lonely, "exceptions", Span(BEGIN, END, ZoneInfo("Pacific/Auckland")))).rows

    assert ["old", "accepted", "ended"] == [row["id"] for row in rows]
    old, accepted, ended = rows
    assert ["support", "eve", "eve"] == [row["owner"] for row in rows]
    assert ("2026-01-02", "2026-01-02", "Pacific/Auckland") == tuple(
        ended[name] for name in ("date_utc", "date_local", "zone")
    )
    assert (40 * 86_400, 300, "3.00", "chf") == tuple(
        old[name] for name in ("age_seconds", "amount_at_risk_minor", "amount_at_risk", "currency")
    )
    assert (2 * 86_400, "repaired", "eve") == tuple(
        ended[name] for name in ("age_seconds", "resolution", "resolved_by")
    )
    assert ("=agreed", "accepted", None) == tuple(
        accepted[name] for name in ("note", "resolution", "amount_at_risk")
    )
