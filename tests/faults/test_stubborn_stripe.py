"""Changes and accounts that can never go on, and loops that spin."""

from __future__ import annotations

import asyncio
import time

from sync.advance import advance
from tests.faults.hands import Hands
from tests.support.patience import SURELY_SECONDS
from worker.twin.door import TWIN
from worker.twin.idempotency import Stored


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


async def test_void_whose_answer_is_a_stored_500_goes_on_under_another_key(mid: Hands) -> None:
    """Stripe replays the 500 for a day, and the declined invoice stays payable for so long."""
    await mid.world.card("pm_card_chargeCustomerFail")
    change = await mid.confirm(await mid.world.quote({"seats": 8}))

    class Same(str):
        """The request that the key was first used with, whatever it is compared to."""

        def __ne__(self, other: object) -> bool:
            return False

        __hash__ = str.__hash__

    keys = mid.world.twin.app[TWIN].keys
    body = b'{"error": {"message": "An unknown error occurred.", "type": "api_error"}}'
    key = f"change:{change['id']}:now:void:1"
    keys.stored[key] = Stored(Same(), keys.now(), "req_first", 500, body)
    for _ in range(4):
        change = await mid.step(change)
    invoice = await mid.world.stripe("GET", f"/v1/invoices/{change['now']['stripe_invoice_id']}")
    assert ("void", "failed") == (invoice["status"], change["state"])


async def test_paid_change_that_lags_is_not_voided_in_a_hot_loop(mid: Hands) -> None:
    """Paid, and the update takes a while to show: look again later, without a pause it is a flood."""
    change = await mid.awaiting({"seats": 8})
    invoice = change["now"]["stripe_invoice_id"]
    await mid.world.control("POST", "dashboard", {"act": "complete_authentication", "invoice": invoice})
    path = f"/v1/subscriptions/{(await mid.world.subscription())['id']}"
    await mid.fault(method="GET", path=path, stale=True, times=-1)
    async with asyncio.timeout(SURELY_SECONDS):
        await advance(mid.world.billing, change["id"])
    assert len(await mid.requests("POST", "/void")) < 3


async def test_limit_of_the_subscription_is_not_hammered(mid: Hands) -> None:
    """429 `resource-specific` means minutes to a day: one try, then park, never five in a row."""
    await mid.world.control("POST", "account", {"enforce_subscription_limits": True})
    subscription = (await mid.world.subscription())["id"]
    item = next(
        each
        for each in (await mid.world.subscription())["items"]["data"]
        if "seats" in each["price"]["lookup_key"]
    )
    for quantity in range(20, 30):
        edit = {
            "items[0][id]": item["id"],
            "items[0][quantity]": quantity,
            "proration_behavior": "always_invoice",
        }
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
