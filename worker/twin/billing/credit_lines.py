"""The lines of a credit note: parts of invoice lines with their discounts and taxes, or lines of one's own.

Source: API reference "Create a credit note" (`lines`). A part takes the same share of the line's discounts
and taxes; each line can be credited up to its amount.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from worker.twin.billing import fields, money, totals
from worker.twin.errors import invalid
from worker.twin.ids import Ids
from worker.twin.store import Doc
from worker.twin.templates import correction as templates
from worker.twin.world import World

Params = dict[str, Any]


def fill(world: World, note: Doc, invoice: Doc, given: Params, ids: Ids) -> None:
    """Write lines and sums of a note that asks for `amount` or for `lines`, never both."""
    asked = given.get("lines") or []
    if bool(asked) == (given.get("amount") is not None):
        code = "parameters_exclusive" if asked else "parameter_missing"
        raise invalid("One of `amount` and `lines` must be provided.", "amount", code)
    if not asked:
        templates.set_sums(note, given["amount"], given["amount"], given["amount"])
        return
    made: list[Doc] = []
    for number, entry in enumerate(asked):
        made.append(_line(world, invoice, entry, f"lines[{number}]", ids, made))
    note["lines"].update(data=made, total_count=len(made))
    _sum_up(note, made)


def _line(world: World, invoice: Doc, entry: Params, param: str, ids: Ids, made: list[Doc]) -> Doc:
    if entry["type"] == "custom_line_item":
        return _own_line(world, entry, param, ids)
    billed = next((li for li in invoice["lines"]["data"] if li["id"] == entry.get("invoice_line_item")), None)
    if billed is None:
        raise invalid("The invoice has no such line.", f"{param}[invoice_line_item]", "resource_missing")
    quantity, amount = entry.get("quantity"), entry.get("amount")
    if (quantity is None) == (amount is None):
        raise invalid("One of `amount` and `quantity` must be provided.", f"{param}[amount]")
    if amount is None:
        amount = money.round_minor(Fraction(billed["amount"] * quantity, billed["quantity"] or 1))
    left = billed["amount"] - _credited(world, invoice, billed["id"], made)
    if not 0 < amount <= left:
        raise invalid(f"The line can be credited up to {max(left, 0)}.", f"{param}[amount]")
    return _part(billed, amount, quantity, ids)


def _credited(world: World, invoice: Doc, line_id: str, made: list[Doc]) -> int:
    notes = world.store["credit_note"].by("invoice", invoice["id"])
    issued = [li for n in notes if n["status"] == "issued" for li in n["lines"]["data"]]
    return sum(li["amount"] for li in [*issued, *made] if li["invoice_line_item"] == line_id)


def _part(billed: Doc, amount: int, quantity: int | None, ids: Ids) -> Doc:
    share = Fraction(amount, billed["amount"])
    line = templates.credit_note_line(ids.new("cnli", 20), "invoice_line_item", amount)
    line.update(
        description=billed["description"],
        invoice_line_item=billed["id"],
        quantity=quantity,
        discount_amounts=[{**d, "amount": _of(d["amount"], share)} for d in billed["discount_amounts"]],
        taxes=[
            {**t, "amount": _of(t["amount"], share), "taxable_amount": _of(t["taxable_amount"], share)}
            for t in billed["taxes"]
        ],
    )
    line["discount_amount"] = sum(d["amount"] for d in line["discount_amounts"])
    return line


def _of(amount: int, share: Fraction) -> int:
    return money.round_minor(amount * share)


def _own_line(world: World, entry: Params, param: str, ids: Ids) -> Doc:
    quantity, unit = entry.get("quantity"), entry.get("unit_amount")
    if unit is None and entry.get("unit_amount_decimal") is not None:
        unit = money.round_minor(Fraction(str(entry["unit_amount_decimal"])))
    if quantity is None or unit is None or not entry.get("description"):
        text = "A line of one's own needs a description, a quantity and a unit amount."
        raise invalid(text, param, "parameter_missing")
    line = templates.credit_note_line(ids.new("cnli", 20), "custom_line_item", quantity * unit)
    rates = fields.tax_rates(world, entry.get("tax_rates"))
    line.update(
        description=entry["description"],
        quantity=quantity,
        unit_amount=unit,
        unit_amount_decimal=str(unit),
        tax_rates=rates,
        taxes=totals.taxes_of(rates, quantity * unit),
    )
    return line


def _sum_up(note: Doc, lines: list[Doc]) -> None:
    amount = sum(li["amount"] for li in lines)
    discount = sum(li["discount_amount"] for li in lines)
    taxes = [t for li in lines for t in li["taxes"]]
    added = sum(t["amount"] for t in taxes if t["tax_behavior"] == "exclusive")
    inside = sum(t["amount"] for t in taxes if t["tax_behavior"] == "inclusive")
    templates.set_sums(note, amount, amount - discount - inside, amount - discount + added)
    note["subtotal_excluding_tax"] = amount - inside
    note["discount_amount"] = discount
    taken = totals.sum_by(lines, "discount_amounts", lambda d: d["discount"])
    note["discount_amounts"] = [{"amount": a, "discount": d} for d, a in taken.items()]
    sums: dict[str, Doc] = {}
    for tax in taxes:
        key = tax["tax_rate_details"]["tax_rate"]
        known = sums.setdefault(key, {**tax, "amount": 0, "taxable_amount": 0})
        known["amount"] += tax["amount"]
        known["taxable_amount"] += tax["taxable_amount"]
    note["total_taxes"] = list(sums.values())
