"""What is not self-serve goes through support: asked for, decided, and confirmed where it costs."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from sync import request_decisions
from tests.flows.world import ADMIN, MARKETING, Said, World

BOUGHT = replace(MARKETING, tier="pro", seats=6, add_ons={"sms": 2})
HALF_MONTH = 14 * 86_400
HELPER = "sam"


@pytest.fixture
async def mid(world: World) -> World:
    """An account in the middle of its first period."""
    await world.buy(BOUGHT)
    await world.sell(
        replace(BOUGHT, tier="plus"),
        replace(BOUGHT, interval="year"),
        replace(BOUGHT, product="bundle"),
        replace(BOUGHT, product="sales"),
    )
    await world.pass_time(HALF_MONTH)
    return world


async def ask(world: World, effective: str = "now", **wish: Any) -> Said:
    """Submit a request for other terms, or with `cancel`."""
    body = {"effective": effective, "reason": "We are fewer now.", "actor": ADMIN, **wish}
    return await world.call("POST", "/v1/accounts/acme/change-requests", body)


async def approve(world: World, request: dict[str, Any], effective: str | None = None) -> Said:
    body = {"actor": HELPER} | ({"effective": effective} if effective else {})
    return await world.call("POST", f"/v1/change-requests/{request['id']}/approve", body)


async def show(world: World, request: dict[str, Any]) -> dict[str, Any]:
    return (await world.call("GET", f"/v1/change-requests/{request['id']}")).body


async def test_a_lower_tier_says_what_is_lost(mid: World) -> None:
    """The form answers with the losses; a quote of the same wish only points to the form."""
    said = await ask(mid, terms={"tier": "plus"})
    quote = await mid.quote({"tier": "plus"})

    assert (said.status, said.body["state"]) == (201, "submitted")
    lost = [(each["dimension"], each["before"], each["after"]) for each in said.body["losses"]]
    assert ("tier", "pro", "plus") in lost
    assert ["needs_request"] == [each["code"] for each in quote["refusals"]]


async def test_support_sees_both_timings_before_it_decides(mid: World) -> None:
    """The dry run: now gives a credit, at the renewal nothing moves today. Nothing is stored."""
    request = (await ask(mid, terms={"tier": "plus"})).body
    runs = (await show(mid, request))["dry_run"]

    assert runs["now"]["refusals"] == runs["renewal"]["refusals"] == []
    assert runs["now"]["due_today"]["amount_minor"] == 0
    assert runs["now"]["to_balance"]["amount_minor"] < 0
    assert runs["renewal"]["at_renewal"]["tier"] == "plus"
    assert runs["renewal"]["due_today_lines"] == []


async def test_approved_now_the_unused_time_is_credit(mid: World) -> None:
    """Support lets the lower tier take effect at once: nothing is charged, the rest goes to the balance."""
    request = (await ask(mid, terms={"tier": "plus"})).body
    promised = (await show(mid, request))["dry_run"]["now"]
    said = await approve(mid, request, "now")
    assert (said.status, said.body["state"]) == (200, "approved")
    change = await mid.settled({"id": said.body["change_id"]})

    assert (change["state"], change["actor"]) == ("settled", HELPER)
    assert change["now"]["difference_minor"] == 0
    view = await mid.view()
    assert view["terms"]["tier"] == "plus"
    customer = await mid.stripe("GET", f"/v1/customers/{view['stripe_customer_id']}")
    assert abs(customer["balance"] - promised["to_balance"]["amount_minor"]) < 10


async def test_nothing_is_confirmed_before_it_was_decided(mid: World) -> None:
    """What support carries out is confirmed by its decision: finance's register tells them in order."""
    request = (await ask(mid, "renewal", terms={"tier": "plus"})).body
    change_id = (await approve(mid, request)).body["change_id"]

    decided_at = await mid.billing.pool.fetchval(
        "SELECT decided_at FROM change_request WHERE id = $1", request["id"]
    )
    confirmed_at = await mid.billing.pool.fetchval("SELECT created_at FROM change WHERE id = $1", change_id)
    assert decided_at <= confirmed_at


