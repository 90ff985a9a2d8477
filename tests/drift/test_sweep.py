"""The sweep: finds what differs, closes what went, and goes on where it was stopped."""

from __future__ import annotations

from typing import Any

import pytest

from sync import clock
from sync.gateway import ObjectRead
from sync.mirror_rows import Kind
from sync.reconcile import sweep as sweeping
from sync.reconcile.anew import reconcile_account
from sync.reconcile.sweep import Sweep
from sync.store import findings, mirror, progress
from tests.drift.edits import by_hand, item, own, set_item
from tests.drift.sweeping import (
    applied,
    catch_up_mirror,
    delivered,
    findings_of,
    lists,
    stranger,
    sweep,
    waiting,
    waiting_after,
)
from tests.faults.hands import Hands

# ---- finding and closing


async def test_where_nothing_differs_nothing_is_found_and_the_mirror_is_filled(slow: Hands) -> None:
    """One list for each pass, and no look at any account."""
    world = slow.world
    before = len(await lists(slow))
    tally = await sweep(world)
    assert (1, 0, 0) == (tally.subscriptions, tally.looks, tally.strangers)
    assert [] == await findings_of(world)
    assert 4 == len(await lists(slow)) - before
    row = await mirror.subscription_row(world.billing.pool, await own(world))
    assert row is not None
    assert "active" == row.status
    await stranger(world)
    assert (2, 1) == ((tally := await sweep(world)).subscriptions, tally.strangers)
    assert [] == await findings_of(world), "a Stripe account may sell other things as well"


async def test_a_difference_grows_older_and_goes(slow: Hands) -> None:
    """Seen twice it is one finding, without another look; once Stripe is right again it is gone."""
    world = slow.world
    await set_item(world, "seats", quantity=7)
    assert 1 == (await sweep(world)).looks
    [first] = await findings_of(world)
    seats = await item(world, "seats")
    assert ("wrong_quantity", "seats", "acme", "open") == (
        first.kind, first.about, first.account_id, first.state,
    )  # fmt: skip
    assert 0 == first.expected["quantity"]
    assert (seats["id"], 7) == (first.found["item"], first.found["quantity"])
    assert 0 == (await sweep(world)).looks
    [again] = await findings_of(world)
    assert (first.id, 2) == (again.id, again.times_seen)
    assert again.last_seen_at > first.last_seen_at
    await set_item(world, "seats", quantity=0)
    await sweep(world)
    [gone] = await findings_of(world)
    assert ("gone", True) == (gone.state, gone.closed_at is not None)


async def test_a_purchase_that_lands_while_stripe_is_read_is_no_difference(slow: Hands) -> None:
    """The read shows one side of it and our tables the other: the look begins anew until nothing moves."""
    world = slow.world
    quote, gateway = await world.quote({"seats": 8}), world.billing.gateway
    plain, changes = gateway.read_object, []

    async def overtaken(kind: str, object_id: str, *, urgent: bool = False) -> ObjectRead:
        if kind == Kind.SUBSCRIPTION and not changes:
            changes.append(await slow.step(await slow.confirm(quote)))
        return await plain(kind, object_id, urgent=urgent)

    gateway.read_object = overtaken  # type: ignore[method-assign]
    assert [] == await reconcile_account(world.billing, "acme")
    [change] = changes
    assert [] == await waiting_after(world), "applied, and the invoice is not compared yet"
    await slow.settle(change)
    confirmed = await slow.confirm(await world.quote({"seats": 9}))
    assert [] == await waiting_after(world), "confirmed, and nothing is at Stripe"
    await slow.settle(await slow.step(confirmed))
    promised = await slow.step(await slow.confirm(await world.quote({"seats": 3})))
    assert "scheduled" == promised["state"]
    assert [] == await waiting_after(world), "promised, and its schedule carries it"
    schedule = (await world.subscription())["schedule"]
    await by_hand(world, f"/v1/subscription_schedules/{schedule}/release")
    assert [("renewal_leg_missing", "acme")] == await waiting_after(world)


async def test_what_was_accepted_opens_again_when_it_is_something_else(slow: Hands) -> None:
    """The same difference stays accepted however often it is seen. Lists show the youngest first."""
    world = slow.world
    pool = world.billing.pool
    await set_item(world, "seats", quantity=7)
    await sweep(world)
    await pool.execute(
        "UPDATE finding SET state = 'accepted', decided_by = 'olga', reason = 'agreed by phone'"
    )
    await set_item(world, "base", quantity=2)
    await sweep(world)
    assert {"seats": "accepted", "base": "open"} == {row.about: row.state for row in await findings_of(world)}
    await set_item(world, "seats", quantity=8)
    await sweep(world)
    assert 8 == (await findings_of(world, state="open"))[0].found["quantity"]
    [young] = await findings.list_(pool, limit=1)
    [old] = await findings.list_(pool, limit=1, starting_after=young.id)
    assert {"base", "seats"} == {young.about, old.about}
    assert [] == await findings.list_(pool, starting_after=old.id)
    assert 2 == len(await findings.list_(pool, account_id="acme", state="open", kind="wrong_quantity"))
    assert [] == await findings.list_(pool, account_id="other")
    assert {"wrong_quantity": 2} == await findings.open_by_kind(pool)


