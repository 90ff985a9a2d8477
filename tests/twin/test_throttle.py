"""Limits on request: who is refused, for which reason, and that nothing of it is kept."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

import pytest
import stripe

from tests.support.patience import SURELY_SECONDS
from tests.twin.api import Api, first_item
from worker.twin.door import TWIN
from worker.twin.server import RunningTwin
from worker.twin.throttle import Throttle


async def burst(api: Api, count: int, path: str = "/v1/customers") -> list[tuple[int, str | None]]:
    """Reads as fast as they go: (status, reason) of each."""
    headers = {"Authorization": "Bearer sk_test_twin"}
    seen = []
    for _ in range(count):
        async with api.session.get(api.base_url + path, headers=headers) as answer:
            seen.append((answer.status, answer.headers.get("Stripe-Rate-Limited-Reason")))
    return seen


@dataclass
class Second:
    """The twin's wall clock, which stands still until it is moved."""

    now: float = 0.0


@pytest.fixture
def second(twin: RunningTwin) -> Second:
    """Requests of this test are of one second, however long they take."""
    clock = Second()
    twin.app[TWIN].throttle = Throttle(lambda: clock.now)
    return clock


async def met(api: Api) -> None:
    """Return when the planned fault has met its request."""
    async with asyncio.timeout(SURELY_SECONDS):
        while (await api.control("faults", method="GET"))["planned"]:  # noqa: ASYNC110
            await asyncio.sleep(0.01)


@pytest.mark.parametrize(
    ("setting", "reason"),
    [("global_rate_per_second", "global-rate"), ("endpoint_rate_per_second", "endpoint-rate")],
)
async def test_more_than_the_rate_is_refused(api: Api, second: Second, setting: str, reason: str) -> None:
    """The first requests of a second pass, the others get 429 with the reason; later ones pass again."""
    await api.control("account", {setting: 5})
    seen = await burst(api, 7)
    assert seen == [(200, None)] * 5 + [(429, reason)] * 2
    second.now += 1
    assert (await burst(api, 1))[0][0] == 200


async def test_an_endpoint_s_limit_leaves_the_others_alone(api: Api, second: Second) -> None:
    """Each operation is counted by itself."""
    await api.control("account", {"endpoint_rate_per_second": 2})
    assert (429, "endpoint-rate") == (await burst(api, 3))[-1]
    assert await burst(api, 2, "/v1/products") == [(200, None)] * 2


async def test_a_refusal_is_not_stored(api: Api, second: Second) -> None:
    """The limiter stands in front: the key is free afterwards, and a plain 429 is not retried by the SDK."""
    await api.control("account", {"global_rate_per_second": 1})
    await burst(api, 1)
    error = (await api.post("/v1/customers", key="k", status=429))["error"]
    assert (error["code"], error["type"]) == ("rate_limit", "invalid_request_error")
    assert api.headers["Stripe-Should-Retry"] == "false"
    await api.control("account", {"global_rate_per_second": 0})
    await api.post("/v1/customers", key="k")
    assert "Idempotent-Replayed" not in api.headers


async def test_too_many_at_once(api: Api) -> None:
    """The concurrency limit counts what is running now."""
    await api.control("account", {"concurrent_requests": 1})
    await api.control("faults", {"method": "POST", "slow_seconds": 1, "when": "before"})
    slow = asyncio.create_task(api.post("/v1/customers"))
    await met(api)
    assert await burst(api, 1) == [(429, "global-concurrency")]
    await slow
    assert await burst(api, 1) == [(200, None)]


async def test_two_writes_on_one_customer_meet_a_lock(api: Api) -> None:
    """429 `lock_timeout`: no reason, no request id, worth a retry; reads and other customers pass."""
    first, other = await api.seats(), await api.seats()
    await api.control("account", {"lock_customers": True})
    await api.control("faults", {"path": f"/v1/subscriptions/{first['id']}", "slow_seconds": 1})
    path = f"/v1/subscriptions/{first['id']}"
    slow = asyncio.create_task(api.post(path, {"metadata": {"a": "1"}}))
    await met(api)
    item = first_item(first)["id"]
    error = (await api.post(f"/v1/subscription_items/{item}", {"quantity": 9}, key="k", status=429))["error"]
    assert (error["code"], "request_log_url" in error) == ("lock_timeout", False)
    assert api.headers["Stripe-Should-Retry"] == "true"
    assert not {"Request-Id", "Stripe-Rate-Limited-Reason"} & set(api.headers)
    await api.get(path)
    await api.post(f"/v1/subscriptions/{other['id']}", {"metadata": {"a": "1"}})
    await slow
    await api.post(f"/v1/subscription_items/{item}", {"quantity": 9}, key="k")
    assert "Idempotent-Replayed" not in api.headers


async def test_the_sdk_waits_for_a_lock_by_itself(api: Api, sdk: stripe.StripeClient) -> None:
    """`Stripe-Should-Retry: true` makes the SDK repeat a 429 that it would otherwise raise."""
    await api.control("faults", {"path": "/v1/customers", "status": 429, "code": "lock_timeout"})
    assert (await sdk.v1.customers.create_async({})).id
    fault = {"path": "/v1/customers", "status": 429, "reason": "endpoint-concurrency"}
    await api.control("faults", fault)
    with pytest.raises(stripe.RateLimitError) as refused:
        await sdk.v1.customers.create_async({})
    assert (refused.value.headers or {})["Stripe-Rate-Limited-Reason"] == "endpoint-concurrency"


async def test_ten_invoices_a_minute_for_one_subscription(api: Api) -> None:
    """`resource-specific`: the eleventh invoice is refused, a change without an invoice is not."""
    subscription = await api.subscribe(await api.customer(), (await api.price(2000), 1))
    await api.control("account", {"enforce_subscription_limits": True})
    item = first_item(subscription)["id"]
    for n in range(10):
        await api.change(subscription, {"id": item, "quantity": n + 2})
    wanted = {"items": [{"id": item, "quantity": 20}], "proration_behavior": "always_invoice"}
    await api.post(f"/v1/subscriptions/{subscription['id']}", wanted, status=429)
    assert api.headers["Stripe-Rate-Limited-Reason"] == "resource-specific"
    await api.change(subscription, {"id": item, "quantity": 20}, proration_behavior="none")
    await api.control("clock", {"advance_seconds": 61})
    await api.change(subscription, {"id": item, "quantity": 21})
