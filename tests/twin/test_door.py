"""Keys, headers, errors, lists and expansion."""

from __future__ import annotations

from email.utils import parsedate_to_datetime

import stripe

from tests.twin.api import Api, first_item


async def test_no_key_is_401(api: Api) -> None:
    """A request without a key gets Stripe's error body."""
    async with api.session.get(api.base_url + "/v1/customers") as answer:
        assert (answer.status, (await answer.json())["error"]["type"]) == (401, "invalid_request_error")


async def test_a_live_key_is_refused_loudly(api: Api) -> None:
    """A live key must never come near a stand-in, and nothing is done with it."""
    headers = {"Authorization": "Bearer sk_live_1234"}
    async with api.session.post(api.base_url + "/v1/customers", headers=headers) as answer:
        assert answer.status == 401
        assert "LIVE" in (await answer.json())["error"]["message"]
    assert (await api.get("/v1/customers"))["data"] == []


async def test_headers_of_an_answer(api: Api) -> None:
    """Request id, version and key come back; the `Date` header is the twin's clock."""
    await api.control("clock", {"advance_seconds": 864000})
    made = await api.post("/v1/customers", key="k-1")
    assert api.headers["Request-Id"].startswith("req_")
    assert api.headers["Stripe-Version"] == stripe.api_version
    assert api.headers["Idempotency-Key"] == "k-1"
    date = parsedate_to_datetime(api.headers["Date"]).timestamp()
    assert 0 <= date - made["created"] <= 2


async def test_ids_say_that_they_are_no_stripe_s(api: Api) -> None:
    """Every id carries a mark that no id of live mode has."""
    subscription = await api.seats()
    ids = [
        subscription["id"],
        subscription["customer"],
        subscription["latest_invoice"],
        first_item(subscription)["id"],
    ]
    assert all("_twin" in i for i in ids)


async def test_unknown_objects_and_urls(api: Api) -> None:
    """404 with `resource_missing` and a parameter, and Stripe's body for an unknown URL too."""
    error = (await api.get("/v1/subscriptions/sub_no", status=404))["error"]
    assert (error["code"], error["param"]) == ("resource_missing", "id")
    assert "Unrecognized" in (await api.get("/v1/nothing", status=404))["error"]["message"]


async def test_recorded_refusals_of_a_creation(api: Api) -> None:
    """An unknown price is 400 at its place, an unknown customer 404."""
    customer = await api.customer()
    params = {"customer": customer["id"], "items": [{"price": "price_no"}]}
    error = (await api.post("/v1/subscriptions", params, status=400))["error"]
    assert (error["code"], error["param"]) == ("resource_missing", "items[0][price]")
    error = (await api.post("/v1/subscriptions", {**params, "customer": "cus_no"}, status=404))["error"]
    assert error["param"] == "customer"


async def test_parameter_errors(api: Api) -> None:
    """Unknown, missing and mistyped parameters have codes, an enum names its values."""
    subscription = await api.seats()
    path = f"/v1/subscriptions/{subscription['id']}"
    assert (await api.post(path, {"foo": 1}, status=400))["error"]["code"] == "parameter_unknown"
    error = (await api.post(path, {"items": [{"price": "p", "quantity": "many"}]}, status=400))["error"]
    assert (error["code"], error["param"]) == ("parameter_invalid_integer", "items[0][quantity]")
    assert (await api.post("/v1/products", {}, status=400))["error"]["code"] == "parameter_missing"
    message = (await api.post(path, {"proration_behavior": "now"}, status=400))["error"]["message"]
    assert "must be one of always_invoice, create_prorations, or none" in message


