"""The answer of a call is lost: it is read back, never blindly repeated, and happens once."""

from __future__ import annotations

import pytest

from tests.flows.world import World


@pytest.fixture
async def mid(world: World) -> World:
    await world.buy()
    await world.pass_time(14 * 86_400)
    return world


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("fault", [{"reset": True}, {"status": 500}, {"status": 503}])
async def test_lost_answer_ends_in_one_effect(mid: World, fault: dict[str, object], when: str) -> None:
    """A reset or a 5xx, before or after the effect: one update, one charge, difference 0."""
    quote = await mid.quote({"seats": 8})
    path = f"/v1/subscriptions/{(await mid.subscription())['id']}"
    await mid.control("POST", "faults", {"method": "POST", "path": path, "times": 1, "when": when, **fault})
    change = await mid.settled((await mid.confirm(quote)).body)
    assert ("settled", 0) == (change["state"], change["now"]["difference_minor"])
    assert 1 == len(await mid.effects(change["id"], "subscription_updated"))
    assert 1 == len(await mid.effects(change["id"], "charge"))


async def test_rate_limit_is_repeated_with_the_same_key(mid: World) -> None:
    """429 means that Stripe did nothing: the same bytes go again, and take effect once."""
    quote = await mid.quote({"seats": 8})
    path = f"/v1/subscriptions/{(await mid.subscription())['id']}"
    before = len(await _sent(mid, path))
    await mid.control("POST", "faults", {"method": "POST", "path": path, "times": 2, "status": 429})
    change = await mid.settled((await mid.confirm(quote)).body)
    assert ("settled", 0) == (change["state"], change["now"]["difference_minor"])
    assert [f"change:{change['id']}:now:send:1"] * 3 == (await _sent(mid, path))[before:]
    assert 1 == len(await mid.effects(change["id"], "charge"))


async def _sent(world: World, path: str) -> list[str]:
    """The keys of the writes to this path, oldest first."""
    asked = (await world.control("GET", "state"))["requests"]
    return [each["idempotency_key"] for each in asked if (each["method"], each["path"]) == ("POST", path)]


async def test_lost_void_still_ends_the_change(mid: World) -> None:
    """The card is declined and the answer to the void is lost: the invoice is void, the change failed."""
    await mid.card("pm_card_chargeCustomerFail")
    await mid.control(
        "POST",
        "faults",
        {"method": "POST", "path": "/v1/invoices/*", "times": 1, "when": "after", "reset": True},
    )
    change = await mid.settled((await mid.confirm(await mid.quote({"seats": 8}))).body)
    assert "failed" == change["state"]
    invoice = await mid.stripe("GET", f"/v1/invoices/{change['now']['stripe_invoice_id']}")
    assert "void" == invoice["status"]
