"""Every act is in the log of its account: who did it, by which door, and what was before and after."""

from __future__ import annotations

import asyncio
from typing import Any

from handlers.auth import Role
from sync import audit, parking
from sync.store import audit as store
from sync.store.db import Pool
from tests.faults.hands import Hands
from tests.flows.stopped import go, stop
from tests.flows.world import ADMIN, MARKETING
from tests.http.conftest import make_key

BOOTSTRAP = "bootstrap:bootstrap"


async def acts(pool: Pool, account_id: str | None = "acme") -> list[tuple[str, str, str | None, str]]:
    """Act, actor, role and door, in the order of the chain, which must be whole."""
    assert (await audit.verify(pool, account_id)).broken is None
    entries = [link.entry for link in await store.after(pool, account_id, 0, 1000)]
    return [(each.act, each.actor, each.role, each.door) for each in entries]


async def newest(pool: Pool, account_id: str | None = "acme") -> dict[str, Any]:
    [link] = await store.newest(pool, account_id, None, 1)
    return link.entry.detail


async def test_a_purchase_tells_who_confirmed_what_and_what_came_of_it(slow: Hands) -> None:
    """From the account's creation to the settled change; the steps in between are no acts."""
    pool = slow.world.billing.pool
    assert [
        ("account.created", BOOTSTRAP, "automation", "http"),
        ("customer.created", BOOTSTRAP, "automation", "http"),
        ("quote.confirmed", ADMIN, "primary_admin", "http"),
        ("change.applied", "prorata", None, "worker"),
        ("change.settled", "prorata", None, "worker"),
    ] == await acts(pool)
    links = [link.entry.detail for link in await store.after(pool, "acme", 0, 10)]
    confirmed, applied, settled = links[2:]
    assert (None, MARKETING.to_json()) == (confirmed["before"], confirmed["after"]["now"])
    assert {"state": "applied", "reason": None, "terms": MARKETING.to_json()} == applied["after"]
    assert (0, applied["charged_minor"]) == (settled["difference_minor"], confirmed["due_today_minor"])
    assert BOOTSTRAP == confirmed["by"], "the actor is what the caller says; who called is known besides"
    [pushed] = await acts(pool, None)
    assert "catalog.pushed" == pushed[0]


async def test_increase_names_the_terms_before_and_after(slow: Hands) -> None:
    """What was in force before is what a later reader asks first."""
    world = slow.world
    change = await slow.step(await slow.confirm(await world.quote({"seats": 8})))
    assert "applied" == change["state"]
    detail = await newest(world.billing.pool)
    assert (3, 8) == (detail["before"]["terms"]["seats"], detail["after"]["terms"]["seats"])
    assert detail["quoted_minor"] == detail["charged_minor"] == await slow.charged(change)


async def test_declined_card_ends_in_the_log_as_well(slow: Hands) -> None:
    """The confirm stays, and what became of it follows."""
    world = slow.world
    await world.card("pm_card_chargeCustomerFail")
    change = await slow.confirm(await world.quote({"seats": 8}))
    for _ in range(4):
        change = await slow.step(change)
    assert "failed" == change["state"]
    assert ["quote.confirmed", "change.failed"] == [act[0] for act in (await acts(world.billing.pool))[-2:]]
    assert "payment_declined" == (await newest(world.billing.pool))["after"]["reason"]


async def test_taken_back_promise_names_who_took_it_back(slow: Hands) -> None:
    """The wish is the admin's, the end is ours."""
    world = slow.world
    await slow.settle(await slow.step(await slow.confirm(await world.quote({"seats": 8}))))
    change = await slow.confirm(await world.quote({"seats": 5}))
    for _ in range(3):
        change = await slow.step(change)
    assert "scheduled" == change["state"], change
    path = f"/v1/changes/{change['id']}/withdraw"
    withdrawing = asyncio.create_task(world.call("POST", path, {"actor": ADMIN}))
    while not withdrawing.done():
        await slow.step(change)
    assert [
        ("quote.confirmed", ADMIN, "primary_admin", "http"),
        ("change.recalled", ADMIN, "primary_admin", "http"),
        ("change.withdrawn", "prorata", None, "worker"),
    ] == (await acts(world.billing.pool))[-3:]


