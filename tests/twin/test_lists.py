"""Lists, cursors, filters and expansion, as a client pages and narrows."""

from __future__ import annotations

from typing import Any

import pytest
import stripe

from tests.twin.api import JSON, MONTH, NOVEMBER, Api, first_item
from worker.twin.server import RunningTwin


async def ids(api: Api, path: str, **params: Any) -> list[str]:
    """The ids of one page."""
    return [row["id"] for row in (await api.get(path, params))["data"]]


async def test_lists_are_stable_within_one_second_in_both_directions(api: Api) -> None:
    """Newest first by order of creation; a cursor either way never loses or repeats a row."""
    made = [(await api.customer(None))["id"] for _ in range(7)][::-1]
    forth: list[str] = []
    more = True
    while more:
        cursor = {"starting_after": forth[-1]} if forth else {}
        page = await api.get("/v1/customers", {"limit": 3, **cursor})
        forth += [row["id"] for row in page["data"]]
        more = page["has_more"]
    back = [made[-1]]
    while len(back) < 7:
        back = await ids(api, "/v1/customers", limit=2, ending_before=back[0]) + back
    assert (forth, back) == (made, made)


async def test_a_row_made_while_paging_shifts_nothing(api: Api) -> None:
    """The next page begins after the cursor, whatever came in front of it."""
    made = [(await api.customer(None))["id"] for _ in range(4)][::-1]
    page = await ids(api, "/v1/customers", limit=2)
    await api.customer(None)
    assert page + await ids(api, "/v1/customers", limit=2, starting_after=page[-1]) == made


async def test_the_sdk_walks_all_pages_with_its_filters(api: Api, sdk: stripe.StripeClient) -> None:
    """`auto_paging_iter` passes every filter on."""
    customer = await api.customer()
    price = await api.price(2000)
    made = [(await api.subscribe(customer, (price, 1)))["id"] for _ in range(5)][::-1]
    await api.subscribe(await api.customer(), (price, 1))
    page = await sdk.v1.subscriptions.list_async({"customer": customer["id"], "limit": 2})
    assert [row.id async for row in page.auto_paging_iter()] == made


async def test_subscriptions_by_each_filter(api: Api) -> None:
    """Status, price, collection, clock, creation and both ends of the period; filters narrow each other."""
    first = await api.seats()
    clock, customer = first["test_clock"], {"id": first["customer"]}
    other = await api.subscribe(
        customer, (await api.price(700), 1), collection_method="send_invoice", days_until_due=7
    )
    gone = await api.subscribe(customer, (await api.price(900), 1))
    await api.delete(f"/v1/subscriptions/{gone['id']}")
    end = first_item(first)["current_period_end"]

    async def listed(**wanted: Any) -> list[str]:
        return await ids(api, "/v1/subscriptions", **wanted)

    both = [other["id"], first["id"]]
    assert await listed(customer=customer["id"]) == both
    assert await listed(customer=customer["id"], status="all") == [gone["id"], *both]
    assert await listed(test_clock=clock, status="ended") == [gone["id"]]
    assert await listed(test_clock=clock, status="canceled") == [gone["id"]]
    assert await listed(test_clock=clock, status="past_due") == []
    assert await listed(test_clock=clock, price=await api.price(700)) == [other["id"]]
    assert await listed(test_clock=clock, collection_method="send_invoice") == [other["id"]]
    assert await listed(test_clock=clock, created={"gte": NOVEMBER}) == both
    assert await listed(test_clock=clock, created={"gt": NOVEMBER}) == []
    assert await listed(test_clock=clock, created=NOVEMBER) == both
    assert await listed(test_clock=clock, current_period_start={"lte": NOVEMBER}) == both
    assert await listed(test_clock=clock, current_period_end={"gt": end - 1, "lte": end}) == both
    assert await listed(test_clock=clock, current_period_end={"lt": NOVEMBER + MONTH}) == []
    assert await listed(test_clock=clock, price=await api.price(700), status="canceled") == []
    assert await listed() == []  # what lives on a test clock is listed by its clock or customer only


@pytest.mark.parametrize("spelling", ["expand[]", "expand[0]"])
async def test_expansion_in_each_spelling(api: Api, twin: RunningTwin, spelling: str) -> None:
    """The SDK sends an index, curl and the CLI empty brackets."""
    made = await api.seats()
    headers = {"Authorization": "Bearer sk_test_twin"}
    url = f"{twin.base_url}/v1/subscriptions/{made['id']}"
    async with api.session.get(url, headers=headers, params={spelling: "latest_invoice"}) as answer:
        assert (await answer.json())["latest_invoice"]["object"] == "invoice"


async def test_expansion_to_four_levels_and_no_further(api: Api) -> None:
    """`data` of a list is no level; the fifth is refused before anything is done."""
    made = await api.seats()
    path = f"/v1/subscriptions/{made['id']}"
    four = "latest_invoice.payments.data.payment.payment_intent"
    answer = await api.get(path, {"expand": [four]})
    payment = answer["latest_invoice"]["payments"]["data"][0]["payment"]
    assert payment["payment_intent"]["object"] == "payment_intent"
    error = (await api.get(path, {"expand": [f"{four}.latest_charge"]}, status=400))["error"]
    assert error["param"] == "expand"


async def test_lists_expand_behind_data(api: Api) -> None:
    """A list's members are expanded as `data.x`; the stored objects keep their ids."""
    made = await api.seats()
    wanted = {"customer": made["customer"], "expand": ["data.customer", "data.items.data.price.product"]}
    row: JSON = (await api.get("/v1/subscriptions", wanted))["data"][0]
    assert (row["customer"]["object"], first_item(row)["price"]["product"]["object"]) == (
        "customer",
        "product",
    )
    plain = (await api.get("/v1/subscriptions", {"customer": made["customer"]}))["data"][0]
    assert plain["customer"] == made["customer"]


async def test_what_cannot_be_expanded_is_refused(api: Api) -> None:
    """A name that the object does not have, at any depth, is 400 with the parameter."""
    made = await api.seats()
    for path in ("nothing", "latest_invoice.nothing"):
        error = (await api.get(f"/v1/subscriptions/{made['id']}", {"expand": [path]}, status=400))["error"]
        assert error["param"] == "expand"


async def test_some_fields_are_shown_only_when_expanded(api: Api) -> None:
    """Payments, secrets, tiers, a customer's subscriptions: absent, not null, until they are asked for."""
    tiers = [{"up_to": 5, "unit_amount": 2000}, {"up_to": "inf", "unit_amount": 1500}]
    price = await api.price(0, billing_scheme="tiered", tiers_mode="volume", tiers=tiers)
    made = await api.subscribe(await api.customer(), (price, 3))
    hidden = {
        f"/v1/prices/{price}": ["tiers", "currency_options"],
        f"/v1/invoices/{made['latest_invoice']}": ["payments", "confirmation_secret"],
        f"/v1/customers/{made['customer']}": ["subscriptions", "tax_ids", "sources"],
    }
    for path, names in hidden.items():
        plain, full = await api.get(path), await api.get(path, {"expand": names})
        assert not set(names) & set(plain)
        assert set(names) <= set(full)
