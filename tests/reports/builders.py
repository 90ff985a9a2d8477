"""Invoices, promises and accounts with defaults; a test writes only what matters to it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

from sync.rules.catalog import packaged
from sync.rules.line_audit import (
    AuditRow,
    BilledInvoice,
    BilledLine,
    Bought,
    Customer,
    Promise,
    PromisedLine,
    audit,
)
from sync.rules.price_book import PriceBook, PriceRow
from sync.rules.slots import Slot
from sync.rules.terms import Terms

CATALOG: Final = packaged()
START: Final = 1_790_000_000
MONTH: Final = 30 * 86_400
TERMS: Final = Terms("marketing", "plus", 1000, 5)
SEAT, BASE, BAND = (f"price_{part}" for part in ("seats", "base", "contacts"))
OTHER_BAND, OLD_SEAT, PRO_SEAT = "price_contacts_2500", "price_seats_v1", "price_seats_pro"
FOREIGN_SEAT, FOREIGN_BAND = "price_of_an_old_shop", "band_of_an_old_shop"
_KEYS: Final = {
    OLD_SEAT: ("prorata:seats:marketing:plus:-:month:usd:v1", 1400, False),
    SEAT: ("prorata:seats:marketing:plus:-:month:usd:v2", 1500, True),
    BASE: ("prorata:base:marketing:plus:-:month:usd:v1", 4900, True),
    BAND: ("prorata:contacts:marketing:plus:1000:month:usd:v1", 2000, True),
    OTHER_BAND: ("prorata:contacts:marketing:plus:2500:month:usd:v1", 4200, True),
    # What another account brought along when it was adopted.
    FOREIGN_SEAT: ("prorata:seats:marketing:plus:-:month:usd:v1000001", 100, False),
    FOREIGN_BAND: ("prorata:contacts:marketing:plus:1000:month:usd:v1000001", 999, False),
    PRO_SEAT: ("prorata:seats:marketing:pro:-:month:usd:v1", 1900, True),
}
BOOK: Final = PriceBook.build(
    PriceRow(key, price, minor, sold) for price, (key, minor, sold) in _KEYS.items()
)
UPDATE: Final = {"billing_reason": "subscription_update"}
SLOT: Final[Slot] = Slot.parse(_KEYS[SEAT][0])[0]


def line(
    price_id: str | None = SEAT, amount: int = 3000, quantity: int | None = 2, **changes: Any
) -> BilledLine:
    """A line of a renewal; `changes` are more of its fields."""
    made = BilledLine(
        id=f"il_{price_id}_{amount}",
        position=0,
        amount_minor=amount,
        currency="usd",
        description="Seats",
        quantity=quantity,
        start=START,
        end=START + MONTH,
        proration=False,
        price_id=price_id,
        item_id=f"si_{price_id}",
        tax_minor=0,
        discount_minor=0,
        unit_minor=_KEYS[price_id][1] if price_id in _KEYS else None,
    )
    return replace(made, **changes)


def part(price_id: str = SEAT, amount: int = 1500, quantity: int = 2, **changes: Any) -> BilledLine:
    """A proration from the middle of the period on."""
    return line(price_id, amount, quantity, **{"start": START + MONTH // 2, "proration": True, **changes})


def renewal() -> list[BilledLine]:
    """The lines of a renewal as TERMS say."""
    lines = [line(BASE, 4900, 1), line(BAND, 2000, 1), line()]
    return [replace(each, position=position) for position, each in enumerate(lines)]


def invoice(*lines: BilledLine, **changes: Any) -> BilledInvoice:
    """An invoice that is the sum of its lines."""
    subtotal = sum(each.amount_minor for each in lines)
    discount = sum(each.discount_minor for each in lines)
    tax = sum(each.tax_minor for each in lines)
    made = BilledInvoice(
        id="in_1",
        number="A-1",
        status="paid",
        currency="usd",
        billing_reason="subscription_cycle",
        customer_id="cus_1",
        subscription_id="sub_1",
        created=START,
        total_minor=subtotal - discount + tax,
        subtotal_minor=subtotal,
        amount_due_minor=subtotal - discount + tax,
        tax_minor=tax,
        discount_minor=discount,
        lines=tuple(lines),
    )
    return replace(made, **changes)


def promised(of: BilledLine, **changes: Any) -> PromisedLine:
    """The promise of exactly this line."""
    span = (of.start, of.end)
    return replace(PromisedLine(of.price_id, of.amount_minor, of.quantity, span, "Seats"), **changes)


def promise(*lines: PromisedLine, **changes: Any) -> Promise:
    """A change's promise."""
    before, after = replace(TERMS, seats=3), TERMS
    made = Promise("chg_1", "now", "quo_1", "ada", tuple(lines), {}, before, after)
    return replace(made, **changes)


def account(*promises: Promise, **changes: Any) -> Customer:
    """An account that bought TERMS long ago; its first promise is for the invoice in_1, and so on."""
    made = Customer(
        account_id="acme",
        currency="usd",
        subscription_ids=frozenset({"sub_1"}),
        promises={f"in_{number}": each for number, each in enumerate(promises, start=1)},
        bought=[Bought(START - MONTH, TERMS, frozenset({SEAT, BASE, BAND}))],
    )
    return replace(made, **changes)


def rows(*invoices: BilledInvoice, of: Customer | None = None, **more: Any) -> list[AuditRow]:
    """The audit's rows."""
    done = audit(invoices, of or account(), CATALOG, BOOK, **more)
    return [row for _, found in done for row in found]


def wrong(*invoices: BilledInvoice, of: Customer | None = None) -> list[tuple[Any, ...]]:
    """Kind, reason, expected and difference of each row that is not as expected."""
    found = [row for row in rows(*invoices, of=of) if row.reason or row.diff_minor]
    return [(row.kind.value, row.reason, row.expected_minor, row.diff_minor) for row in found]
