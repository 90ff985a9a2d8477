"""Money as Stripe counts it: integers in minor units, with Stripe's own currency table.

Source: Stripe docs "Supported currencies" (zero-decimal, three-decimal and special cases; minimum charge
amounts). It differs from the ISO and CLDR tables that other libraries use, by a factor of 100 for ISK,
UGX and HUF, so amounts are never converted with a general-purpose library.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

ZERO_DECIMAL: Final = frozenset(
    {"bif", "clp", "djf", "gnf", "jpy", "kmf", "krw", "mga", "pyg", "rwf", "vnd", "vuv", "xaf", "xof", "xpf"}
)  # an amount of 500 is 500 JPY

THREE_DECIMAL: Final = frozenset({"bhd", "jod", "kwd", "omr", "tnd"})  # the last digit must be 0 at Stripe

# No minor unit exists in real life, yet Stripe counts two decimals "to maintain backwards compatibility":
# an amount of 500 is 5 ISK, and the last two digits are always 00.
TWO_DECIMAL_WHOLE: Final = frozenset({"isk", "ugx"})

# Charged with two decimals, but a payout must be divisible by 100.
TWO_DECIMAL_WHOLE_PAYOUTS: Final = frozenset({"huf", "twd"})

# A net total below this is not collected: the invoice is paid at once and the amount moves to the balance.
MINIMUM_CHARGE_MINOR: Final[Mapping[str, int]] = MappingProxyType(
    {
        "usd": 50, "aed": 200, "aud": 50, "bgn": 100, "brl": 50, "cad": 50, "chf": 50, "czk": 1500,
        "dkk": 250, "eur": 50, "gbp": 30, "hkd": 400, "huf": 17500, "inr": 50, "jpy": 50, "mxn": 1000,
        "myr": 200, "nok": 300, "nzd": 50, "pln": 200, "ron": 200, "sek": 300, "sgd": 50, "thb": 1000,
    }
)  # fmt: skip

_SYMBOLS: Final[Mapping[str, str]] = MappingProxyType({"usd": "$", "eur": "€", "gbp": "£", "jpy": "¥"})
_NARROW_NO_BREAK_SPACE: Final = "\u202f"
_NO_BREAK_SPACE: Final = "\u00a0"


def decimals(currency: str) -> int:
    """Return how many decimals Stripe's minor unit of `currency` (three letters, any case) has: 0, 2 or 3."""
    code = currency.lower()
    if code in ZERO_DECIMAL:
        return 0
    return 3 if code in THREE_DECIMAL else 2


def minimum_charge_minor(currency: str) -> int:
    """Return Stripe's published minimum charge in minor units, or 0 where none is published."""
    return MINIMUM_CHARGE_MINOR.get(currency.lower(), 0)


def format_minor(amount_minor: int, currency: str, locale: str = "en", *, symbol: bool = False) -> str:
    """Write an amount for people: `1,234.56 USD` in English, `1 234,56 USD` in French (no-break spaces).

    `amount_minor` is in Stripe's minor unit; `locale` is a tag such as `fr` or `fr-CA`, and everything that
    is not French is written the English way. With `symbol` the well-known currencies get their sign
    (`$1,234.56`, `1 234,56 €`); the others keep their code.
    """
    french = locale.lower().startswith("fr")
    number = _number(abs(amount_minor), currency, french)
    sign = "-" if amount_minor < 0 else ""
    mark = _SYMBOLS.get(currency.lower()) if symbol else None
    if mark and not french:
        return f"{sign}{mark}{number}"
    space = _NO_BREAK_SPACE if french else " "
    return f"{sign}{number}{space}{mark or currency.upper()}"


def _number(amount_minor: int, currency: str, french: bool) -> str:
    """Write a non-negative amount with the thousands and decimal marks of the language."""
    places = decimals(currency)
    whole, rest = divmod(amount_minor, 10**places)
    grouped = f"{whole:,}".replace(",", _NARROW_NO_BREAK_SPACE if french else ",")
    if places == 0 or (rest == 0 and currency.lower() in TWO_DECIMAL_WHOLE):
        return grouped
    return f"{grouped}{',' if french else '.'}{rest:0{places}}"