async def test_approved_at_renewal_it_waits_for_the_renewal(mid: World) -> None:
    """Support promises the lower tier for the next period."""
    request = (await ask(mid, "renewal", terms={"tier": "plus"})).body
    said = await approve(mid, request)
    assert said.body["state"] == "approved"

    async def scheduled() -> bool:
        return bool((await show(mid, request))["change"]["at_renewal"]["state"] == "scheduled")

    await mid.eventually(scheduled)
    view = await mid.view()
    assert (view["terms"]["tier"], view["terms_after_renewal"]["tier"]) == ("pro", "plus")


async def test_what_costs_money_now_is_confirmed_by_the_admin(mid: World) -> None:
    """Paying by the year: support approves, the admin gets a fresh quote, and nobody else may confirm it."""
    request = (await ask(mid, terms={"interval": "year"})).body
    approved = (await approve(mid, request)).body
    assert approved["state"] == "awaiting_admin_confirm"
    assert approved["quote"]["due_today"]["amount_minor"] > 0
    assert (await mid.view())["terms"]["interval"] == "month"

    path = f"/v1/quotes/{approved['quote']['id']}/confirm"
    refused = await mid.call("POST", path, {"actor": HELPER})
    assert refused.body["code"] == "not_billing_admin"

    change = await mid.settled((await mid.confirm(approved["quote"])).body)
    assert (change["state"], change["now"]["difference_minor"]) == ("settled", 0)
    assert change["now"]["charged"] == approved["quote"]["due_today"]
    assert (await show(mid, request))["state"] == "approved"
    assert (await mid.view())["terms"]["interval"] == "year"


async def test_ending_with_the_period_and_taking_it_back(mid: World) -> None:
    """Approved, it ends with its period; a second request takes that back. Nothing is billed."""
    before = len(await mid.invoices())
    ending = (await approve(mid, (await ask(mid, "renewal", cancel=True)).body)).body
    await mid.settled({"id": ending["change_id"]})
    assert (await mid.subscription())["cancel_at_period_end"]

    staying = (await approve(mid, (await ask(mid, cancel=False)).body)).body
    await mid.settled({"id": staying["change_id"]})
    assert not (await mid.subscription())["cancel_at_period_end"]
    assert len(await mid.invoices()) == before
    assert (await mid.view())["terms"] == BOUGHT.to_json()


async def test_bought_again_after_the_end(mid: World) -> None:
    """An account that ended buys again by an ordinary quote with complete terms."""
    ending = (await approve(mid, (await ask(mid, "renewal", cancel=True)).body)).body
    await mid.settled({"id": ending["change_id"]})
    await mid.pass_time(40 * 86_400)

    again = await mid.change(BOUGHT.to_json())
    assert again["state"] == "settled"
    assert (await mid.view())["terms"] == BOUGHT.to_json()


async def test_a_decision_ends_it(mid: World) -> None:
    """Declined with a reason, or taken back by the admin: nobody can decide it again."""
    declined = (await ask(mid, terms={"tier": "plus"})).body
    path = f"/v1/change-requests/{declined['id']}"
    said = await mid.call("POST", f"{path}/decline", {"actor": HELPER, "note": "Your reports need Pro."})
    assert (said.body["state"], said.body["note"]) == ("declined", "Your reports need Pro.")
    assert (await approve(mid, declined)).body["code"] == "request_closed"

    other = (await ask(mid, terms={"add_ons": {"sms": 0}})).body
    path = f"/v1/change-requests/{other['id']}/withdraw"
    assert (await mid.call("POST", path, {"actor": ADMIN})).body["state"] == "withdrawn"
    assert (await approve(mid, other)).body["code"] == "request_closed"


