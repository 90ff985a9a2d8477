"""What people do at Stripe by hand is found, each with the right reason, and nothing else is."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from sync.reports.cells import Format
from tests.flows.world import MARKETING, World
from tests.reports.conftest import Told, audited, told

DAY = 86_400
SEATS = replace(MARKETING, seats=5)


async def item_of(world: World, part: str, account_id: str) -> dict[str, Any]:
    """The subscription's item of one part."""
    items = (await world.subscription(account_id))["items"]["data"]
    found: dict[str, Any] = next(
        item for item in items if (item["price"]["lookup_key"] or "").startswith(f"prorata:{part}:")
    )
    return found


async def sold(world: World, lookup_key: str) -> str:
    """The price with this key."""
    found = await world.stripe("GET", "/v1/prices", **{"lookup_keys[]": lookup_key})
    return str(found["data"][0]["id"])


async def foreign_price(world: World, minor: int) -> str:
    """A price that the catalog does not know."""
    product = await world.stripe("POST", "/v1/products", name="Support by telephone")
    params = {"recurring[interval]": "month", "unit_amount": str(minor), "currency": "usd"}
    return str((await world.stripe("POST", "/v1/prices", product=product["id"], **params))["id"])


async def edit(world: World, account_id: str, **params: Any) -> None:
    """Change a subscription as its owner does at Stripe."""
    found = (await world.subscription(account_id))["id"]
    await world.stripe("POST", f"/v1/subscriptions/{found}", **params)


def of(report: Told, account_id: str) -> list[tuple[str | None, str, int | None, int, int]]:
    """Item, reason, expected, invoiced and difference of everything that is not as expected."""
    names = ("item", "reason", "expected_minor", "invoiced_minor", "diff_minor")
    found = [row for row in report.where(account_id=account_id) if row["reason"]]
    return sorted((tuple(row[name] for name in names) for row in found), key=str)


async def test_every_edit_by_hand_is_found_and_nothing_else(world: World) -> None:
    """Three accounts: one edited with prorations, one without, one given money back."""
    await world.sell(SEATS, replace(SEATS, contact_limit=2500), replace(SEATS, tier="pro"))
    for account_id in ("paid", "quiet", "refunded"):
        await world.buy(SEATS, account_id)
    await world.pass_time(15 * DAY)
    await edit_with_prorations(world)
    await edit_quietly(world)
    await give_back(world)
    await world.card("pm_card_chargeDeclined", "refunded")
    await world.pass_time(17 * DAY)
    await give_up_renewal(world)

    report = await audited(world)

    assert report.totals is not None
    assert report.totals["ok"], report.totals
    assert WITH_PRORATIONS == of(report, "paid")
    assert QUIETLY == of(report, "quiet")
    assert GIVEN_BACK == of(report, "refunded")
    await lists_them_all(world, report)


async def edit_with_prorations(world: World) -> None:
    """More seats, charged at once; then a one-off item for the renewal."""
    seats = await item_of(world, "seats", "paid")
    changed = {"items[0][id]": seats["id"], "items[0][quantity]": "4"}
    await edit(world, "paid", proration_behavior="always_invoice", **changed)
    customer = (await world.view("paid"))["stripe_customer_id"]
    await world.stripe("POST", "/v1/invoiceitems", customer=customer, amount=777, currency="usd")


WITH_PRORATIONS: list[Any] = [
    ("seats", "dashboard_edit", None, -1500, -1500),
    ("seats", "dashboard_edit", None, 3000, 3000),
    ("seats", "wrong_quantity", 3000, 6000, 3000),
    (None, "manual_item", None, 777, 777),
]


async def edit_quietly(world: World) -> None:
    """Another band, fewer seats, a second item for seats, an item of no catalog; and a credit note."""
    contacts, seats = [await item_of(world, part, "quiet") for part in ("contacts", "seats")]
    changed = {
        "items[0][id]": seats["id"],
        "items[0][quantity]": "1",
        "items[1][id]": contacts["id"],
        "items[1][price]": await sold(world, "prorata:contacts:marketing:plus:2500:month:usd:v1"),
        "items[2][price]": await sold(world, "prorata:seats:marketing:pro:-:month:usd:v1"),
        "items[3][price]": await foreign_price(world, 999),
    }
    await edit(world, "quiet", proration_behavior="none", **changed)
    paid = (await world.invoices("quiet"))[0]["id"]
    await world.stripe("POST", "/v1/credit_notes", invoice=paid, amount=2000, credit_amount=2000)


QUIETLY: list[Any] = [
    ("contacts", "wrong_price", 2000, 4200, 2200),
    ("seats", "duplicate_item", 0, 1900, 1900),
    ("seats", "wrong_quantity", 3000, 1500, -1500),
    (None, "credit_note", 0, -2000, -2000),
    (None, "manual_item", None, 999, 999),
]


async def give_back(world: World) -> None:
    """A refund, a dispute on another payment, an invoice of its own."""
    customer = (await world.view("refunded"))["stripe_customer_id"]
    charge = (await world.stripe("GET", "/v1/charges", customer=customer))["data"][0]
    await world.stripe("POST", "/v1/refunds", charge=charge["id"], amount=1000)
    await world.stripe("POST", "/v1/invoiceitems", customer=customer, amount=2500, currency="usd")
    made = await world.stripe(
        "POST", "/v1/invoices", customer=customer, pending_invoice_items_behavior="include"
    )
    await world.stripe("POST", f"/v1/invoices/{made['id']}/pay")
    charge = (await world.stripe("GET", "/v1/charges", customer=customer))["data"][0]
    await world.control("POST", "dashboard", {"act": "dispute", "charge": charge["id"]})


async def give_up_renewal(world: World) -> None:
    """The renewal was declined, and somebody voids it."""
    invoice = (await world.invoices("refunded"))[0]
    assert ("open", "subscription_cycle") == (invoice["status"], invoice["billing_reason"])
    await world.stripe("POST", f"/v1/invoices/{invoice['id']}/void")


GIVEN_BACK: list[Any] = [
    (None, "dispute", 0, -2500, -2500),
    (None, "manual_item", None, 2500, 2500),
    (None, "not_collected", 0, -9900, -9900),
    (None, "refund", 0, -1000, -1000),
]


async def lists_them_all(world: World, report: Told) -> None:
    """Every such row is an exception too, with its amounts, which are numbers in CSV, and its owner."""
    exceptions = await told(world.billing, "exceptions")
    lines = [row for row in exceptions.rows if row["source"] == "invoice_line"]
    wrong = [row for row in report.rows if row["reason"]]
    assert [row["reason"] for row in wrong] == [row["type"] for row in lines]
    assert [abs(row["diff_minor"]) for row in wrong] == [row["amount_at_risk_minor"] for row in lines]
    for name, here in (("expected", "expected"), ("actual", "invoiced")):
        for column in ("", "_minor"):
            assert [row[here + column] for row in wrong] == [row[name + column] for row in lines]
    assert {"finance"} == {row["owner"] for row in lines}
    as_csv = (await told(world.billing, "exceptions", form=Format.CSV)).raw
    assert b",-15.00," in as_csv
    assert b"'-" not in as_csv
