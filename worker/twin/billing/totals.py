"""Invoice totals: discounts, tax, the customer's balance and the least that is charged."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from worker.twin.billing import discounts, money
from worker.twin.billing.lines import Line
from worker.twin.store import Doc
from worker.twin.world import World


def price_lines(world: World, lines: list[Line], applied: list[Doc]) -> None:
    """Fill in discounts and taxes of the lines."""
    for line in lines:
        line.discount_amounts = []
    discounts.apply(world, lines, applied)
    for line in lines:
        line.taxes = [_tax(world.store["tax_rate"].docs[rate], line.net) for rate in line.tax_rates]


def _tax(rate: Doc, net: int) -> dict[str, Any]:
    percent = Fraction(str(rate["percentage"])) / 100
    exact = Fraction(net) * percent
    if rate["inclusive"]:
        exact = Fraction(net) - Fraction(net) / (1 + percent)
    tax = money.round_minor(exact)
    return {
        "amount": tax,
        "tax_behavior": "inclusive" if rate["inclusive"] else "exclusive",
        "tax_rate_details": {"tax_rate": rate["id"]},
        "taxability_reason": "not_available",
        "taxable_amount": net - tax if rate["inclusive"] else net,
        "type": "tax_rate_details",
    }


def total_up(invoice: Doc, customer: Doc) -> None:
    """Sums over the invoice's line objects, and what is due after the customer's balance (page 5.3)."""
    lines = invoice["lines"]["data"]
    subtotal = sum(line["amount"] for line in lines)
    taken = sum_by(lines, "discount_amounts", lambda d: d["discount"])
    taxes = sum_by(lines, "taxes", lambda t: (t["tax_rate_details"]["tax_rate"], t["tax_behavior"]))
    invoice["subtotal"] = subtotal
    invoice["total_discount_amounts"] = [{"amount": a, "discount": d} for d, a in taken.items()]
    invoice["total_taxes"] = [_total_tax(key, amount, lines) for key, amount in taxes.items()]
    before_tax = subtotal - sum(taken.values())
    included = sum(a for (_, how), a in taxes.items() if how == "inclusive")
    invoice["subtotal_excluding_tax"] = subtotal - included
    invoice["total_excluding_tax"] = before_tax - included
    invoice["total"] = before_tax + sum(a for (_, how), a in taxes.items() if how == "exclusive")
    invoice["starting_balance"] = customer["balance"]
    invoice["amount_due"] = amount_due(invoice["total"], customer["balance"], invoice["currency"])
    invoice["amount_remaining"] = invoice["amount_due"] - invoice["amount_paid"]


def sum_by(lines: list[Doc], name: str, key: Any) -> dict[Any, int]:
    """Amounts of `line[name]`, summed by `key`."""
    sums: dict[Any, int] = {}
    for line in lines:
        for part in line[name]:
            sums[key(part)] = sums.get(key(part), 0) + part["amount"]
    return sums


def _total_tax(key: tuple[str, str], amount: int, lines: list[Doc]) -> dict[str, Any]:
    rate, how = key
    parts = [t for line in lines for t in line["taxes"] if t["tax_rate_details"]["tax_rate"] == rate]
    return {
        "amount": amount,
        "tax_behavior": how,
        "tax_rate_details": {"tax_rate": rate},
        "taxability_reason": "not_available",
        "taxable_amount": sum(t["taxable_amount"] for t in parts),
        "type": "tax_rate_details",
    }


def amount_due(total: int, balance: int, currency: str) -> int:
    """What is collected: nothing below the currency's minimum (`balance` is negative for a credit)."""
    wanted = total + balance
    return wanted if wanted >= money.minimum_charge(currency) else 0
