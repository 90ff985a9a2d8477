"""Manual tax rates: what they add to lines, credits and totals."""

from __future__ import annotations

from typing import Any

import pytest

from tests.twin.api import JSON, MONTH, NOVEMBER, Api, amounts, first_item

HALF = NOVEMBER + MONTH // 2
CLASSIC = {"type": "classic"}


async def rate(api: Api, percentage: float, *, inclusive: bool = False) -> str:
    """The id of a tax rate."""
    name = {"display_name": "VAT", "percentage": percentage, "inclusive": inclusive}
    return str((await api.post("/v1/tax_rates", name))["id"])


async def billed(api: Api, quantity: int = 5, **extra: Any) -> tuple[JSON, JSON]:
    """A subscription of seats at 20 USD, and its first invoice."""
    subscription = await api.seats(quantity, expand=["latest_invoice"], **extra)
    return subscription, subscription["latest_invoice"]


def taxes(invoice: JSON) -> list[list[int]]:
    """Tax by line."""
    return [[t["amount"] for t in line["taxes"]] for line in invoice["lines"]["data"]]


async def test_exclusive_tax_is_added(api: Api) -> None:
    """10 % on 100 USD: 110 (support article "Inclusive and exclusive tax options")."""
    _, invoice = await billed(api, default_tax_rates=[await rate(api, 10)])
    assert (invoice["subtotal"], invoice["total_excluding_tax"], invoice["total"]) == (10000, 10000, 11000)
    assert invoice["total_taxes"][0]["taxable_amount"] == 10000


async def test_inclusive_tax_is_inside(api: Api) -> None:
    """10 % in 100 USD: 100 in all, 90.91 without tax (the same article)."""
    _, invoice = await billed(api, default_tax_rates=[await rate(api, 10, inclusive=True)])
    assert (invoice["subtotal"], invoice["total_excluding_tax"], invoice["total"]) == (10000, 9091, 10000)
    tax = invoice["total_taxes"][0]
    assert (tax["amount"], tax["taxable_amount"], tax["tax_behavior"]) == (909, 9091, "inclusive")


async def test_tax_counts_after_discounts(api: Api) -> None:
    """20 % off 100 USD, then 10 % tax: 88."""
    off = await api.post("/v1/coupons", {"percent_off": 20, "duration": "forever"})
    terms: JSON = {"default_tax_rates": [await rate(api, 10)], "discounts": [{"coupon": off["id"]}]}
    _, invoice = await billed(api, **terms)
    assert (taxes(invoice), invoice["total"]) == ([[800]], 8800)


async def test_an_item_s_rates_replace_the_subscription_s(api: Api) -> None:
    """SDK: rates on an item override `default_tax_rates`."""
    reduced, full = await rate(api, 5), await rate(api, 20)
    who = await api.frozen_customer()
    items = [
        {"price": await api.price(1000), "tax_rates": [reduced]},
        {"price": await api.price(2000)},
    ]
    order = {"customer": who["id"], "items": items, "default_tax_rates": [full]}
    subscription = await api.post("/v1/subscriptions", {**order, "expand": ["latest_invoice"]})
    invoice = subscription["latest_invoice"]
    assert (taxes(invoice), invoice["total"]) == ([[50], [400]], 3450)
    assert {t["tax_rate_details"]["tax_rate"]: t["amount"] for t in invoice["total_taxes"]} == {
        reduced: 50,
        full: 400,
    }


async def test_each_line_is_rounded_by_itself(api: Api) -> None:
    """19 % of 0.13 is 0.0247, twice: 2 + 2 cents, not 5."""
    prices = [(await api.price(13, nickname=n), 1) for n in ("a", "b")]
    rates = [await rate(api, 19)]
    subscription = await api.subscribe(
        await api.frozen_customer(), *prices, default_tax_rates=rates, expand=["latest_invoice"]
    )
    assert taxes(subscription["latest_invoice"]) == [[2], [2]]
    assert subscription["latest_invoice"]["total"] == 30


async def test_two_inclusive_rates_share_the_price(api: Api) -> None:
    """5 % and 20 % inside 125: each counts from 100."""
    rates = [await rate(api, 5, inclusive=True), await rate(api, 20, inclusive=True)]
    who = await api.frozen_customer()
    order = (await api.price(12500), 1)
    subscription = await api.subscribe(who, order, default_tax_rates=rates, expand=["latest_invoice"])
    invoice = subscription["latest_invoice"]
    assert (taxes(invoice), invoice["total_excluding_tax"]) == ([[500, 2000]], 10000)


