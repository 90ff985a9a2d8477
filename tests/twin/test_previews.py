"""Previews: the invoice they announce, and no trace."""

from __future__ import annotations

from typing import Any

import pytest

from tests.twin.api import JSON, MID_NOVEMBER, MONTH, NOVEMBER, Api, amounts, first_item

KEPT = ("amount", "description", "period", "quantity", "discountable", "pricing", "taxes")


async def preview(
    api: Api, subscription: JSON, *, status: int = 200, mode: str | None = None, **details: Any
) -> JSON:
    """A preview of a change of `subscription`."""
    params = {"subscription": subscription["id"], "subscription_details": details, "preview_mode": mode}
    return await api.post("/v1/invoices/create_preview", params, status=status)


def eight(subscription: JSON) -> list[JSON]:
    """Eight seats instead of five."""
    return [{"id": first_item(subscription)["id"], "quantity": 8}]


async def test_a_preview_is_the_invoice_that_comes(api: Api) -> None:
    """Same lines, same total, same amount due; only the ids differ."""
    subscription = await api.seats()
    await api.post(f"/v1/customers/{subscription['customer']}", {"balance": -500})
    change: dict[str, Any] = {"proration_behavior": "always_invoice", "proration_date": MID_NOVEMBER}
    seen = await preview(api, subscription, items=eight(subscription), **change)
    charged = (await api.change(subscription, *eight(subscription), **change))["latest_invoice"]
    assert [[line[k] for k in KEPT] for line in seen["lines"]["data"]] == [
        [line[k] for k in KEPT] for line in charged["lines"]["data"]
    ]
    assert (
        [seen[k] for k in ("total", "amount_due")]
        == [charged[k] for k in ("total", "amount_due")]
        == [2900, 2400]
    )
    assert (seen["starting_balance"], seen["ending_balance"]) == (-500, None)


async def test_a_preview_writes_nothing(api: Api) -> None:
    """No object, event or effect; the preview itself can be read again, and not paid."""
    subscription = await api.seats()
    before = [(await api.control("state", method="GET"))["objects"], await api.events(), await api.ledger()]
    seen = await preview(
        api, subscription, items=[*eight(subscription), {"price": await api.price(2000) + "x"}], status=400
    )
    seen = await preview(api, subscription, items=eight(subscription), proration_behavior="always_invoice")
    assert before == [
        (await api.control("state", method="GET"))["objects"],
        await api.events(),
        await api.ledger(),
    ]
    assert seen["id"].startswith("upcoming_in_")
    assert (await api.get(f"/v1/invoices/{seen['id']}"))["total"] == seen["total"]
    assert len((await api.get(f"/v1/invoices/{seen['id']}/lines"))["data"]) == 2
    await api.post(f"/v1/invoices/{seen['id']}/pay", status=400)


async def test_create_prorations_shows_the_next_invoice(api: Api) -> None:
    """Prorations first, then the next period of the items as they will be."""
    subscription = await api.seats()
    seen = await preview(api, subscription, items=eight(subscription), proration_date=MID_NOVEMBER)
    assert amounts(seen) == [-4833, 7733, 16000]
    assert seen["lines"]["data"][2]["period"] == {
        "start": NOVEMBER + MONTH,
        "end": NOVEMBER + MONTH + 31 * 86400,
    }
    assert seen["period_end"] == NOVEMBER + MONTH


async def test_recurring_mode_leaves_out_what_happens_once(api: Api) -> None:
    """What the items will cost from now on, without prorations and waiting items."""
    subscription = await api.seats()
    await api.post(
        "/v1/invoiceitems", {"customer": subscription["customer"], "amount": 700, "currency": "usd"}
    )
    seen = await preview(api, subscription, items=eight(subscription), mode="recurring")
    assert amounts(seen) == [16000]


async def test_a_first_purchase_can_be_previewed(api: Api) -> None:
    """Without a subscription the preview is of a creation."""
    customer = await api.customer()
    details = {"items": [{"price": await api.price(5000), "quantity": 2}]}
    seen = await api.post(
        "/v1/invoices/create_preview", {"customer": customer["id"], "subscription_details": details}
    )
    assert (seen["total"], amounts(seen)) == (10000, [10000])


async def test_a_previewed_first_purchase_is_what_is_charged(api: Api) -> None:
    """What waits on the customer rides on the first invoice, in the preview as in the purchase."""
    customer = await api.customer(balance=-1500)
    await api.post("/v1/invoiceitems", {"customer": customer["id"], "amount": 700, "currency": "usd"})
    details = {"items": [{"price": await api.price(5000), "quantity": 2}]}
    seen = await api.post(
        "/v1/invoices/create_preview", {"customer": customer["id"], "subscription_details": details}
    )
    made = await api.post(
        "/v1/subscriptions", {"customer": customer["id"], **details, "expand": ["latest_invoice"]}
    )
    charged = made["latest_invoice"]
    assert amounts(seen) == amounts(charged) == [10000, 700]
    assert seen["amount_due"] == charged["amount_due"] == 9200


@pytest.mark.parametrize(
    "details",
    [
        {"proration_date": NOVEMBER - 1},
        {"proration_date": NOVEMBER + MONTH + 1},
        {"proration_date": MID_NOVEMBER, "proration_behavior": "none"},
        {"proration_date": MID_NOVEMBER, "billing_cycle_anchor": {"type": "now"}},
    ],
)
async def test_refused_proration_dates(api: Api, details: JSON) -> None:
    """Outside the period, without prorations, or with a fresh anchor."""
    subscription = await api.seats()
    await preview(api, subscription, items=eight(subscription), status=400, **details)


async def test_nothing_upcoming(api: Api) -> None:
    """A subscription that ends with its period has no next invoice: 404 `invoice_upcoming_none`."""
    subscription = await api.seats()
    await api.post(f"/v1/subscriptions/{subscription['id']}", {"cancel_at_period_end": True})
    error = (await preview(api, subscription, status=404))["error"]
    assert error["code"] == "invoice_upcoming_none"
    seen = await preview(api, subscription, cancel_at_period_end=False)
    assert amounts(seen) == [10000]


async def test_percentages_and_tax_reach_the_prorations(api: Api) -> None:
    """A coupon of 20 % is inside the proration lines, an exclusive tax of 10 % is added to each."""
    rate = await api.post("/v1/tax_rates", {"display_name": "VAT", "percentage": 10, "inclusive": False})
    coupon = await api.post("/v1/coupons", {"percent_off": 20, "duration": "forever"})
    subscription = await api.seats(discounts=[{"coupon": coupon["id"]}], default_tax_rates=[rate["id"]])
    first = await api.get(f"/v1/invoices/{subscription['latest_invoice']}")
    assert (first["subtotal"], first["total_excluding_tax"], first["total"]) == (10000, 8000, 8800)
    change: dict[str, Any] = {"proration_behavior": "always_invoice", "proration_date": MID_NOVEMBER}
    seen = await preview(api, subscription, items=eight(subscription), **change)
    assert (amounts(seen), [t["amount"] for t in seen["total_taxes"]]) == ([-3867, 6187], [232])
    charged = (await api.change(subscription, *eight(subscription), **change))["latest_invoice"]
    assert (charged["total"], charged["total"]) == (seen["total"], 2552)
