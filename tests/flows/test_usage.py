"""What is in use is told near and above a limit, guards decreases, and never changes what is bought."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sync import usage
from tests.flows.world import MARKETING, Said, World, whole_world
from worker import jobs

BOUGHT = replace(MARKETING, contact_limit=2500, seats=8)
DAY = 86_400


@pytest.fixture
async def world(database_url: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[World]:
    """A world whose worker looks ahead often enough to be waited for."""
    monkeypatch.setattr(jobs, "LOOK_AHEAD_SECONDS", 0.1)
    async with whole_world(database_url) as made:
        yield made


@pytest.fixture
async def mid(world: World) -> World:
    """An account in the middle of its first period, with everything on sale that it could move to."""
    await world.buy(BOUGHT)
    await world.sell(*(replace(BOUGHT, contact_limit=band) for band in (500, 1000, 5000)))
    await world.pass_time(14 * DAY)
    return world


async def report(world: World, contacts: int | None = None, seats: int | None = None) -> Said:
    """What the host application says is in use."""
    body = {name: count for name, count in (("contacts", contacts), ("seats", seats)) if count is not None}
    return await world.call("PUT", "/v1/accounts/acme/usage", body)


async def notices(world: World) -> list[dict[str, Any]]:
    """Every notice about use, in the order in which they were stored."""
    rows = await world.billing.pool.fetch(
        "SELECT kind, recipient, locale, data FROM notice WHERE kind LIKE 'usage_%' "
        "OR kind = 'decrease_does_not_fit' ORDER BY created_at, key"
    )
    return [dict(row) for row in rows]


async def kinds(world: World) -> list[tuple[str, str]]:
    return [(row["kind"], row["data"]["dimension"]) for row in await notices(world)]


async def fewer(world: World, **terms: Any) -> dict[str, Any]:
    """A decrease that is scheduled for the renewal."""
    said = await world.confirm(await world.quote(terms))
    assert (said.status, said.body["state"]) == (200, "scheduled"), said.body
    return said.body


async def until_renewal(world: World, seconds: int) -> None:
    """Move Stripe's clock to so many seconds before the renewal, and let our process hear of it."""
    item = (await world.subscription())["items"]["data"][0]
    now = (await world.control("GET", "clock"))["now"]
    await world.pass_time(item["current_period_end"] - now - seconds)
    await world.billing.gateway.customer((await world.view())["stripe_customer_id"])


# ---- thresholds


async def test_each_threshold_is_told_once(mid: World) -> None:
    """80, 90 and 100 % of the contacts, however often they are reported; in between there is silence."""
    for contacts in (1999, 2000, 2000, 2100, 2250, 2251, 2500, 2600):
        assert (await report(mid, contacts)).status == 200
    told = await notices(mid)

    assert ["usage_80", "usage_90", "usage_100"] == [row["kind"] for row in told]
    assert {("ada@acme.example", "en")} == {(row["recipient"], row["locale"]) for row in told}
    assert told[1]["data"] == {
        "account_name": "Acme",
        "dimension": "contacts",
        "in_use": 2250,
        "limit": 2500,
        "percent": 90,
    }


async def test_only_the_highest_new_threshold_is_told(mid: World) -> None:
    """A jump over all three is one message, for each of the two dimensions."""
    await report(mid, contacts=3000, seats=8)
    assert [("usage_100", "contacts"), ("usage_100", "seats")] == sorted(await kinds(mid))
    assert {120, 100} == {row["data"]["percent"] for row in await notices(mid)}


async def test_told_again_after_it_fell_and_rose(mid: World) -> None:
    """Below 90 % and back: one more message; falling itself says nothing."""
    for contacts in (2300, 2100, 2200, 2300):
        await report(mid, contacts)
    assert [("usage_90", "contacts")] * 2 == await kinds(mid)


async def test_another_limit_starts_afresh(mid: World) -> None:
    """After buying more, the same number is no news; near the new limit it is."""
    await report(mid, contacts=2400)
    await mid.change({"contact_limit": 5000})
    await report(mid, contacts=2400)
    assert [("usage_90", "contacts")] == await kinds(mid)
    await report(mid, contacts=4600)
    assert [("usage_90", "contacts")] * 2 == await kinds(mid)
    assert 5000 == (await notices(mid))[-1]["data"]["limit"]


async def test_another_purchase_says_nothing_again(mid: World) -> None:
    """More seats leave the contact limit alone, so its message is not repeated."""
    await report(mid, contacts=2400)
    await mid.change({"seats": 9})
    await report(mid, contacts=2400)
    assert [("usage_90", "contacts")] == await kinds(mid)


async def test_a_report_of_one_number_leaves_the_other(mid: World) -> None:
    """Seats are remembered while only contacts are told."""
    await report(mid, seats=7)
    view = (await report(mid, contacts=10)).body
    assert {"contacts": 10, "seats": 7} == view["usage"]


async def test_without_a_purchase_there_is_no_limit(world: World) -> None:
    """An account that bought nothing is near nothing; an unknown one is refused."""
    await world.account()
    assert (await report(world, contacts=5000)).status == 200
    assert [] == await notices(world)
    said = await world.call("PUT", "/v1/accounts/nobody/usage", {"contacts": 1})
    assert (404, "account_unknown") == (said.status, said.body["code"])