async def test_lists_are_newest_first_within_one_second(api: Api) -> None:
    """Paging forward and backward keeps the order of creation, although `created` is equal."""
    made = [(await api.post("/v1/customers"))["id"] for _ in range(5)]
    page = await api.get("/v1/customers", {"limit": 2})
    assert ([c["id"] for c in page["data"]], page["has_more"]) == (made[:2:-1], True)
    after = await api.get("/v1/customers", {"limit": 2, "starting_after": made[3]})
    assert [c["id"] for c in after["data"]] == [made[2], made[1]]
    before = await api.get("/v1/customers", {"limit": 2, "ending_before": made[2]})
    assert [c["id"] for c in before["data"]] == [made[4], made[3]]


async def test_expansion_reaches_four_levels_and_no_further(api: Api) -> None:
    """Ids expand at any depth, in lists too; a fifth level and an unknown property are refused."""
    subscription = await api.seats()
    path = f"/v1/subscriptions/{subscription['id']}"
    found = await api.get(path, {"expand": ["latest_invoice.payments.data.payment.payment_intent"]})
    payment = found["latest_invoice"]["payments"]["data"][0]["payment"]
    assert payment["payment_intent"]["status"] == "succeeded"
    params = {"customer": subscription["customer"], "expand": ["data.items.data.price.product"]}
    listed = await api.get("/v1/subscriptions", params)
    assert listed["data"][0]["items"]["data"][0]["price"]["product"]["object"] == "product"
    await api.get(path, {"expand": ["a.b.c.d.e"]}, status=400)
    assert (
        "cannot be expanded" in (await api.get(path, {"expand": ["nothing"]}, status=400))["error"]["message"]
    )


async def test_an_impossible_expansion_has_no_effect(api: Api) -> None:
    """Too deep a path is refused before the request is executed."""
    await api.post("/v1/customers", {"expand": ["a.b.c.d.e"]}, key="k", status=400)
    assert (await api.get("/v1/customers"))["data"] == []


async def test_filters_of_the_subscription_list(api: Api) -> None:
    """Canceled ones and those on a test clock are left out, unless asked for."""
    frozen = await api.seats()
    running = await api.subscribe(await api.customer(), (await api.price(2000), 1))
    ended = await api.subscribe(await api.customer(), (await api.price(2000), 1))
    await api.delete(f"/v1/subscriptions/{ended['id']}")

    async def listed(**params: object) -> list[str]:
        return [s["id"] for s in (await api.get("/v1/subscriptions", params))["data"]]

    assert await listed() == [running["id"]]
    assert await listed(status="all") == [ended["id"], running["id"]]
    assert await listed(status="ended") == [ended["id"]]
    assert await listed(test_clock=frozen["test_clock"]) == await listed(customer=frozen["customer"])
    assert await listed(price=await api.price(2000), created={"gte": running["created"]}) == [running["id"]]


async def test_embedded_lists_show_their_first_page(api: Api) -> None:
    """Ten lines stand in the invoice, the others are paged from `/lines`."""
    items = [(await api.price(1000 + n), 1) for n in range(12)]
    subscription = await api.subscribe(await api.customer(), *items)
    invoice = await api.get(f"/v1/invoices/{subscription['latest_invoice']}")
    assert (len(invoice["lines"]["data"]), invoice["lines"]["has_more"], invoice["lines"]["total_count"]) == (
        10,
        True,
        12,
    )
    rest = await api.get(
        f"/v1/invoices/{invoice['id']}/lines", {"starting_after": invoice["lines"]["data"][-1]["id"]}
    )
    assert (len(rest["data"]), rest["has_more"]) == (2, False)


async def test_the_real_sdk_works_against_the_twin(sdk: stripe.StripeClient) -> None:
    """The SDK's own asynchronous client creates, updates and pages."""
    customer = await sdk.v1.customers.create_async({"metadata": {"a": "1"}})
    await sdk.v1.customers.update_async(customer.id, {"metadata": {"a": "", "b": "é[x]"}})
    page = await sdk.v1.customers.list_async({"limit": 1})
    assert [c.metadata.to_dict() async for c in page.auto_paging_iter() if c.metadata] == [{"b": "é[x]"}]
