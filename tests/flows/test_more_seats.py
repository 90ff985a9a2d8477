"""An admin buys more seats in mid-cycle: prorated to the second, shown line by line, charged exactly."""

from __future__ import annotations

from dataclasses import replace

import pytest

from sync import quotes
from sync.rules.money import minimum_charge_minor
from sync.rules.proration import prorate
from sync.rules.slots import Slot
from sync.rules.terms import PartialTerms
from sync.wishes import Wish
from tests.flows.world import ADMIN, MARKETING, World

HALF_MONTH = 14 * 86_400


@pytest.fixture
async def mid(world: World) -> World:
    """An account in the middle of its first period."""
    await world.buy()
    await world.pass_time(HALF_MONTH)
    return world


async def test_lines_are_the_prorated_share(mid: World) -> None:
    """Five extra seats at mid-cycle cost the share of the period that is left, and nothing else."""
    quote = await mid.quote({"seats": 8})
    item = (await mid.subscription())["items"]["data"][0]
    start, end = item["current_period_start"], item["current_period_end"]
    full = 5 * mid.billing.catalog.amounts[_seat_slot(mid)]
    charged = prorate(full, end - quote["proration_date"], end - start)
    assert charged >= minimum_charge_minor("usd")
    assert [charged] == [line["amount_minor"] for line in quote["due_today_lines"] if line["amount_minor"]]
    assert charged == quote["due_today"]["amount_minor"]


async def test_policy_that_forgets_the_payment_behavior(mid: World) -> None:
    """A change is never sent in a way that could leave it unpaid: no payment, no change."""
    rules = tuple(replace(rule, payment_behavior=None) for rule in mid.billing.policy.rules)
    billing = replace(mid.billing, policy=replace(mid.billing.policy, rules=rules))
    account = await quotes.require_account(billing, "acme")
    row = await quotes.make(billing, account, ADMIN, Wish(PartialTerms(seats=8)))
    assert "error_if_incomplete" == (row.stripe_params or {})["payment_behavior"]


async def test_charge_equals_quote_though_time_passes(mid: World) -> None:
    """Nine minutes between quote and confirm change nothing: the instant is pinned."""
    quote = await mid.quote({"seats": 8})
    await mid.pass_time(540)
    change = await mid.settled((await mid.confirm(quote)).body)
    assert "settled" == change["state"]
    assert 0 == change["now"]["difference_minor"]
    newest = (await mid.invoices())[0]
    assert ("paid", quote["due_today"]["amount_minor"]) == (newest["status"], newest["amount_paid"])


async def test_only_the_seats_item_changes(mid: World) -> None:
    """Every other item stays as it was, and no item is lost."""
    before = await mid.items()
    await mid.change({"seats": 8})
    after = await mid.items()
    assert {key for key, quantity in after.items() if before[key] != quantity} == {_seat_slot(mid).key}
    assert 5 == after[_seat_slot(mid).key]


async def test_next_invoice_of_the_quote_is_the_one_that_comes(mid: World) -> None:
    """The renewal promised in the quote is the renewal that is invoiced."""
    quote = await mid.quote({"seats": 8})
    await mid.settled((await mid.confirm(quote)).body)
    await mid.pass_time(20 * 86_400)
    newest = (await mid.invoices())[0]
    assert "subscription_cycle" == newest["billing_reason"]
    assert quote["next_invoice"]["amount"]["amount_minor"] == newest["total"]


async def test_second_confirm_is_the_same_change(mid: World) -> None:
    """A double click, or a retry with another Idempotency-Key, is one change and one effect."""
    quote = await mid.quote({"seats": 8})
    first = (await mid.confirm(quote)).body
    second = (await mid.confirm(quote)).body
    assert first["id"] == second["id"]
    await mid.settled(first)
    assert 1 == len(await mid.effects(first["id"], "subscription_updated"))


def _seat_slot(world: World) -> Slot:
    slots = world.billing.catalog.items_for(MARKETING, "usd")
    return next(slot for slot in slots if slot.role == "seats")
