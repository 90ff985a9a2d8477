"""Amounts: exact rationals, rounded once per line, in the currency's minor unit.

Rounding is to the nearest minor unit with ties toward minus infinity. Recorded from real Stripe: -2.5 -> -3,
+4.5 -> +4, +7.5 -> +7, 24999.997 -> 25000; documented: -166.35 -> -166, +540.96 -> +541.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from worker.twin.store import Doc

# Stripe docs "Supported currencies", minimum charge amounts, in minor units.
MINIMUM_CHARGE = {
    "usd": 50, "eur": 50, "gbp": 30, "aud": 50, "cad": 50, "chf": 50, "nzd": 50, "sgd": 50, "brl": 50,
    "inr": 50, "jpy": 50, "dkk": 250, "nok": 300, "sek": 300, "czk": 1500, "hkd": 400, "huf": 17500,
    "mxn": 1000, "pln": 200, "ron": 200, "aed": 200, "myr": 200, "thb": 1000,
}  # fmt: skip


def round_minor(value: Fraction) -> int:
    """Nearest integer, ties toward minus infinity."""
    return -((value.denominator - 2 * value.numerator) // (2 * value.denominator))


def share(amount: Fraction | int, seconds: int, of_seconds: int) -> Fraction:
    """The part of `amount` that belongs to `seconds` out of a period of `of_seconds`."""
    return Fraction(amount) * seconds / of_seconds


def minimum_charge(currency: str) -> int:
    """The least that Stripe charges; anything smaller moves to the customer's balance."""
    return MINIMUM_CHARGE.get(currency, 50)


def full_amount(price: Doc, tiers: list[dict[str, Any]] | None, quantity: int) -> Fraction:
    """What `quantity` costs for one whole period, exactly."""
    if price["billing_scheme"] == "tiered":
        return _tiered(price["tiers_mode"], tiers or [], quantity)
    return unit_amount(price) * _transformed(price["transform_quantity"], quantity)


def unit_amount(part: dict[str, Any], name: str = "unit_amount") -> Fraction:
    """The exact amount of a price or a tier; the decimal form may hold fractions of a cent."""
    whole = part.get(name)
    return Fraction(str(part.get(f"{name}_decimal") or 0)) if whole is None else Fraction(whole)


def _transformed(rule: dict[str, Any] | None, quantity: int) -> int:
    if rule is None:
        return quantity
    by = int(rule["divide_by"])
    return -(-quantity // by) if rule["round"] == "up" else quantity // by


def _tiered(mode: str, tiers: list[dict[str, Any]], quantity: int) -> Fraction:
    total, below = Fraction(0), 0
    for tier in tiers:
        limit = tier["up_to"]
        reached = limit is None or quantity <= limit
        if mode == "graduated":
            units = (quantity if reached else limit) - below
            if units > 0 or below == 0:
                total += unit_amount(tier) * max(units, 0) + unit_amount(tier, "flat_amount")
        elif reached:
            return unit_amount(tier) * quantity + unit_amount(tier, "flat_amount")
        if reached:
            break
        below = limit
    return total
