"""Invoice totals: discounts, tax, the customer's balance and the least that is charged.

Identities that hold for every invoice: `subtotal` is the sum of the lines less their items' own discounts
("Item discounts are already incorporated", SDK), `total` is what the invoice's discounts leave of it plus
exclusive tax, and every total is the sum of the lines' parts, each rounded by itself.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from worker.twin.billing import money, spread
from worker.twin.billing.lines import Line
from worker.twin.store import Doc
from worker.twin.world import World


def price_lines(world: World, lines: list[Line], applied: list[Doc], currency: str) -> None:
    """Fill in discounts and taxes of the lines."""
    spread.discount_lines(world, lines, applied, currency)
    for line in lines:
        line.taxes = taxes_of([world.store["tax_rate"].docs[rate] for rate in line.tax_rates], line.net)


def taxes_of(rates: list[Doc], net: int) -> list[dict[str, Any]]:
    """Tax of each rate on what discounts left; of a credit it is negative, as the tax on its debit was not.

    Inclusive rates share the amount with the price: all of them count from the price without any of them.
    """
    if not rates:
        return []
    percents = [Fraction(str(rate["percentage"])) / 100 for rate in rates]
    inside = sum((p for p, r in zip(percents, rates, strict=True) if r["inclusive"]), Fraction(0))
    base = Fraction(net) / (1 + inside)
    taxes = [_tax(rate, money.round_minor(base * p)) for rate, p in zip(rates, percents, strict=True)]
    included = sum(t["amount"] for t in taxes if t["tax_behavior"] == "inclusive")
    for tax in taxes:
        tax["taxable_amount"] = net - included
    return taxes


def _tax(rate: Doc, amount: int) -> dict[str, Any]:
    return {
        "amount": amount,
        "tax_behavior": "inclusive" if rate["inclusive"] else "exclusive",
        "tax_rate_details": {"tax_rate": rate["id"]},
        "taxability_reason": "not_available",
        "taxable_amount": 0,
        "type": "tax_rate_details",
    }


def total_up(invoice: Doc, customer: Doc) -> None:
    """Sums over the invoice's line objects, and what is due after the customer's balance (page 5.3)."""
    lines = invoice["lines"]["data"]
    own = sum(d["amount"] for line in lines for d in line["discount_amounts"] if _is_own(line, d))
    subtotal = sum(line["amount"] for line in lines) - own
    taken = sum_by(lines, "discount_amounts", lambda d: d["discount"])
    taxes = sum_by(lines, "taxes", lambda t: (t["tax_rate_details"]["tax_rate"], t["tax_behavior"]))
    invoice["subtotal"] = subtotal
    invoice["total_discount_amounts"] = [{"amount": a, "discount": d} for d, a in taken.items()]
    invoice["total_taxes"] = [_total_tax(key, amount, lines) for key, amount in taxes.items()]
    before_tax = subtotal + own - sum(taken.values())
    included = sum(a for (_, how), a in taxes.items() if how == "inclusive")
    invoice["subtotal_excluding_tax"] = subtotal - included
    invoice["total_excluding_tax"] = before_tax - included
    invoice["total"] = before_tax + sum(a for (_, how), a in taxes.items() if how == "exclusive")
    invoice["starting_balance"] = customer["balance"]
    invoice["amount_due"] = amount_due(invoice["total"], customer["balance"], invoice["currency"])
    invoice["amount_remaining"] = invoice["amount_due"] - invoice["amount_paid"]


def _is_own(line: Doc, part: dict[str, Any]) -> bool:
    return part["discount"] in line["discounts"]


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
