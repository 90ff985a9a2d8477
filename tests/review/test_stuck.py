"""Changes and accounts that can never go on, and loops that spin."""

from __future__ import annotations

import asyncio
import time

import pytest

from sync import changes
from sync.advance import advance
from tests.flows.world import ADMIN, MARKETING
from tests.review.conftest import Hands


async def test_account_can_buy_again_after_its_subscription_ended(mid: Hands) -> None:
    """A quote for a new first purchase is confirmed: the ended subscription must not make it stale."""
    subscription = (await mid.world.subscription())["id"]
    await mid.world.control(
        "POST", "dashboard", {"method": "DELETE", "path": f"/v1/subscriptions/{subscription}"}
    )
    quote = await mid.world.quote(MARKETING.to_json())
    assert [] == quote["refusals"]
    said = await mid.world.call("POST", f"/v1/quotes/{quote['id']}/confirm?wait=0", {"actor": ADMIN})
    assert (202, None) == (said.status, said.body.get("code"))


async def test_account_with_a_refused_card_can_be_created_with_another(hands: Hands) -> None:
    """The card is refused when the customer is created; the next try with a good one must work."""
    await hands.world.control("POST", "account", {"refuse_declining_cards_on_attach": True})
    body = {
        "account_id": "acme", "email": "b@acme.example", "name": "Acme", "locale": "en", "currency": "usd",
        "primary_admin": {"user_id": ADMIN, "email": "ada@acme.example"},
    }  # fmt: skip
    first = await hands.world.call("POST", "/v1/accounts", {**body, "payment_method": "pm_card_chargeDeclined"})
    assert first.status >= 400
    second = await hands.world.call("POST", "/v1/accounts", {**body, "payment_method": "pm_card_visa"})
    assert 200 == second.status, second.body


async def test_account_creation_survives_a_stored_500(hands: Hands) -> None:
    """Stripe replays a 500 under the key for a day: read back instead of repeating it."""
    await hands.fault(method="POST", path="/v1/customers", when="after", status=500)
    body = {
        "account_id": "acme", "email": "b@acme.example", "name": "Acme", "locale": "en", "currency": "usd",
        "primary_admin": {"user_id": ADMIN, "email": "ada@acme.example"}, "payment_method": "pm_card_visa",
    }  # fmt: skip
    said = [await hands.world.call("POST", "/v1/accounts", body) for _ in range(3)]
    assert 200 == said[-1].status, said[-1].body


async def test_two_accounts_of_one_customer_are_a_conflict(hands: Hands) -> None:
    """The second link is refused in words, and leaves no half account behind."""
    await hands.world.account()
    customer = (await hands.world.view())["stripe_customer_id"]
    body = {
        "account_id": "other", "email": "b@acme.example", "name": "Other", "locale": "en", "currency": "usd",
        "primary_admin": {"user_id": ADMIN, "email": "ada@acme.example"}, "stripe_customer_id": customer,
    }  # fmt: skip
    said = await hands.world.call("POST", "/v1/accounts", body)
    left = await hands.world.call("GET", "/v1/accounts/other")
    assert (409, 404) == (said.status, left.status), said.body


async def test_quote_of_a_subscription_that_cancels_at_its_end(mid: Hands) -> None:
    """`cancel_at_period_end` is a quote or a refusal in words, never Stripe's 404."""
    subscription = (await mid.world.subscription())["id"]
    await mid.world.stripe("POST", f"/v1/subscriptions/{subscription}", cancel_at_period_end="true")
    said = await mid.world.call("POST", "/v1/accounts/acme/quotes", {"terms": {"seats": 8}, "actor": ADMIN})
    assert 200 == said.status, said.body


