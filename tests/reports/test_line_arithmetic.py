"""The arithmetic of a prorated line, from what the account was billed before it."""

from __future__ import annotations

import pytest

from sync.rules.line_audit import Ledger
from tests.reports.builders import BASE, BOOK, MONTH, SEAT, START, UPDATE, invoice, line, part, renewal, rows


@pytest.mark.parametrize(
    ("help_page", "minor"), [(14900, 7450), (-4900, -2450)], ids=["the new price", "the unused time"]
)
def test_arithmetic_of_the_help_page(help_page: int, minor: int) -> None:
    """In mid-cycle from 49 to 149: 74.50 for the rest, less 24.50 for what was paid: 50.00."""
    ledger = Ledger(BOOK)
    ledger.learn([line(BASE, 4900, 1)])
    billed = part(BASE, minor, 1, unit_minor=abs(help_page))

    check = ledger.check(billed)

    assert check is not None
    assert (help_page, MONTH // 2, MONTH, minor) == (
        check.base_minor,
        check.seconds_left,
        check.seconds_total,
        check.minor,
    )


def test_credit_gives_back_what_was_really_billed() -> None:
    """Two increases in one period: the second credits the first one's own debit and its own time."""
    ledger = Ledger(BOOK)
    ledger.learn([line(BASE, 4900, 1), part(SEAT, 1499, 2)])
    at = START + 3 * MONTH // 4

    check = ledger.check(part(SEAT, -750, 2, start=at))

    assert check is not None
    assert (-1499, MONTH // 4, MONTH // 2, -750) == (
        check.base_minor,
        check.seconds_left,
        check.seconds_total,
        check.minor,
    )


def test_voided_invoice_billed_nothing() -> None:
    """A declined increase leaves no debit behind that a later credit could give back."""
    declined = invoice(part(SEAT, 7500, 10), status="void", **UPDATE)
    credit = part(SEAT, -1000, 2, start=START + 2 * MONTH // 3)

    found = rows(invoice(*renewal()), declined, invoice(credit, id="in_3", **UPDATE))[-1]

    assert found.check is not None
    assert -3000 == found.check.base_minor
