"""A customer that was deleted can be read, and that is all."""

from __future__ import annotations

import pytest

from tests.twin.api import JSON, Api


@pytest.mark.parametrize(
    ("path", "more"),
    [
        ("/v1/subscription_schedules", {"start_date": "now"}),
        ("/v1/invoices/create_preview", {}),
        ("/v1/billing_portal/sessions", {}),
        ("/v1/promotion_codes", {}),
        ("/v1/subscriptions", {}),
        ("/v1/invoices", {}),
        ("/v1/invoiceitems", {"amount": 5, "currency": "usd"}),
    ],
    ids=lambda part: part if isinstance(part, str) else "",
)
async def test_nothing_can_be_made_for_it(api: Api, path: str, more: JSON) -> None:
    """404 `resource_missing`, as for a customer that never was."""
    customer, price = await api.customer(), await api.price(2000)
    items = [{"price": price, "quantity": 1}]
    await api.delete(f"/v1/customers/{customer['id']}")
    asked: JSON = {"customer": customer["id"], **more}
    if path.endswith("schedules"):
        asked["phases"] = [{"items": items, "duration": {"interval": "month"}}]
    elif path.endswith("preview"):
        asked["subscription_details"] = {"items": items}
    elif path.endswith("codes"):
        coupon = (await api.post("/v1/coupons", {"percent_off": 10, "duration": "once"}))["id"]
        asked["promotion"] = {"type": "coupon", "coupon": coupon}
    elif path.endswith("subscriptions"):
        asked["items"] = items
    refused = await api.post(path, asked, status=404)
    assert (refused["error"]["code"], refused["error"]["param"]) == ("resource_missing", "customer")


async def test_a_schedule_that_has_not_begun_bills_nobody(api: Api) -> None:
    """Its customer is gone: no invoice is in sight."""
    customer, price = await api.customer(), await api.price(2000)
    begins = (await api.control("clock", method="GET"))["now"] + 86400
    phase = {"items": [{"price": price, "quantity": 1}], "duration": {"interval": "month"}}
    params = {"customer": customer["id"], "start_date": begins, "phases": [phase]}
    schedule = await api.post("/v1/subscription_schedules", params)
    await api.delete(f"/v1/customers/{customer['id']}")
    refused = await api.post("/v1/invoices/create_preview", {"schedule": schedule["id"]}, status=404)
    assert refused["error"]["code"] == "invoice_upcoming_none"
    await api.control("clock", {"advance_seconds": 2 * 86400})
    assert (await api.get("/v1/subscriptions", {"customer": customer["id"], "status": "all"}))["data"] == []
