"""Money: Stripe's own currency table and amounts for people."""

import pytest

from sync.rules.money import (
    MINIMUM_CHARGE_MINOR,
    THREE_DECIMAL,
    TWO_DECIMAL_WHOLE,
    TWO_DECIMAL_WHOLE_PAYOUTS,
    ZERO_DECIMAL,
    decimals,
    format_minor,
    minimum_charge_minor,
)


@pytest.mark.parametrize(
    ("currency", "expected"),
    [
        ("usd", 2),
        ("EUR", 2),
        ("jpy", 0),
        ("KRW", 0),
        ("kwd", 3),
        ("isk", 2),
        ("ugx", 2),
        ("huf", 2),
        ("twd", 2),
    ],
)
def test_decimals_are_those_of_stripe(currency: str, expected: int) -> None:
    """ISK and UGX have two decimals at Stripe, unlike in the ISO table."""
    assert decimals(currency) == expected


def test_no_currency_is_in_two_groups() -> None:
    """A currency has one number of decimals."""
    assert not ZERO_DECIMAL & THREE_DECIMAL
    assert not (ZERO_DECIMAL | THREE_DECIMAL) & (TWO_DECIMAL_WHOLE | TWO_DECIMAL_WHOLE_PAYOUTS)


@pytest.mark.parametrize(
    ("currency", "minor"), [("usd", 50), ("eur", 50), ("GBP", 30), ("jpy", 50), ("huf", 17500), ("xyz", 0)]
)
def test_minimum_charges(currency: str, minor: int) -> None:
    """The published minimum is known in minor units; a currency without one has none."""
    assert minimum_charge_minor(currency) == minor


def test_minimum_charges_are_positive() -> None:
    """A minimum of zero would mean that the row is missing."""
    assert all(minor > 0 for minor in MINIMUM_CHARGE_MINOR.values())


@pytest.mark.parametrize(
    ("amount_minor", "currency", "locale", "expected"),
    [
        (1234, "usd", "en", "12.34 USD"),
        (123456789, "usd", "en", "1,234,567.89 USD"),
        (-5, "usd", "en", "-0.05 USD"),
        (0, "eur", "en", "0.00 EUR"),
        (500, "jpy", "en", "500 JPY"),
        (5124, "kwd", "en", "5.124 KWD"),
        (500, "isk", "en", "5 ISK"),
        (123400, "huf", "en", "1,234.00 HUF"),
        (123456, "eur", "fr", "1\u202f234,56\u00a0EUR"),
        (-123456, "eur", "fr-CA", "-1\u202f234,56\u00a0EUR"),
        (1234, "usd", "de", "12.34 USD"),
    ],
)
def test_amounts_for_people(amount_minor: int, currency: str, locale: str, expected: str) -> None:
    """English writes points and commas, French commas and no-break spaces."""
    assert format_minor(amount_minor, currency, locale) == expected


@pytest.mark.parametrize(
    ("currency", "locale", "expected"),
    [("usd", "en", "-$12.34"), ("eur", "fr", "-12,34\u00a0€"), ("chf", "en", "-12.34 CHF")],
)
def test_a_symbol_replaces_the_code_where_it_is_well_known(currency: str, locale: str, expected: str) -> None:
    """The sign goes where the language puts it, and an unknown one leaves the code."""
    assert format_minor(-1234, currency, locale, symbol=True) == expected
