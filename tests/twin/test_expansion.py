"""Paths to expand: known before anything is done."""

from __future__ import annotations

import pytest

from tests.twin.api import JSON, Api, first_item

WRONG = ["nothing", "status", "latest_invoice.nothing", "items.price", "latest_invoice.payment_intent"]


@pytest.mark.parametrize("path", WRONG)
async def test_a_path_that_leads_nowhere_stops_the_change(api: Api, path: str) -> None:
    """400 with `param`, no effect, no event, and the idempotency key can be used again."""
    subscription = await api.seats()
    effects, events = await api.ledger(), len(await api.events())
    wanted: JSON = {"items": [{"id": first_item(subscription)["id"], "quantity": 8}]}
    url = f"/v1/subscriptions/{subscription['id']}"
    refused = await api.post(url, {**wanted, "expand": [path]}, key="k", status=400)
    assert refused["error"]["message"] == f"This property cannot be expanded ({path})."
    assert refused["error"]["param"] == "expand"
    assert (await api.ledger(), len(await api.events())) == (effects, events)
    assert first_item(await api.post(url, wanted, key="k"))["quantity"] == 8


async def test_a_list_is_expanded_through_its_members(api: Api) -> None:
    """`data.customer` of a list, not `customer`."""
    subscription = await api.seats()
    found = await api.get(
        "/v1/subscriptions", {"customer": subscription["customer"], "expand": ["data.customer"]}
    )
    assert found["data"][0]["customer"]["object"] == "customer"
    await api.get("/v1/subscriptions", {"expand": ["customer"]}, status=400)


async def test_what_is_not_there_is_no_mistake(api: Api) -> None:
    """Null stays null, and inside of it nothing is looked for."""
    path = "schedule.customer"
    subscription = await api.seats()
    found = await api.get(
        f"/v1/subscriptions/{subscription['id']}", {"expand": [path, "items.data.price.product"]}
    )
    assert found["schedule"] is None
    assert first_item(found)["price"]["product"]["object"] == "product"
