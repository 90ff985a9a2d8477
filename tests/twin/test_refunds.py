"""Refunds: in parts, refused, waiting, failing after they succeeded, and called back."""

from __future__ import annotations

import pytest

from tests.twin.api import JSON, Api, types
from tests.twin.test_balance import advance, newest

DAY = 86400


async def paid(api: Api, card: str = "pm_card_visa") -> tuple[JSON, JSON]:
    """(a subscription of 100.00 on a frozen clock, its charge)."""
    customer = await api.frozen_customer(card=card)
    subscription = await api.subscribe(customer, (await api.price(2000), 5))
    return subscription, await newest(api, "charges")


async def test_parts_up_to_the_whole(api: Api) -> None:
    """Each has its balance transaction; the fee of the charge is not given back (docs "Refunds")."""
    _, charge = await paid(api)
    first = await api.post("/v1/refunds", {"charge": charge["id"], "amount": 4000, "reason": "duplicate"})
    moved = await api.get(f"/v1/balance_transactions/{first['balance_transaction']}")
    assert (moved["type"], moved["amount"], moved["fee"]) == ("refund", -4000, 0)
    rest = await api.post("/v1/refunds", {"payment_intent": charge["payment_intent"]})
    assert (rest["amount"], rest["status"]) == (6000, "succeeded")
    seen = await api.get(f"/v1/charges/{charge['id']}")
    assert (seen["amount_refunded"], seen["refunded"]) == (10000, True)
    changed = (await api.events(type="charge.refunded"))[::-1]
    assert [e["data"]["previous_attributes"]["amount_refunded"] for e in changed] == [0, 4000]


@pytest.mark.parametrize("amount", [10001, 0, -5])
async def test_never_more_than_was_taken(api: Api, amount: int) -> None:
    """Refused, without any effect."""
    _, charge = await paid(api)
    await api.post("/v1/refunds", {"charge": charge["id"], "amount": amount}, status=400)
    assert await api.ledger(kind="refund") == []


async def test_only_what_succeeded_can_be_refunded(api: Api) -> None:
    """Neither a failed charge, nor an intent without a charge, nor both names at once, nor none."""
    await api.held_change()
    failed = await newest(api, "charges")
    for params in (
        {"charge": failed["id"]},
        {"payment_intent": failed["payment_intent"]},
        {"charge": failed["id"], "payment_intent": failed["payment_intent"]},
        {"amount": 5},
    ):
        await api.post("/v1/refunds", params, status=400)


async def test_a_refund_may_wait(api: Api) -> None:
    """`pm_card_pendingRefund`: pending, later succeeded, with `refund.updated` (docs "Testing")."""
    subscription, charge = await paid(api, "pm_card_pendingRefund")
    refund = await api.post("/v1/refunds", {"charge": charge["id"]})
    assert (refund["status"], refund["pending_reason"]) == ("pending", "processing")
    await advance(api, subscription["test_clock"], DAY)
    seen = await api.get(f"/v1/refunds/{refund['id']}")
    assert (seen["status"], "pending_reason" in seen) == ("succeeded", False)
    event = (await api.events(type="refund.updated"))[0]
    assert event["data"]["previous_attributes"] == {"status": "pending", "pending_reason": "processing"}
    assert len(await api.events(type="charge.refund.updated")) == 1


async def test_a_refund_may_fail_after_it_succeeded(api: Api) -> None:
    """`pm_card_refundFail`: the money is back in the balance, and may be refunded again (docs "Testing")."""
    subscription, charge = await paid(api, "pm_card_refundFail")
    refund = await api.post("/v1/refunds", {"charge": charge["id"], "amount": 2500})
    assert refund["status"] == "succeeded"
    await advance(api, subscription["test_clock"], DAY)
    failed = await api.get(
        f"/v1/refunds/{refund['id']}", {"expand": ["charge", "failure_balance_transaction"]}
    )
    assert (failed["status"], failed["failure_reason"]) == ("failed", "expired_or_canceled_card")
    assert failed["failure_balance_transaction"]["amount"] == 2500
    assert (failed["charge"]["amount_refunded"], failed["charge"]["refunded"]) == (0, False)
    assert len(await api.events(type="refund.failed")) == 1


async def test_a_pending_refund_can_be_called_back_in_the_dashboard(api: Api) -> None:
    """The API cancels no card refunds; the dashboard does while they wait (docs "Testing")."""
    subscription, charge = await paid(api, "pm_card_pendingRefund")
    refund = (await api.post("/v1/refunds", {"charge": charge["id"]}))["id"]
    await api.post(f"/v1/refunds/{refund}/cancel", status=400)
    done = await api.control("dashboard", {"act": "cancel_refund", "refund": refund})
    assert done["status"] == "canceled"
    await advance(api, subscription["test_clock"], 2 * DAY)
    assert (await api.get(f"/v1/refunds/{refund}"))["status"] == "canceled"
    assert (await api.get(f"/v1/charges/{charge['id']}"))["amount_refunded"] == 0


async def test_metadata_is_the_one_thing_to_change(api: Api) -> None:
    """An update emits both events of refunds, the older name without history."""
    _, charge = await paid(api)
    refund = (await api.post("/v1/refunds", {"charge": charge["id"], "amount": 5}))["id"]
    changed = await api.post(f"/v1/refunds/{refund}", {"metadata": {"ticket": "7"}})
    assert changed["metadata"] == {"ticket": "7"}
    assert types(await api.events())[:2] == ["charge.refund.updated", "refund.updated"]