async def test_switches_parking_and_the_admin(slow: Hands) -> None:
    """Whoever may change what is billed, and whoever held it back; a switch for all is nobody's account's."""
    world, pool = slow.world, slow.world.billing.pool
    await stop(world, "acme")
    await stop(world, "acme")
    await go(world, "acme")
    await stop(world)
    await go(world)
    await parking.park(world.billing, "acme", actor="olga", reason="looks odd")
    await parking.unpark(world.billing, "acme", actor="olga", reason="is fine")
    await parking.unpark(world.billing, "acme", actor="olga", reason="is fine")
    for _ in range(2):
        await world.call("PUT", "/v1/accounts/acme/primary-admin", {"user_id": "bob", "email": "b@b.example"})
    assert [
        ("writes.stopped", "olga", None, "worker"),
        ("writes.allowed", "olga", None, "worker"),
        ("account.parked", "olga", None, "worker"),
        ("account.unparked", "olga", None, "worker"),
        ("admin.named", BOOTSTRAP, "automation", "http"),
    ] == (await acts(pool))[5:]
    named = await newest(pool)
    assert (ADMIN, "bob") == (named["before"]["user_id"], named["after"]["user_id"])
    assert ["writes.stopped", "writes.allowed"] == [act[0] for act in (await acts(pool, None))[-2:]]


async def test_a_request_from_the_wish_to_the_decision(slow: Hands) -> None:
    """The admin asked, support decided by its own key, and the change names the request."""
    world, pool = slow.world, slow.world.billing.pool
    path, wish = "/v1/accounts/acme/change-requests", {"effective": "now", "reason": "why", "actor": ADMIN}
    first = (await world.call("POST", path, {**wish, "cancel": True})).body
    support = await make_key(pool, "key_support", [Role.SUPPORT])
    headers = {**support, "Idempotency-Key": "decline"}
    url = f"{world.running.http_url}/v1/change-requests/{first['id']}/decline"
    async with world.client.post(url, json={"actor": "sam", "note": "no"}, headers=headers) as answer:
        assert 200 == answer.status, await answer.text()
    second = (await world.call("POST", path, {**wish, "cancel": True})).body
    await world.call("POST", f"/v1/change-requests/{second['id']}/withdraw", {"actor": ADMIN})
    assert [
        ("request.submitted", ADMIN, "primary_admin", "http"),
        ("request.declined", "sam", "support", "http"),
        ("request.submitted", ADMIN, "primary_admin", "http"),
        ("request.withdrawn", ADMIN, "automation", "http"),
    ] == (await acts(pool))[5:]
    [declined] = [
        link.entry for link in await store.after(pool, "acme", 0, 10) if link.entry.act == "request.declined"
    ]
    assert ("key_support", "no", "submitted") == (
        declined.key_id,
        declined.detail["note"],
        declined.detail["before"],
    )


async def test_timeline_is_acts_and_steps_page_by_page(slow: Hands) -> None:
    """Newest first, each entry once, however small the pages are."""
    world = slow.world
    whole = (await world.call("GET", "/v1/accounts/acme/timeline?limit=100")).body
    assert not whole["has_more"]
    moments = [entry["at"] for entry in whole["data"]]
    assert moments == sorted(moments, reverse=True)
    kinds = {
        kind: [each["name"] for each in whole["data"] if each["kind"] == kind] for kind in ("act", "step")
    }
    assert ["change.settled", "change.applied", "quote.confirmed"] == kinds["act"][:3]
    assert {"confirm", "send", "apply", "settle"} <= set(kinds["step"])
    pages: list[dict[str, Any]] = []
    query, more = "limit=2", True
    while more:
        part = (await world.call("GET", f"/v1/accounts/acme/timeline?{query}")).body
        pages, more = [*pages, *part["data"]], part["has_more"]
        query = f"limit=2&starting_after={pages[-1]['id']}"
    assert whole["data"] == pages
    for cursor in ("nothing", "act_999999", "step_999999"):
        said = await world.call("GET", f"/v1/accounts/acme/timeline?starting_after={cursor}")
        assert (200, []) == (said.status, said.body["data"])
    assert 404 == (await world.call("GET", "/v1/accounts/nobody/timeline")).status
