"""The fuse: a subscription is never changed so often that Stripe itself would refuse."""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from sync.advance import advance
from sync.fuse import DAY_MOST, MINUTE_MOST, NEAR, WARN_FROM
from sync.rules.terms import Terms
from tests.faults.hands import Hands
from tests.flows.world import Said, World, whole_world

HALF_MONTH = 14 * 86_400
# One row like that of a change which was invoiced.
INVOICED = """
INSERT INTO stripe_call (key, subject_id, step, method, path, params, created_at, first_sent_at,
                         last_sent_at, sends, answered_at, http_status)
SELECT 'earlier:' || gen_random_uuid(), 'chg_earlier', 'send', 'POST',
       '/v1/subscriptions/' || stripe_subscription_id, '{"items": [{"quantity": 1}]}',
       now() - age, now() - age, now() - age, 1, now() - age, $3
  FROM account, make_interval(secs => $2) AS age WHERE id = $1
"""


@pytest.fixture
async def mid(world: World) -> World:
    await world.buy()
    await world.pass_time(HALF_MONTH)
    return world


@pytest.fixture
async def slow(database_url: str) -> AsyncIterator[Hands]:
    """In the middle of a paid month, and nobody works by itself."""
    async with whole_world(database_url, work=False) as world:
        hands = Hands(world)
        await hands.buy()
        await world.pass_time(HALF_MONTH)
        yield hands


async def test_from_the_eighth_on_a_quote_warns(mid: World) -> None:
    """Seven invoiced changes within a day say nothing, eight do; the quote can be confirmed all the same."""
    await _invoiced(mid, WARN_FROM - 1)
    assert [] == (await mid.quote({"seats": 8}))["warnings"]
    await _invoiced(mid, 1)
    quote = await mid.quote({"seats": 8})
    [warning] = quote["warnings"]
    assert (NEAR, []) == (warning["code"], quote["refusals"])
    assert "8 changes of this subscription were invoiced within a day; 15 are possible" in warning["detail"]
    assert 200 == (await mid.confirm(quote)).status
    assert [warning] == (await mid.call("GET", f"/v1/quotes/{quote['id']}")).body["warnings"]


async def test_from_the_fifteenth_on_a_quote_is_refused(mid: World) -> None:
    """It says when it is possible again; a change that makes no invoice is possible all the same."""
    await _invoiced(mid, DAY_MOST)
    quote = await mid.quote({"seats": 8})
    [refusal] = quote["refusals"]
    assert ("change_limit_reached", None) == (refusal["code"], quote["due_today"])
    assert "Nothing was charged" in refusal["detail"]
    [moment] = re.findall(r"again from (\S+Z)", refusal["detail"])
    assert timedelta(hours=23) < datetime.fromisoformat(moment) - datetime.now(UTC) < timedelta(hours=24)
    await mid.sell(Terms("marketing", "plus", 500, 3))
    fewer = await mid.quote({"contact_limit": 500})
    assert [] == fewer["refusals"]
    said = await mid.confirm(quote)
    assert (429, "change_limit_reached") == (said.status, said.body["code"])


async def test_day_that_has_passed_does_not_count(mid: World) -> None:
    """The share is that of the last 24 hours."""
    await _invoiced(mid, DAY_MOST, seconds_ago=86_410)
    quote = await mid.quote({"seats": 8})
    assert ([], []) == (quote["refusals"], quote["warnings"])


async def test_refused_calls_do_not_count_and_declined_ones_do(mid: World) -> None:
    """What Stripe refused made no invoice; a declined payment left one."""
    await _invoiced(mid, DAY_MOST, status=400)
    assert [] == (await mid.quote({"seats": 8}))["warnings"]
    await _invoiced(mid, WARN_FROM, status=402)
    assert [NEAR] == [each["code"] for each in (await mid.quote({"seats": 8}))["warnings"]]


async def test_limit_that_was_reached_after_the_quote_is_refused_at_confirm(mid: World) -> None:
    """The last count stands at confirm; the answer says in seconds when to come back."""
    quote = await mid.quote({"seats": 8})
    await _invoiced(mid, DAY_MOST)
    said = await mid.confirm(quote)
    assert (429, "change_limit_reached", True) == (said.status, said.body["code"], said.body["retryable"])
    assert 80_000 < int(said.headers["Retry-After"]) <= 86_401
    assert said.body["possible_again_at"] in said.body["detail"]
    assert [] == (await mid.view())["open_legs"]


