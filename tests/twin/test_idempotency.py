"""Idempotency keys, case by case."""

from __future__ import annotations

import asyncio

from tests.twin.api import Api, first_item


async def test_a_repeat_is_replayed(api: Api) -> None:
    """The same key and body give the same answer and no second effect."""
    first = await api.post("/v1/customers", {"name": "Ada"}, key="k")
    assert "Idempotent-Replayed" not in api.headers
    assert await api.post("/v1/customers", {"name": "Ada"}, key="k") == first
    assert api.headers["Idempotent-Replayed"] == "true"
    assert len((await api.get("/v1/customers"))["data"]) == 1


async def test_another_body_is_an_error(api: Api) -> None:
    """A reused key with other parameters, or at another path, is 400 `idempotency_error`."""
    made = await api.post("/v1/customers", {"name": "Ada"}, key="k")
    error = (await api.post("/v1/customers", {"name": "Eve"}, key="k", status=400))["error"]
    assert error["type"] == "idempotency_error"
    await api.post(f"/v1/customers/{made['id']}", {"name": "Ada"}, key="k", status=400)


async def test_a_key_in_use_is_409(api: Api) -> None:
    """While the first request is still running the second one is told to wait; one object is made."""
    await api.control("faults", {"method": "POST", "slow_seconds": 0.3, "when": "after"})
    slow = asyncio.create_task(api.post("/v1/customers", {"name": "Ada"}, key="k"))
    await api.until("/v1/customers")
    error = (await api.post("/v1/customers", {"name": "Ada"}, key="k", status=409))["error"]
    assert (error["code"], "Stripe-Should-Retry" in api.headers) == ("idempotency_key_in_use", False)
    first = await slow
    assert await api.post("/v1/customers", {"name": "Ada"}, key="k") == first


async def test_business_errors_are_stored(api: Api) -> None:
    """A decline stays a decline under its key, whatever happens to the card meanwhile."""
    subscription = await api.seats()
    await api.new_card(subscription["customer"], "pm_card_chargeCustomerFail")
    params = {
        "items": [{"id": first_item(subscription)["id"], "quantity": 8}],
        "proration_behavior": "always_invoice",
    }
    params["payment_behavior"] = "error_if_incomplete"
    path = f"/v1/subscriptions/{subscription['id']}"
    await api.post(path, params, key="k", status=402)
    await api.new_card(subscription["customer"], "pm_card_visa")
    await api.post(path, params, key="k", status=402)
    await api.post(path, params, key="k2")


async def test_refusals_before_execution_are_not_stored(api: Api) -> None:
    """After a parameter error or a 429 the key is still free."""
    await api.post("/v1/customers", {"nonsense": 1}, key="k", status=400)
    await api.control("faults", {"path": "/v1/customers", "status": 429})
    await api.post("/v1/customers", {"name": "Ada"}, key="k", status=429)
    await api.post("/v1/customers", {"name": "Ada"}, key="k")
    assert "Idempotent-Replayed" not in api.headers


async def test_a_stored_500_is_replayed(api: Api) -> None:
    """The effect happened, the answer was a 500: the same key gives the 500 for ever."""
    await api.control("faults", {"path": "/v1/customers", "status": 500, "when": "after"})
    await api.post("/v1/customers", {"name": "Ada"}, key="k", status=500)
    await api.post("/v1/customers", {"name": "Ada"}, key="k", status=500)
    assert api.headers["Idempotent-Replayed"] == "true"
    assert len((await api.get("/v1/customers"))["data"]) == 1


async def test_keys_live_for_a_day_of_wall_time(api: Api) -> None:
    """Moving the twin's clock does not age them; ageing them does, and then the request runs again."""
    first = await api.post("/v1/customers", {"name": "Ada"}, key="k")
    await api.control("clock", {"advance_seconds": 40 * 86400})
    assert (await api.post("/v1/customers", {"name": "Ada"}, key="k"))["id"] == first["id"]
    await api.control("idempotency", {"age_seconds": 86400})
    assert (await api.post("/v1/customers", {"name": "Ada"}, key="k"))["id"] != first["id"]


async def test_keys_mean_nothing_on_get_and_delete(api: Api) -> None:
    """Reads and deletions are executed every time."""
    customer = await api.post("/v1/customers")
    await api.get(f"/v1/customers/{customer['id']}", key="k")
    await api.delete(f"/v1/customers/{customer['id']}", key="k")
    assert (await api.get(f"/v1/customers/{customer['id']}", key="k"))["deleted"] is True


async def test_a_key_has_up_to_255_characters(api: Api) -> None:
    """One more is refused, and nothing is executed."""
    await api.post("/v1/customers", key="k" * 255)
    error = (await api.post("/v1/customers", key="k" * 256, status=400))["error"]
    assert (error["type"], len((await api.get("/v1/customers"))["data"])) == ("idempotency_error", 1)


async def test_headers_of_a_replay(api: Api) -> None:
    """A replay names the first request and has an id of its own; an error is replayed with its body."""
    await api.post("/v1/customers", {"name": "Ada"}, key="k")
    first = api.headers["Request-Id"]
    await api.post("/v1/customers", {"name": "Ada"}, key="k")
    assert api.headers["Original-Request"] == first
    assert api.headers["Request-Id"] != first
    params = {"amount": 5, "currency": "usd", "customer": "cus_no"}
    refused = await api.post("/v1/invoiceitems", params, key="k2", status=404)
    assert await api.post("/v1/invoiceitems", params, key="k2", status=404) == refused
    assert api.headers["Idempotent-Replayed"] == "true"
    assert api.headers["Stripe-Should-Retry"] == "false"


async def test_the_same_key_in_another_order_of_parameters(api: Api) -> None:
    """What counts is what was said, not in which order."""
    first = await api.post("/v1/customers", {"name": "Ada", "email": "a@b.c"}, key="k")
    assert await api.post("/v1/customers", {"email": "a@b.c", "name": "Ada"}, key="k") == first


async def test_a_401_leaves_the_key_free(api: Api) -> None:
    """A refused key of the account is no execution."""
    await api.control("faults", {"path": "/v1/customers", "status": 401})
    await api.post("/v1/customers", key="k", status=401)
    await api.post("/v1/customers", key="k")
    assert "Idempotent-Replayed" not in api.headers


async def test_an_answer_that_was_lost_is_kept(api: Api) -> None:
    """A connection cut after the effect: the key replays what the client never saw, the 200 included."""
    fault = {"method": "POST", "path": "/v1/customers", "garbage": True, "when": "after", "status": 502}
    await api.control("faults", fault)
    headers = {"Authorization": "Bearer sk_test_twin", "Idempotency-Key": "k"}
    async with api.session.post(api.base_url + "/v1/customers", headers=headers) as answer:
        assert answer.status == 502
    made = await api.post("/v1/customers", key="k")
    assert (made["object"], api.headers["Idempotent-Replayed"]) == ("customer", "true")