@pytest.mark.parametrize(
    ("mode", "credit_tax"), [({"type": "flexible"}, -500), (CLASSIC, -1000)], ids=["flexible", "classic"]
)
async def test_a_credit_s_tax(api: Api, mode: JSON, credit_tax: int) -> None:
    """Billed with 10 %, then 20 %: flexible gives back the tax that was charged, classic today's (docs
    "Compare classic and flexible billing mode"). A credit's tax is negative.
    """
    subscription, _ = await billed(api, billing_mode=mode, default_tax_rates=[await rate(api, 10)])
    higher = {"default_tax_rates": [await rate(api, 20)]}
    await api.post(f"/v1/subscriptions/{subscription['id']}", higher)
    edit = {"id": first_item(subscription)["id"], "quantity": 10}
    invoice = (await api.change(subscription, edit, proration_date=HALF))["latest_invoice"]
    assert (amounts(invoice), taxes(invoice)) == ([-5000, 10000], [[credit_tax], [2000]])
    assert invoice["total"] == 5000 + credit_tax + 2000


async def test_rates_of_the_same_call_count_for_its_debits(api: Api) -> None:
    """A new rate and a new quantity in one update: the debit is taxed with the new rate."""
    subscription, _ = await billed(api)
    edit = {"id": first_item(subscription)["id"], "quantity": 10}
    rates = [await rate(api, 20)]
    changed = await api.change(subscription, edit, proration_date=HALF, default_tax_rates=rates)
    assert taxes(changed["latest_invoice"]) == [[], [2000]]


async def test_prorations_that_wait_keep_their_tax(api: Api) -> None:
    """They are billed with the renewal, with the rates of the moment they were made."""
    subscription, _ = await billed(api, default_tax_rates=[await rate(api, 10)])
    edit = {"id": first_item(subscription)["id"], "quantity": 10}
    path = f"/v1/subscriptions/{subscription['id']}"
    await api.post(path, {"items": [edit], "proration_date": HALF})
    await api.post(path, {"default_tax_rates": ""})
    seen = await api.post("/v1/invoices/create_preview", {"subscription": subscription["id"]})
    assert (sorted(taxes(seen)), seen["total"]) == ([[], [-500], [1000]], 20000 + 5500)


async def test_a_manual_invoice_has_default_rates(api: Api) -> None:
    """They serve the lines that have none of their own."""
    who = await api.customer()
    item = {"customer": who["id"], "amount": 1000, "currency": "usd"}
    await api.post("/v1/invoiceitems", item)
    await api.post("/v1/invoiceitems", {**item, "tax_rates": [await rate(api, 5)]})
    order = {"customer": who["id"], "pending_invoice_items_behavior": "include"}
    invoice = await api.post("/v1/invoices", {**order, "default_tax_rates": [await rate(api, 20)]})
    assert (sorted(taxes(invoice)), invoice["total"]) == ([[50], [200]], 2250)


async def test_an_archived_rate_serves_where_it_is(api: Api) -> None:
    """SDK `TaxRateUpdateParams.active`: no new use, but invoices that have it already go on."""
    vat = await rate(api, 10)
    subscription, _ = await billed(api, default_tax_rates=[vat])
    now = await api.post(f"/v1/tax_rates/{vat}", {"active": False, "display_name": "old VAT"})
    assert (now["active"], now["display_name"]) == (False, "old VAT")
    assert (await api.events(type="tax_rate.updated"))[0]["data"]["previous_attributes"] == {
        "active": True,
        "display_name": "VAT",
    }
    seen = await api.post("/v1/invoices/create_preview", {"subscription": subscription["id"]})
    assert seen["total"] == 11000
    other = await api.seats()
    await api.post(f"/v1/subscriptions/{other['id']}", {"default_tax_rates": [vat]}, status=400)


async def test_six_rates_are_too_many(api: Api) -> None:
    """Docs "Tax rates": up to five on a line."""
    rates = [await rate(api, 1) for _ in range(6)]
    subscription = await api.seats()
    await api.post(f"/v1/subscriptions/{subscription['id']}", {"default_tax_rates": rates}, status=400)