async def test_ten_confirms_at_the_limit_are_one_change(mid: World) -> None:
    """One more is possible, and ten quotes are confirmed at once: one passes, the subscription has 15."""
    await _invoiced(mid, DAY_MOST - 1)
    quotes = [await mid.quote({"seats": 8 + number}) for number in range(10)]
    said = await asyncio.gather(*(mid.confirm(quote) for quote in quotes))
    assert 1 == Counter(answer.status for answer in said)[200], [answer.body for answer in said]
    allowed = {"change_in_progress", "quote_stale", "change_limit_reached"}
    assert {_code(answer) for answer in said if answer.status != 200} <= allowed
    [done] = [answer.body for answer in said if answer.status == 200]
    assert "settled" == (await mid.settled(done))["state"]
    refused = await mid.quote({"seats": 30})
    assert ["change_limit_reached"] == [each["code"] for each in refused["refusals"]]


async def test_hammered_account_never_meets_stripe_s_own_limit(mid: World) -> None:
    """Change after change, as fast as it goes: we refuse first, and Stripe answers every call."""
    await mid.control("POST", "account", {"enforce_subscription_limits": True})
    done = 0
    for minute in range(4):
        done += await _until_refused(mid, 5 + 20 * minute)
        # A minute later, on both clocks.
        await mid.billing.pool.execute(
            "UPDATE stripe_call SET answered_at = answered_at - interval '61 s' WHERE answered_at IS NOT NULL"
        )
        await mid.pass_time(61)
    assert (DAY_MOST, True) == (done, MINUTE_MOST < DAY_MOST)
    state = await mid.control("GET", "state")
    assert 429 not in {each["status"] for each in state["requests"]}


async def test_limit_at_stripe_parks_the_change_for_minutes(slow: Hands) -> None:
    """Somebody else used up the share: one try, minutes of rest, and the deadline ends it uncharged."""
    change = await slow.confirm(await slow.world.quote({"seats": 8}))
    path = f"/v1/subscriptions/{(await slow.world.subscription())['id']}"
    await slow.fault(method="POST", path=path, status=429, reason="resource-specific", times=-1)
    change = await slow.step(change)
    assert ("applying", "change_limit_reached") == (change["now"]["state"], change["now"]["reason"])
    assert await _wait_seconds(slow, change) > 120
    await _pass_deadline(slow.world, change)
    change = await slow.step(change)
    assert ("expired", "change_limit_reached") == (change["now"]["state"], change["now"]["reason"])
    assert "Nothing was charged" in change["now"]["detail"]
    assert (0, 1) == (await slow.charged(change), len(await slow.requests("POST", path)))


async def test_limit_at_stripe_that_has_passed_lets_the_change_through(slow: Hands) -> None:
    """The same bytes under the same key go out minutes later, and are charged once."""
    change = await slow.confirm(await slow.world.quote({"seats": 8}))
    path = f"/v1/subscriptions/{(await slow.world.subscription())['id']}"
    await slow.fault(method="POST", path=path, status=429, reason="resource-specific", times=1)
    await slow.step(change)
    await advance(slow.world.billing, change["id"])
    change = await slow.settle(change)
    assert ("settled", None, 0) == (
        change["state"],
        change["now"]["reason"],
        change["now"]["difference_minor"],
    )
    assert change["now"]["quoted"]["amount_minor"] == await slow.charged(change)


async def _invoiced(world: World, count: int, *, seconds_ago: int = 600, status: int = 200) -> None:
    """As if so many changes of the account had been sent before."""
    for number in range(count):
        await world.billing.pool.execute(INVOICED, "acme", float(seconds_ago + number), status)


async def _until_refused(world: World, seats: int) -> int:
    """Change the seats again and again; how often that worked."""
    for count in range(DAY_MOST + 1):
        quote = await world.quote({"seats": seats + count})
        if quote["refusals"]:
            assert ["change_limit_reached"] == [each["code"] for each in quote["refusals"]]
            return count
        said = await world.confirm(quote)
        assert 200 == said.status, said.body
        assert "settled" == (await world.settled(said.body))["state"]
    raise AssertionError("nobody said stop")


def _code(said: Said) -> str:
    return str(said.body.get("code"))


async def _wait_seconds(hands: Hands, change: dict[str, Any]) -> float:
    seconds: float = await hands.world.billing.pool.fetchval(
        "SELECT extract(epoch FROM next_attempt_at - now())::float8 FROM change_leg WHERE change_id = $1",
        change["id"],
    )
    return seconds


async def _pass_deadline(world: World, change: dict[str, Any]) -> None:
    await world.billing.pool.execute(
        "UPDATE change_leg SET apply_deadline_at = now() WHERE change_id = $1", change["id"]
    )