async def test_a_read_that_lags_behind_is_no_difference(slow: Hands) -> None:
    """What was in force a moment ago may still be shown, and a schedule may not be shown yet."""
    world = slow.world
    stale = {"method": "GET", "path": f"/v1/subscriptions/{await own(world)}", "stale": True}
    await slow.settle(await applied(slow, {"seats": 5}))
    await slow.fault(**stale)
    assert [] == await reconcile_account(world.billing, "acme")
    promised = await slow.step(await slow.confirm(await world.quote({"seats": 3})))
    assert "scheduled" == promised["state"]
    await slow.fault(**stale)
    assert [] == await reconcile_account(world.billing, "acme")
    assert 2 == len((await world.control("GET", "faults"))["fired"])


# ---- stopped and resumed


class _KilledError(Exception):
    """Where the process would have been killed."""


async def test_a_sweep_that_was_killed_goes_on_from_its_page(
    slow: Hands, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No page is skipped, none but the last is read twice, and nothing is taken for gone."""
    world = slow.world
    monkeypatch.setattr("sync.gateway.PAGE", 2)
    for _ in range(6):
        await stranger(world)
    await set_item(world, "seats", quantity=7)
    before = len(await lists(slow))

    def kill(name: str, compared: int) -> None:
        if (name, compared) == ("subscriptions", 4):
            raise _KilledError

    with pytest.raises(_KilledError):
        await sweep(world, told=kill)
    at = await progress.position(world.billing.pool, sweeping.NAME)
    assert at is not None
    assert ("subscriptions", 4) == (at["under_way"]["pass"], at["under_way"]["tally"]["subscriptions"])
    assert await Sweep(world.billing).run_due(60)
    done = await progress.position(world.billing.pool, sweeping.NAME)
    assert done is not None
    assert (None, 7, 6) == (
        done["under_way"], done["last"]["tally"]["subscriptions"], done["last"]["tally"]["strangers"],
    )  # fmt: skip
    pages = [path for path in (await lists(slow))[before:] if path == "/v1/subscriptions"]
    assert 4 + 1 == len(pages), "four pages, and one list of the account that was looked at"
    assert [("wrong_quantity", "acme")] == await waiting(world)


async def test_it_runs_by_itself_once_in_six_hours_and_when_it_is_wanted(slow: Hands) -> None:
    """A fresh deployment is left alone for its first minutes; a gap in catch-up wants one at once."""
    world = slow.world
    automatic = Sweep(world.billing)
    assert not await automatic.run_due(60)
    position = await progress.position(world.billing.pool, sweeping.NAME)
    assert position is not None
    assert 200 < position["next_unix"] - clock.wall_seconds() <= 300
    assert not await automatic.run_due(60)
    await sweeping.want(world.billing)
    assert not await automatic.run_due(0), "no time, no page"
    begun = await progress.position(world.billing.pool, sweeping.NAME)
    assert begun is not None
    assert "subscriptions" == begun["under_way"]["pass"]
    moved: list[str] = []
    late = Sweep(world.billing, told=lambda name, _: moved.append(name))
    assert await automatic.run_due(60)
    assert not await late._go_on(begun, None), "the row moves on only from where it was read"
    assert [] == moved
    assert not await automatic.run_due(60)
    position = await progress.position(world.billing.pool, sweeping.NAME)
    assert position is not None
    assert 21_000 < position["next_unix"] - clock.wall_seconds() <= 21_600


# ---- races and our copy


async def test_an_event_that_arrives_beside_a_page_is_not_written_over(slow: Hands) -> None:
    """The page was read before it: the newest observation wins, or the object is read once more."""
    world = slow.world
    await catch_up_mirror(world)
    await sweep(world)
    plain = world.billing.gateway.list_objects

    async def slowly(kind: str, params: Any, *, starting_after: str | None = None) -> Any:
        page = await plain(kind, params, starting_after=starting_after)
        if kind == Kind.SUBSCRIPTION:
            await world.pass_time(5)
            await by_hand(world, f"/v1/subscriptions/{await own(world)}", metadata={"note": "later"})
            await catch_up_mirror(world)
        return page

    world.billing.gateway.list_objects = slowly  # type: ignore[method-assign]
    await sweep(world)
    row = await mirror.subscription_row(world.billing.pool, await own(world))
    assert row is not None
    assert "later" == row.metadata.get("note")


async def test_a_stale_copy_is_mended_and_stands_in_the_history(slow: Hands) -> None:
    """No event explains it: somebody ought to know, although there is nothing left to do."""
    world = slow.world
    await catch_up_mirror(world)
    await sweep(world)
    await world.billing.pool.execute("UPDATE stripe_subscription SET status = 'past_due'")
    await world.billing.pool.execute("UPDATE stripe_object SET updated_at = now() - interval '1 hour'")
    await world.billing.pool.execute("UPDATE inbox SET received_at = now() - interval '1 hour'")
    await sweep(world, grace_seconds=0)
    [row] = await findings_of(world)
    assert ("mirror_stale", "gone", "acme", {"status": "active"}, {"status": "past_due"}) == (
        row.kind, row.state, row.account_id, row.expected, row.found,
    )  # fmt: skip
    mended = await mirror.subscription_row(world.billing.pool, await own(world))
    assert mended is not None
    assert "active" == mended.status
    await by_hand(world, f"/v1/subscriptions/{await own(world)}", metadata={"note": "new"})
    await delivered(world)
    await world.billing.pool.execute("UPDATE inbox SET state = 'finished', finished_at = now()")
    await sweep(world, grace_seconds=0)
    assert 1 == len(await findings_of(world)), "an event that came within the grace explains it"
