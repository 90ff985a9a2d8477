"""Money moved, or still can move, behind a change that ended without effect or says so."""

from __future__ import annotations

import asyncio

from sync.advance import advance
from tests.faults.hands import Hands
from tests.flows.world import MARKETING


async def test_garbled_success_is_an_unknown_outcome(mid: Hands) -> None:
    """A 200 whose body is cut or rewritten on the way: the update happened, so the change must not fail."""
    quote = await mid.world.quote({"seats": 8})
    path = f"/v1/subscriptions/{(await mid.world.subscription())['id']}"
    await mid.fault(method="POST", path=path, when="after", garbage=True, status=200)
    change = await mid.step(await mid.confirm(quote))
    assert await mid.charged(change) > 0
    assert change["state"] != "failed", change["now"]["detail"]


async def test_body_of_a_garbled_answer_is_never_stored(mid: Hands) -> None:
    """Bodies of Stripe's answers do not belong into steps and details."""
    quote = await mid.world.quote({"seats": 8})
    path = f"/v1/subscriptions/{(await mid.world.subscription())['id']}"
    await mid.fault(method="POST", path=path, when="after", garbage=True, status=502)
    change = await mid.step(await mid.confirm(quote))
    assert "<html>" not in str(change)


async def test_lagging_read_does_not_end_a_payable_change(mid: Hands) -> None:
    """One stale read right after the answer: the invoice is open, so the change may not end."""
    change = await mid.awaiting({"seats": 8})
    path = f"/v1/subscriptions/{(await mid.world.subscription())['id']}"
    await mid.fault(method="GET", path=path, stale=True)
    change = await mid.step(change)
    invoice = change["now"]["stripe_invoice_id"]
    still = await mid.world.stripe("GET", f"/v1/invoices/{invoice}")
    assert ("open", "awaiting_payment") == (still["status"], change["state"]), change["now"]["detail"]


async def test_ended_change_is_never_charged_afterwards(mid: Hands) -> None:
    """The same, told to its end: the payer pays the change that we called expired."""
    change = await mid.awaiting({"seats": 8})
    path = f"/v1/subscriptions/{(await mid.world.subscription())['id']}"
    await mid.fault(method="GET", path=path, stale=True)
    change = await mid.step(change)
    invoice = change["now"]["stripe_invoice_id"]
    await mid.world.control("POST", "dashboard", {"act": "complete_authentication", "invoice": invoice})
    change = await mid.step(change)
    assert (await mid.charged(change) > 0) == (change["state"] == "applied"), change["now"]


async def test_paid_change_whose_mark_is_gone_is_applied(mid: Hands) -> None:
    """Somebody clears the subscription's metadata after the payment: the invoice still proves it."""
    change = await mid.awaiting({"seats": 8})
    invoice = change["now"]["stripe_invoice_id"]
    await mid.world.control("POST", "dashboard", {"act": "complete_authentication", "invoice": invoice})
    subscription = await mid.world.subscription()
    await mid.world.stripe("POST", f"/v1/subscriptions/{subscription['id']}", metadata="")
    change = await mid.step(change)
    assert await mid.charged(change) > 0
    assert change["state"] == "applied", change["now"]["detail"]


async def test_lagging_read_of_a_paid_change_is_no_decline(mid: Hands) -> None:
    """Paid, and the pending update is still shown for a moment: not declined, and no void is sent."""
    change = await mid.awaiting({"seats": 8})
    invoice = change["now"]["stripe_invoice_id"]
    await mid.world.control("POST", "dashboard", {"act": "complete_authentication", "invoice": invoice})
    path = f"/v1/subscriptions/{(await mid.world.subscription())['id']}"
    await mid.fault(method="GET", path=path, stale=True)
    change = await mid.step(change)
    voids = await mid.requests("POST", "/void")
    assert [] == voids
    assert change["now"]["reason"] != "payment_declined", change["now"]


async def test_first_purchase_paid_and_cancelled_meanwhile_was_charged(hands: Hands) -> None:
    """The answer is lost, staff cancel the subscription: 'nothing was charged' would be a lie."""
    await hands.world.sell(MARKETING)
    await hands.world.account()
    quote = await hands.world.quote(MARKETING.to_json())
    await hands.fault(method="POST", path="/v1/subscriptions", when="after", reset=True)
    change = await hands.step(await hands.confirm(quote))
    customer = (await hands.world.view())["stripe_customer_id"]
    [made] = (await hands.world.stripe("GET", "/v1/subscriptions", customer=customer))["data"]
    await hands.world.control(
        "POST", "dashboard", {"method": "DELETE", "path": f"/v1/subscriptions/{made['id']}"}
    )
    change = await hands.step(change)
    assert await hands.charged(change) > 0
    assert "Nothing was charged" not in str(change["now"]["detail"])


async def test_item_added_after_the_confirm_is_not_charged_with_it(mid: Hands) -> None:
    """Confirmed, and before it is sent somebody adds an item: only what was confirmed may be charged."""
    change = await mid.confirm(await mid.world.quote({"seats": 8}))
    customer = (await mid.world.view())["stripe_customer_id"]
    subscription = (await mid.world.subscription())["id"]
    await mid.world.stripe(
        "POST", "/v1/invoiceitems", customer=customer, subscription=subscription, amount=9900, currency="usd"
    )
    change = await mid.step(change)
    quoted = change["now"]["quoted"]["amount_minor"]
    assert await mid.charged(change) in (0, quoted), change["now"]


async def test_call_that_left_late_does_not_charge_an_expired_change(mid: Hands) -> None:
    """A process is held up between its commit and the wire, by a stopped machine or an empty rate budget.

    Its lease is lost, the deadline passes, two clean reads later the change has expired: then it goes on.
    """
    pool = mid.world.billing.pool
    change = await mid.confirm(await mid.world.quote({"seats": 8}))
    held_up = mid.hold_up_write()
    late = asyncio.create_task(advance(mid.world.billing, change["id"]))
    await held_up.reached.wait()
    # Whoever takes over is not held up.
    mid.world.billing.gateway._transport._budget = held_up.plain
    where = "WHERE change_id = $1"
    passed = "UPDATE change_leg SET leased_until = '-infinity', apply_deadline_at = now() - interval '1 s'"
    await pool.execute(f"{passed} {where}", change["id"])
    await mid.step(change)
    waited = "UPDATE change_leg SET clean_read_at = now() - interval '70 s'"
    await pool.execute(f"{waited} {where}", change["id"])
    assert "expired" == (await mid.step(change))["state"]
    held_up.go_on.set()
    await late
    assert 0 == await mid.charged(change)
