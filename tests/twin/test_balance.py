"""The account's balance: fees, pending and available funds, and the list of what moved them."""

from __future__ import annotations

from tests.twin.api import JSON, NOVEMBER, Api, types

DAY = 86400


async def newest(api: Api, kind: str, **wanted: object) -> JSON:
    """The newest object of a list."""
    found: JSON = (await api.get(f"/v1/{kind}", dict(wanted)))["data"][0]
    return found


async def advance(api: Api, clock: str, seconds: int) -> None:
    """Move a test clock forward."""
    now = (await api.get(f"/v1/test_helpers/test_clocks/{clock}"))["frozen_time"]
    await api.post(f"/v1/test_helpers/test_clocks/{clock}/advance", {"frozen_time": now + seconds})


async def test_a_charge_leaves_its_fee(api: Api) -> None:
    """2.9 % and 30 cents of 100.00, itemised (docs "Balance transaction types")."""
    await api.seats()
    charge = await newest(api, "charges", expand=["data.balance_transaction"])
    moved = charge["balance_transaction"]
    assert (moved["amount"], moved["fee"], moved["net"]) == (10000, 320, 9680)
    assert (moved["type"], moved["reporting_category"], moved["source"]) == ("charge", "charge", charge["id"])
    assert [(f["amount"], f["type"]) for f in moved["fee_details"]] == [(320, "stripe_fee")]


async def test_funds_wait_until_their_day(api: Api) -> None:
    """Pending until midnight two days later, then available, with an event (docs "Balances")."""
    subscription = await api.seats()
    moved = await newest(api, "balance_transactions")
    assert (moved["status"], moved["available_on"]) == ("pending", NOVEMBER + 2 * DAY)
    assert await balance(api) == (0, 9680)
    await advance(api, subscription["test_clock"], 2 * DAY - 1)
    assert await balance(api) == (0, 9680)
    await advance(api, subscription["test_clock"], 1)
    assert await balance(api) == (9680, 0)
    assert (await newest(api, "balance_transactions"))["status"] == "available"
    assert len(await api.events(type="balance.available")) == 1


async def balance(api: Api) -> tuple[int, int]:
    """(available, pending) in US dollars."""
    shown = await api.get("/v1/balance")
    sums = [
        sum(p["amount"] for p in shown[name] if p["currency"] == "usd") for name in ("available", "pending")
    ]
    return sums[0], sums[1]


async def test_some_funds_are_there_at_once(api: Api) -> None:
    """The bypass card skips the wait (docs "Testing", available balance)."""
    customer = await api.frozen_customer(card="pm_card_bypassPending")
    await api.subscribe(customer, (await api.price(2000), 1))
    assert await balance(api) == (2000 - 88, 0)


async def test_the_account_sets_its_fees(api: Api) -> None:
    """Another contract with Stripe, another fee."""
    await api.control("account", {"fee_basis_points": 150, "fee_fixed": 25})
    await api.seats()
    assert (await newest(api, "balance_transactions"))["fee"] == 175


async def test_the_list_filters(api: Api) -> None:
    """By type, source, currency and time, newest first (API reference)."""
    subscription = await api.seats()
    charge = await newest(api, "charges")
    refund = await api.post("/v1/refunds", {"charge": charge["id"], "amount": 100})
    both = (await api.get("/v1/balance_transactions"))["data"]
    assert types(both) == ["refund", "charge"]
    for params, wanted in (
        ({"type": "charge"}, ["charge"]),
        ({"source": refund["id"]}, ["refund"]),
        ({"currency": "eur"}, []),
        ({"created": {"gt": NOVEMBER}}, []),
        ({"created": {"gte": NOVEMBER}, "limit": 1, "starting_after": both[0]["id"]}, ["charge"]),
    ):
        assert types((await api.get("/v1/balance_transactions", params))["data"]) == wanted
    one = await api.get(f"/v1/balance_transactions/{refund['balance_transaction']}")
    assert (one["amount"], one["fee"], subscription["currency"]) == (-100, 0, one["currency"])


async def test_nothing_moves_for_a_decline(api: Api) -> None:
    """A failed charge has no balance transaction."""
    await api.held_change()
    charge = await newest(api, "charges")
    assert (charge["status"], charge["balance_transaction"]) == ("failed", None)
    assert len((await api.get("/v1/balance_transactions"))["data"]) == 1