async def test_one_open_request_at_a_time(mid: World) -> None:
    """A second one is refused until the first is decided."""
    await ask(mid, terms={"tier": "plus"})
    said = await ask(mid, terms={"add_ons": {"sms": 0}})
    assert (said.status, said.body["code"]) == (409, "request_open")


async def test_asked_twice_it_is_one_request(mid: World) -> None:
    """Whoever did not get the answer and asks the same again sees the request there is."""
    said = [await ask(mid, terms={"tier": "plus"}) for _ in range(2)]
    assert [201, 201] == [each.status for each in said], said[1].body
    assert said[0].body == said[1].body


async def test_approved_twice_it_is_one_change(mid: World) -> None:
    """By a nervous finger, and again by whoever did not get the answer; another decision comes too late."""
    request = (await ask(mid, terms={"tier": "plus"})).body
    said = [*await asyncio.gather(approve(mid, request), approve(mid, request)), await approve(mid, request)]
    assert {200} == {each.status for each in said}, [each.body for each in said]
    assert {"approved"} == {each.body["state"] for each in said}
    assert 1 == len({each.body["change_id"] for each in said})
    assert (await approve(mid, request, "renewal")).body["code"] == "request_closed"


@pytest.mark.parametrize(
    "terms", [{"add_ons": {"sms": 0}}, {"add_ons": {"sms": 1}}, {"product": "sales"}], ids=str
)
async def test_other_losses_can_be_approved_now(mid: World, terms: dict[str, Any]) -> None:
    """Removing an add-on, fewer of it, another product: in force at once, with credit."""
    said = await approve(mid, (await ask(mid, terms=terms)).body, "now")
    if said.body["state"] == "awaiting_admin_confirm":
        change = await mid.settled((await mid.confirm(said.body["quote"])).body)
    else:
        change = await mid.settled({"id": said.body["change_id"]})
    assert (change["state"], change["now"]["difference_minor"]) == ("settled", 0)


async def test_only_the_admin_asks(mid: World) -> None:
    """Somebody else of the account is refused."""
    body = {"terms": {"tier": "plus"}, "effective": "now", "reason": "why not", "actor": "mallory"}
    said = await mid.call("POST", "/v1/accounts/acme/change-requests", body)
    assert (said.status, said.body["code"]) == (403, "not_billing_admin")


async def test_a_request_that_nobody_decides_expires(mid: World) -> None:
    """After thirty days it ends by itself, and the admin may ask for something else."""
    request = (await ask(mid, terms={"tier": "plus"})).body
    await mid.billing.pool.execute(
        "UPDATE change_request SET expires_at = now() WHERE id = $1", request["id"]
    )

    assert await request_decisions.expire_due(mid.billing) == 1
    assert (await show(mid, request))["state"] == "expired"
    assert (await ask(mid, terms={"tier": "plus"})).status == 201


async def test_a_credit_is_no_reason_to_skip_the_admin(mid: World) -> None:
    """Paid from the credit balance, nothing is collected today; it costs something all the same."""
    customer = (await mid.view())["stripe_customer_id"]
    credit = {"amount": "-500000", "currency": "usd"}
    await mid.stripe("POST", f"/v1/customers/{customer}/balance_transactions", **credit)
    said = await approve(mid, (await ask(mid, terms={"interval": "year"})).body)

    assert said.body["state"] == "awaiting_admin_confirm"
    assert said.body["quote"]["due_today"]["amount_minor"] == 0


async def test_a_confirm_after_the_request_was_taken_back(mid: World) -> None:
    """The quote of a withdrawn request buys nothing any more."""
    approved = (await approve(mid, (await ask(mid, terms={"interval": "year"})).body)).body
    path = f"/v1/change-requests/{approved['id']}/withdraw"
    await mid.call("POST", path, {"actor": ADMIN})
    said = await mid.confirm(approved["quote"])

    assert (said.status, said.body["code"]) == (409, "request_closed")
    assert (await mid.view())["terms"]["interval"] == "month"
