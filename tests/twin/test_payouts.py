"""Payouts: by hand out of what is available, every day by themselves, and failing at the bank."""

from __future__ import annotations

from tests.twin.api import JSON, Api, types
from tests.twin.test_balance import balance

DAY = 86400


async def rich(api: Api, amount: int = 2000) -> JSON:
    """A customer whose payment is available at once: 2000 less 88 of fees."""
    customer = await api.customer("pm_card_bypassPending")
    return await api.subscribe(customer, (await api.price(amount), 1))


async def later(api: Api, seconds: int) -> None:
    """Move the twin's own clock."""
    await api.control("clock", {"advance_seconds": seconds})


async def of_payouts(api: Api) -> list[str]:
    """The types of payout events, oldest first."""
    return types(await api.events(type="payout.*"))[::-1]


async def test_a_payout_by_hand(api: Api) -> None:
    """It leaves the balance at once, arrives a day later, and nobody itemises it (docs "Payouts")."""
    await rich(api)
    made = await api.post("/v1/payouts", {"amount": 1000, "currency": "usd", "metadata": {"why": "rent"}})
    assert (made["status"], made["automatic"], made["reconciliation_status"]) == (
        "pending",
        False,
        "not_applicable",
    )
    assert await balance(api) == (912, 0)
    swept = (await api.get("/v1/balance_transactions", {"payout": made["id"]}))["data"]
    assert [(t["type"], t["amount"]) for t in swept] == [("payout", -1000)]
    await later(api, 2 * DAY)
    assert (await api.get(f"/v1/payouts/{made['id']}"))["status"] == "paid"
    assert await of_payouts(api) == ["payout.created", "payout.updated", "payout.paid"]


async def test_no_more_than_there_is(api: Api) -> None:
    """Pending funds cannot be paid out (error code `balance_insufficient`)."""
    await api.seats()
    error = (await api.post("/v1/payouts", {"amount": 1, "currency": "usd"}, status=400))["error"]
    assert error["code"] == "balance_insufficient"
    assert await api.ledger(kind="payout") == []


async def test_daily_payouts_sweep_what_is_available(api: Api) -> None:
    """Off unless the account asks; then each can be itemised (docs "Payout reconciliation")."""
    await rich(api)
    await later(api, 2 * DAY)
    assert (await api.get("/v1/payouts"))["data"] == []
    await api.control("account", {"automatic_payouts": True})
    await later(api, DAY)
    payout = (await api.get("/v1/payouts"))["data"][0]
    assert (payout["amount"], payout["automatic"]) == (1912, True)
    swept = (await api.get("/v1/balance_transactions", {"payout": payout["id"]}))["data"]
    assert [(t["type"], t["net"]) for t in swept] == [("payout", -1912), ("charge", 1912)]
    assert await balance(api) == (0, 0)
    await later(api, DAY)
    paid = (await api.get("/v1/payouts", {"status": "paid"}))["data"]
    assert [p["reconciliation_status"] for p in paid] == ["completed"]
    assert (await of_payouts(api))[-1] == "payout.reconciliation_completed"
    await later(api, 3 * DAY)
    assert len((await api.get("/v1/payouts"))["data"]) == 1


async def test_a_bank_sends_a_payout_back(api: Api) -> None:
    """Even after `paid` the money returns to the balance, to go out again (docs "Payout failures")."""
    await rich(api)
    await api.control("account", {"automatic_payouts": True})
    await later(api, 2 * DAY)
    first = (await api.get("/v1/payouts"))["data"][0]
    failed = await api.control(
        "dashboard", {"act": "fail_payout", "payout": first["id"], "code": "account_closed"}
    )
    assert (failed["status"], failed["failure_code"]) == ("failed", "account_closed")
    back = await api.get(f"/v1/balance_transactions/{failed['failure_balance_transaction']}")
    assert (back["type"], back["amount"]) == ("payout_failure", 1912)
    assert await balance(api) == (1912, 0)
    assert (await of_payouts(api))[-2:] == ["payout.updated", "payout.failed"]
    await later(api, 2 * DAY)
    assert [p["amount"] for p in (await api.get("/v1/payouts"))["data"]] == [1912, 1912]


async def test_a_pending_payout_can_be_called_back(api: Api) -> None:
    """Only one that was made by hand, and only before it arrives."""
    await rich(api)
    made = await api.post("/v1/payouts", {"amount": 1000, "currency": "usd"})
    assert (await api.post(f"/v1/payouts/{made['id']}/cancel"))["status"] == "canceled"
    assert await balance(api) == (1912, 0)
    await api.post(f"/v1/payouts/{made['id']}/cancel", status=400)
    await later(api, 2 * DAY)
    assert (await api.get(f"/v1/payouts/{made['id']}"))["status"] == "canceled"