async def test_withdrawal_during_a_look_is_not_forgotten_for_a_minute(mid: Hands) -> None:
    """Somebody looks at the change when it is withdrawn: the void goes out right after the look."""
    change = await mid.awaiting({"seats": 8})
    path = f"/v1/subscriptions/{(await mid.world.subscription())['id']}"
    await mid.fault(method="GET", path=path, slow_seconds=1.5)
    looking = asyncio.create_task(advance(mid.world.billing, change["id"]))
    await asyncio.sleep(0.5)
    asked = asyncio.create_task(
        mid.world.call("POST", f"/v1/changes/{change['id']}/withdraw", {"actor": ADMIN})
    )
    await asyncio.sleep(0.3)
    await advance(mid.world.billing, change["id"])  # the job that the withdrawal enqueued: the door is shut
    await looking
    due = await mid.world.billing.pool.fetchval(
        "SELECT ended_at IS NOT NULL OR next_attempt_at <= now() + interval '5 s' FROM change_leg "
        "WHERE change_id = $1",
        change["id"],
    )
    await asked
    assert due


async def test_refused_void_backs_off(mid: Hands) -> None:
    """Stripe refuses the void (a payment is processing): not every two seconds for a day."""
    await mid.world.card("pm_card_chargeCustomerFail")
    await mid.fault(method="POST", path="/v1/invoices/*/void", status=400, times=-1)
    change = await mid.confirm(await mid.world.quote({"seats": 8}))
    waits = []
    for _ in range(6):
        await mid.step(change)
        waits.append(
            await mid.world.billing.pool.fetchval(
                "SELECT extract(epoch FROM next_attempt_at - now())::float8 FROM change_leg "
                "WHERE change_id = $1", change["id"],
            )
        )  # fmt: skip
    assert waits[-1] > 5 * waits[0], waits


async def test_sweep_nudges_a_waiting_change_once(mid: Hands) -> None:
    """A change that waits for a job slot has its job already; the sweep runs every second."""
    await mid.confirm(await mid.world.quote({"seats": 8}))
    count = "SELECT count(*) FROM queue.pgqueuer WHERE entrypoint = 'advance_change' AND status = 'queued'"
    before = await mid.world.billing.pool.fetchval(count)
    for _ in range(5):
        await changes.enqueue_due(mid.world.billing)
    assert await mid.world.billing.pool.fetchval(count) <= before + 1


async def test_duplicate_jobs_do_not_defeat_the_back_off(mid: Hands) -> None:
    """A queued duplicate runs right after the attempt that it doubles: the pause must still hold."""
    quote = await mid.world.quote({"seats": 8})
    path = f"/v1/subscriptions/{(await mid.world.subscription())['id']}"
    change = await mid.confirm(quote)
    await mid.fault(method="POST", path=path, status=500, times=-1)
    for _ in range(5):
        await mid.step(change)
    assert 1 == len([each for each in await mid.requests("POST", path) if each["idempotency_key"]
                     and each["idempotency_key"].startswith("change:" + change["id"])])  # fmt: skip


async def test_limit_of_the_subscription_is_not_hammered(mid: Hands) -> None:
    """429 `resource-specific` means minutes to a day: one try, then park, never five in a row."""
    await mid.world.control("POST", "account", {"enforce_subscription_limits": True})
    subscription = (await mid.world.subscription())["id"]
    item = next(
        each for each in (await mid.world.subscription())["items"]["data"] if "seats" in each["price"]["lookup_key"]
    )
    for quantity in range(20, 30):
        edit = {"items[0][id]": item["id"], "items[0][quantity]": quantity, "proration_behavior": "always_invoice"}
        await mid.world.stripe("POST", f"/v1/subscriptions/{subscription}", **edit)
    back = {"items[0][id]": item["id"], "items[0][quantity]": item["quantity"], "proration_behavior": "none"}
    await mid.world.stripe("POST", f"/v1/subscriptions/{subscription}", **back)
    change = await mid.confirm(await mid.world.quote({"seats": 8}))
    before = len(await mid.requests("POST", f"/v1/subscriptions/{subscription}"))
    started = time.monotonic()
    change = await mid.step(change)
    tries = len(await mid.requests("POST", f"/v1/subscriptions/{subscription}")) - before
    assert 1 == tries, (tries, time.monotonic() - started, change["now"])
    assert change["now"]["reason"] != "outcome_unknown"
