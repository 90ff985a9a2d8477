"""Invoice lines while they are being worked out, before they become API objects."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from worker.twin.billing.calendar import day_of
from worker.twin.facts import Debit
from worker.twin.store import Doc

NO_DECIMALS = {
    "bif",
    "clp",
    "djf",
    "gnf",
    "jpy",
    "kmf",
    "krw",
    "mga",
    "pyg",
    "rwf",
    "vnd",
    "vuv",
    "xaf",
    "xof",
    "xpf",
}
SIGNS = {"usd": "$", "eur": "€", "gbp": "£"}


class Off(NamedTuple):
    """What one discount took from a line, in minor units; `own`: it hangs on the item, not on the invoice."""

    discount: str
    amount: int
    own: bool


@dataclass
class Line:
    """One line. `amount` in minor units; a proration's is net of discounts unless `itemized`.

    `own` are the discounts of its item; `offs` is what each discount took, shown or not.
    """

    amount: int
    description: str
    start: int
    end: int
    price: Doc | None
    quantity: int | None
    item: str | None = None
    proration: bool = False
    credited: Debit | None = None
    invoice_item: Doc | None = None
    subscription: str | None = None
    tax_rates: list[str] = field(default_factory=list)
    discountable: bool = True
    metadata: dict[str, str] = field(default_factory=dict)
    own: list[Doc] = field(default_factory=list)
    offs: list[Off] = field(default_factory=list)
    itemized: bool = True
    taxes: list[dict[str, Any]] = field(default_factory=list)

    @property
    def net(self) -> int:
        """The amount after discounts, before tax."""
        return self.amount - sum(off.amount for off in self.offs) if self.itemized else self.amount

    @property
    def discount_amounts(self) -> list[dict[str, Any]]:
        """As the API shows them: a line that is net names the invoice's discounts with amount 0.

        Source: changelog "Adds the ability to itemize proration discount amounts".
        """
        if self.itemized:
            return [{"amount": off.amount, "discount": off.discount} for off in self.offs]
        return [{"amount": 0, "discount": off.discount} for off in self.offs if not off.own]

    @property
    def own_discounts(self) -> list[str]:
        """Ids of the item's discounts that the line shows."""
        return [off.discount for off in self.offs if off.own and self.itemized]


def product_name(products: Mapping[str, Doc], price: Doc) -> str:
    """The name that Stripe prints."""
    return str(products[price["product"]]["name"])


def proration_text(name: str, quantity: int, at: int, credit: bool) -> str:
    """`Unused time on 3 × Seats after 11 Oct 2026`; no multiplier at quantity 1 (as recorded)."""
    what = name if quantity == 1 else f"{quantity} × {name}"
    return f"{'Unused' if credit else 'Remaining'} time on {what} after {day_of(at)}"


def recurring_text(name: str, price: Doc, quantity: int) -> str:
    """`5 × Seats (at $10.00 / month)`."""
    unit = price["unit_amount"]
    if price["billing_scheme"] == "tiered" or unit is None:
        return f"{quantity} × {name}"
    amount = str(unit) if price["currency"] in NO_DECIMALS else f"{unit // 100}.{unit % 100:02}"
    return f"{quantity} × {name} (at {SIGNS.get(price['currency'], '')}{amount} / {every(price)})"


def every(price: Doc) -> str:
    """`month`, `3 months`."""
    recurring = price["recurring"]
    count = recurring["interval_count"]
    return str(recurring["interval"]) if count == 1 else f"{count} {recurring['interval']}s"
