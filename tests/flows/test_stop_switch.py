"""The stop switch: at once, everywhere, and nothing is lost; what waits goes on by itself."""

from __future__ import annotations

import asyncio

import pytest

from sync import catalog_push, switch
from sync.errors import Code, Refused
from sync.gateway import StoredCall, StripeCallFailed, Verdict
from tests.faults.hands import Hands
from tests.flows.stopped import WAITS, go, newcomer, stop
from tests.flows.world import MARKETING

# ---- new changes


async def test_nothing_is_quoted_or_confirmed_while_stopped(slow: Hands) -> None:
    """Both say that nothing was charged and that it may be repeated; what only looks goes on."""
    world = slow.world
    quote = await world.quote({"seats": 8})
    await stop(world)
    answers = [
        await world.call("POST", "/v1/accounts/acme/quotes", {"terms": {"seats": 8}, "actor": "ada"}),
        await world.confirm(quote),
    ]
    for said in answers:
        assert (409, "writes_stopped", True) == (said.status, said.body["code"], said.body["retryable"])
        assert "nothing was charged" in said.body["detail"]
        assert "60" == said.headers["Retry-After"]
    assert 200 == (await world.call("GET", f"/v1/quotes/{quote['id']}")).status
    assert [] == (await world.view())["open_legs"]
    await go(world)
    change = await slow.step(await slow.confirm(quote))
    assert "applied" == change["state"]


async def test_one_account_s_switch_leaves_the_others_alone(slow: Hands) -> None:
    """And it stays when the one for all is turned off again."""
    world = slow.world
    await world.account("other")
    await stop(world, "acme")
    assert "other" == (await world.quote(MARKETING.to_json(), "other"))["account_id"]
    await stop(world)
    await go(world)
    with pytest.raises(Refused) as refused:
        await switch.require_go(world.billing.pool, "acme")
    assert (Code.WRITES_STOPPED, True) == (refused.value.code, refused.value.retryable)
    await switch.require_go(world.billing.pool, "other")


async def test_no_customer_and_no_price_is_created_while_stopped(slow: Hands) -> None:
    """Account creation and catalog push write as well; linking a customer that exists only reads."""
    world = slow.world
    plan = await catalog_push.diff(world.billing, ["usd"])
    customer = await world.stripe("POST", "/v1/customers", email="c@c.example")
    await stop(world)
    before = len(await slow.requests("POST", "/v1/"))
    with pytest.raises(Refused):
        await catalog_push.push(world.billing, plan)
    said = await world.call("POST", "/v1/accounts", newcomer("late"))
    assert (409, "writes_stopped") == (said.status, said.body["code"])
    assert 404 == (await world.call("GET", "/v1/accounts/late")).status
    linked = await world.call("POST", "/v1/accounts", {**newcomer("c"), "stripe_customer_id": customer["id"]})
    assert (200, before) == (linked.status, len(await slow.requests("POST", "/v1/")))


async def test_customer_that_was_about_to_leave_is_created_after_go(slow: Hands) -> None:
    """The switch is thrown between check and wire: nothing leaves, and the same request works later."""
    world = slow.world
    held = slow.hold_up_write()
    creating = asyncio.create_task(world.call("POST", "/v1/accounts", newcomer("late")))
    await held.reached.wait()
    await stop(world)
    held.go_on.set()
    said = await creating
    assert (409, "writes_stopped") == (said.status, said.body["code"])
    await go(world)
    made = await world.call("POST", "/v1/accounts", newcomer("late"))
    assert made.body["stripe_customer_id"], made.body


async def test_write_that_asks_nobody_is_stopped_at_the_door(slow: Hands) -> None:
    """Whoever writes without a check of its own meets the switch for all accounts; reads pass."""
    world = slow.world
    await stop(world)
    before = len(await slow.requests("POST", "/v1/customers"))
    with pytest.raises(StripeCallFailed) as failed:
        await world.billing.gateway.send(StoredCall("new:1", "new", "POST", "/v1/customers", {}))
    assert (Verdict.REPEAT, Code.WRITES_STOPPED) == (failed.value.failure.verdict, failed.value.code)
    assert before == len(await slow.requests("POST", "/v1/customers"))
    assert await world.billing.gateway.customer((await world.view())["stripe_customer_id"])


# ---- changes on their way


async def test_confirmed_change_waits_and_goes_on(slow: Hands) -> None:
    """No try is burnt, it says why it waits, and after `go` it is charged once as it was quoted."""
    world = slow.world
    change = await slow.confirm(await world.quote({"seats": 8}))
    await stop(world)
    for _ in range(3):
        change = await slow.step(change)
    assert ("confirmed", "writes_stopped") == (change["state"], change["now"]["reason"])
    assert "Nothing was charged so far" in change["now"]["detail"]
    assert [["confirm", "wait"]] == [[step["step"] for step in change["steps"]]]
    waits = await world.billing.pool.fetchrow(f"{WAITS} WHERE change_id = $1", change["id"])
    assert (0, True) == (waits["attempts"], 0 < waits["seconds"] <= 60)
    assert 0 == len(await world.effects(change["id"], "subscription_updated"))
    await go(world)
    assert 0 >= (await world.billing.pool.fetchrow(f"{WAITS} WHERE change_id = $1", change["id"]))["seconds"]
    await slow.step(change)
    change = await slow.settle(change)
    assert ("settled", None, 0) == (
        change["state"],
        change["now"]["reason"],
        change["now"]["difference_minor"],
    )
    assert change["now"]["quoted"]["amount_minor"] == await slow.charged(change)


async def test_change_that_waits_too_long_expires_and_says_why(slow: Hands) -> None:
    """Its deadline holds while stopped: nobody is charged hours later."""
    world = slow.world
    change = await slow.confirm(await world.quote({"seats": 8}))
    await stop(world)
    await slow.step(change)
    await world.billing.pool.execute(
        "UPDATE change_leg SET apply_deadline_at = now() WHERE change_id = $1", change["id"]
    )
    change = await slow.step(change)
    assert ("expired", "writes_stopped") == (change["state"], change["now"]["reason"])
    assert "Nothing was charged" in change["now"]["detail"]
    await go(world)
    assert ("expired", 0) == ((await slow.step(change))["state"], await slow.charged(change))
