"""Faults: before and after the effect, and what remains of them."""

from __future__ import annotations

import asyncio

import aiohttp
import pytest
import stripe

from tests.twin.api import Api, types


async def count(api: Api) -> int:
    """How many customers there are."""
    return len((await api.get("/v1/customers"))["data"])


@pytest.mark.parametrize(
    ("status", "error"), [(429, "rate_limit"), (500, None), (503, None), (401, None), (403, None)]
)
async def test_a_status_before_leaves_no_trace(api: Api, status: int, error: str | None) -> None:
    """The effect never happened, and the next request is fine."""
    await api.control("faults", {"path": "/v1/customers", "status": status, "times": 1})
    body = await api.post("/v1/customers", key="k", status=status)
    assert body["error"].get("code") == error
    assert await count(api) == 0
    await api.post("/v1/customers", key="k")


async def test_a_lock_timeout_asks_for_a_retry(api: Api) -> None:
    """429 `lock_timeout` carries `Stripe-Should-Retry: true`, a plain 429 a reason."""
    await api.control("faults", {"path": "/v1/customers", "status": 429, "code": "lock_timeout"})
    await api.post("/v1/customers", status=429)
    assert (api.headers["Stripe-Should-Retry"], "Stripe-Rate-Limited-Reason" in api.headers) == (
        "true",
        False,
    )


@pytest.mark.parametrize(("when", "customers"), [("before", 0), ("after", 1)])
async def test_a_cut_connection(api: Api, when: str, customers: int) -> None:
    """The client sees only a broken connection: the effect has happened or not."""
    await api.control("faults", {"method": "POST", "path": "/v1/customers", "reset": True, "when": when})
    with pytest.raises(aiohttp.ClientError):
        await api.post("/v1/customers", key="k")
    assert await count(api) == customers
    await api.post("/v1/customers", key="k")
    assert (await count(api), api.headers.get("Idempotent-Replayed")) == (1, None)


@pytest.mark.parametrize(("when", "customers"), [("before", 0), ("after", 1)])
async def test_an_answer_that_never_comes(api: Api, when: str, customers: int) -> None:
    """The client gives up; with `after` the same key replays the answer that was lost."""
    await api.control("faults", {"method": "POST", "path": "/v1/customers", "timeout": True, "when": when})
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.2):
            await api.post("/v1/customers", key="k")
    assert await count(api) == customers
    await api.post("/v1/customers", key="k")
    assert await count(api) == 1


async def test_a_slow_request_executes_after_the_client_gave_up(api: Api) -> None:
    """The dangerous case: the effect comes later than the client's time-out."""
    await api.control(
        "faults", {"method": "POST", "path": "/v1/customers", "slow_seconds": 1, "when": "before"}
    )
    asked = asyncio.create_task(api.post("/v1/customers", key="k"))
    while (await api.control("faults", method="GET"))["planned"]:  # noqa: ASYNC110
        await asyncio.sleep(0.01)
    asked.cancel()
    assert await count(api) == 0
    await api.until("/v1/customers")


async def test_paths_by_prefix_and_pattern(api: Api) -> None:
    """A path stands for itself and what is below it, `*` for anything; other calls pass."""
    await api.control("faults", {"method": "GET", "path": "/v1/subscriptions", "status": 500, "times": 2})
    await api.control("faults", {"path": "/v1/invoices/*/pay", "status": 503})
    await api.get("/v1/subscriptions", status=500)
    await api.get("/v1/subscriptions/sub_1", status=500)
    await api.get("/v1/subscription_items", {"subscription": "sub_1"}, status=404)
    await api.post("/v1/invoices/in_1/void", status=404)
    await api.post("/v1/invoices/in_1/pay", status=503)
    assert len((await api.control("faults", method="GET"))["fired"]) == 3


async def test_times_and_deletion(api: Api) -> None:
    """A fault with `times: -1` stays until it is deleted."""
    await api.control("faults", {"path": "/v1/*", "status": 500, "times": -1})
    for _ in range(3):
        await api.get("/v1/customers", status=500)
    await api.control("faults", method="DELETE")
    await api.get("/v1/customers")
    await api.control("faults", {"nonsense": 1}, status=400)


async def test_a_page_of_html_instead_of_an_answer(api: Api, sdk: stripe.StripeClient) -> None:
    """What a proxy says when Stripe is away: the SDK calls it an API error, the effect has happened."""
    fault = {"method": "POST", "path": "/v1/customers", "garbage": True, "when": "after", "status": 404}
    await api.control("faults", fault)
    with pytest.raises(stripe.APIError):
        await sdk.v1.customers.create_async({})
    assert await count(api) == 1


async def test_a_stale_read(api: Api) -> None:
    """A read from a replica that lags shows the state before the last one."""
    customer = await api.customer(None, name="Before")
    path = f"/v1/customers/{customer['id']}"
    await api.post(path, {"name": "After"})
    await api.control("faults", {"method": "GET", "path": path, "stale": True})
    assert (await api.get(path))["name"] == "Before"
    assert (await api.get(path))["name"] == "After"


async def test_the_sdk_retries_a_500_with_the_same_key(api: Api, sdk: stripe.StripeClient) -> None:
    """One object after a failed first try."""
    await api.control("faults", {"path": "/v1/customers", "status": 500})
    assert (await sdk.v1.customers.create_async({})).id
    assert types(await api.events()) == ["customer.created"]