async def test_after_the_end_there_is_no_limit(mid: World) -> None:
    """A subscription that has ended limits nobody."""
    path = f"/v1/subscriptions/{(await mid.subscription())['id']}"
    await mid.control("POST", "dashboard", {"method": "DELETE", "path": path})

    async def over() -> bool:
        return (await mid.view())["entitlement"]["level"] == "none"

    await mid.eventually(over)
    await report(mid, contacts=2500)
    assert [] == await notices(mid)


# ---- decreases that no longer fit


async def test_a_decrease_that_no_longer_fits_is_told_a_week_and_a_day_before(mid: World) -> None:
    """Twice, by the clock that bills, and to nobody before; the promise itself stays as it is."""
    change = await fewer(mid, seats=5, contact_limit=1000)
    await report(mid, contacts=900, seats=6)
    assert 0 == await usage.warn_of_decreases(mid.billing)
    for left, count in ((7 * DAY - 60, 1), (2 * DAY, 1), (DAY - 60, 2), (3600, 2)):
        await until_renewal(mid, left)
        await mid.eventually(lambda count=count: _has_warned(mid, count))
        await usage.warn_of_decreases(mid.billing)
        assert await _has_warned(mid, count)

    first, last = [row["data"] for row in await _warnings(mid)]
    on = change["at_renewal"]["effective_on"]
    shared = {"account_name": "Acme", "dimension": "seats", "in_use": 6, "limit": 5, "effective_on": on}
    assert (shared | {"days": 7}, shared | {"days": 1}) == (first, last)
    assert "scheduled" == (await mid.view())["open_legs"][0]["state"]


async def _warnings(world: World) -> list[dict[str, Any]]:
    return [row for row in await notices(world) if row["kind"] == "decrease_does_not_fit"]


async def _has_warned(world: World, count: int) -> bool:
    return len(await _warnings(world)) == count


async def test_reported_inside_the_week_it_is_told_at_once(mid: World) -> None:
    """The answer to the report is stored together with the warning, not with the next look."""
    await fewer(mid, contact_limit=1000)
    await report(mid, contacts=1000)
    await until_renewal(mid, 3 * DAY)
    assert await _has_warned(mid, 0)
    await report(mid, contacts=1001)
    await report(mid, contacts=1200)
    [told] = await _warnings(mid)
    assert ("contacts", 1001, 1000, 3) == tuple(
        told["data"][name] for name in ("dimension", "in_use", "limit", "days")
    )


async def test_a_promise_that_another_purchase_carries_on_is_told_once(mid: World) -> None:
    """Buying contacts keeps the promised seats: the same warning for the same day is not repeated."""
    await fewer(mid, seats=5)
    await report(mid, seats=6)
    await until_renewal(mid, 3 * DAY)
    await mid.eventually(lambda: _has_warned(mid, 1))
    await mid.change({"contact_limit": 5000})

    async def carried_on() -> bool:
        return (await mid.view())["open_legs"][-1]["state"] == "scheduled"

    await mid.eventually(carried_on)
    await usage.warn_of_decreases(mid.billing)
    assert await _has_warned(mid, 1)


async def test_a_decrease_that_fits_is_not_mentioned(mid: World) -> None:
    """Exactly as many as will be left: nothing to say."""
    await fewer(mid, seats=5)
    await report(mid, seats=5)
    for left in (7 * DAY - 60, DAY - 60):
        await until_renewal(mid, left)
        assert 0 == await usage.warn_of_decreases(mid.billing)


# ---- and nothing else


TABLES = ("change", "change_leg", "change_step", "change_request", "quote", "stripe_call", "account_terms")
reports = st.tuples(st.none() | st.integers(0, 100_000), st.none() | st.integers(0, 300))


@dataclass(frozen=True)
class Promised:
    """An account that was promised fewer contacts and seats; short where hypothesis prints it."""

    world: World = field(repr=False)


@pytest.fixture
async def promised(mid: World) -> Promised:
    await fewer(mid, seats=5, contact_limit=1000)
    return Promised(mid)


@given(told=st.lists(st.one_of(reports, st.floats(0.01, 0.4)), min_size=1, max_size=6))
@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_no_report_and_no_time_ever_changes_anything(promised: Promised, told: list[Any]) -> None:
    """Reports, notices and looks in any order: no quote, no change, no leg, no call, no effect at Stripe.

    A number between 0 and 1 lets that share of the time until an hour before the renewal pass.
    """
    world = promised.world
    before = await _everything(world)
    for act in told:
        if isinstance(act, float):
            await world.pass_time(int(max(await _seconds_left(world) - 3600, 0) * act))
            await world.billing.gateway.customer((await world.view())["stripe_customer_id"])
        else:
            assert (await report(world, *act)).status == 200
        await usage.warn_of_decreases(world.billing)
    assert before == await _everything(world)


async def _seconds_left(world: World) -> int:
    item = (await world.subscription())["items"]["data"][0]
    return int(item["current_period_end"] - (await world.control("GET", "clock"))["now"])


async def _everything(world: World) -> tuple[Any, ...]:
    """What must not move: our own rows about changes, terms and calls, and every effect at Stripe."""
    counts = [await world.billing.pool.fetchval(f"SELECT count(*) FROM {table}") for table in TABLES]
    legs = await world.billing.pool.fetch("SELECT change_id, leg, state, terms FROM change_leg ORDER BY 1, 2")
    view = await world.view()
    shown = [view[name] for name in ("terms", "terms_after_renewal", "entitled", "open_legs")]
    ledger = (await world.control("GET", "ledger"))["data"]
    return counts, [dict(leg) for leg in legs], shown, await world.items(), ledger
