"""Disputes: money and a fee leave, and return when the dispute is won."""

from __future__ import annotations

import pytest

from tests.twin.api import JSON, Api, types
from tests.twin.test_balance import newest


async def disputed(api: Api, **body: object) -> JSON:
    """A dispute about a charge of 100.00."""
    await api.seats()
    charge = await newest(api, "charges")
    made: JSON = await api.control("dashboard", {"act": "dispute", "charge": charge["id"], **body})
    return made


async def nets(api: Api, dispute: JSON) -> list[tuple[int, int, str]]:
    """(amount, fee, category) of a dispute's balance transactions, oldest first."""
    listed = (await api.get("/v1/balance_transactions", {"source": dispute["id"]}))["data"]
    return [(t["amount"], t["fee"], t["reporting_category"]) for t in reversed(listed)]


async def told(api: Api) -> list[str]:
    """What the events say about disputes, oldest first."""
    return [
        kind.removeprefix("charge.dispute.") for kind in types(await api.events(type="charge.dispute.*"))
    ][::-1]


async def test_the_money_and_a_fee_leave(api: Api) -> None:
    """At once when the dispute opens (docs "How disputes work")."""
    dispute = await disputed(api, reason="fraudulent")
    assert (dispute["status"], dispute["reason"]) == ("needs_response", "fraudulent")
    assert await nets(api, dispute) == [(-10000, 1500, "dispute")]
    assert [t["net"] for t in dispute["balance_transactions"]] == [-11500]
    assert await told(api) == ["created", "funds_withdrawn"]
    charge = await api.get(f"/v1/charges/{dispute['charge']}")
    assert charge["disputed"] is True
    error = (await api.post("/v1/refunds", {"charge": charge["id"]}, status=400))["error"]
    assert error["code"] == "charge_disputed"


async def test_won(api: Api) -> None:
    """The amount and the fee come back (docs "Testing": the charge amount and related fees)."""
    dispute = await disputed(api)
    await api.control("dashboard", {"act": "close_dispute", "dispute": dispute["id"], "outcome": "won"})
    assert await nets(api, dispute) == [(-10000, 1500, "dispute"), (10000, -1500, "dispute_reversal")]
    assert await told(api) == ["created", "funds_withdrawn", "updated", "funds_reinstated", "closed"]
    assert (await api.get(f"/v1/disputes/{dispute['id']}"))["status"] == "won"
    await api.post(f"/v1/disputes/{dispute['id']}/close", status=400)


@pytest.mark.parametrize("way", ["bank", "account"])
async def test_lost(api: Api, way: str) -> None:
    """The bank decides, or the account gives in (`/close`): nothing returns."""
    dispute = await disputed(api)
    if way == "bank":
        await api.control("dashboard", {"act": "close_dispute", "dispute": dispute["id"], "outcome": "lost"})
    else:
        await api.post(f"/v1/disputes/{dispute['id']}/close")
    assert (await api.get(f"/v1/disputes/{dispute['id']}"))["status"] == "lost"
    assert await nets(api, dispute) == [(-10000, 1500, "dispute")]
    assert await told(api) == ["created", "funds_withdrawn", "updated", "closed"]


@pytest.mark.parametrize(("text", "status"), [("winning_evidence", "won"), ("losing_evidence", "lost")])
async def test_the_evidence_decides(api: Api, text: str, status: str) -> None:
    """Two test texts win and lose; any other is looked at (docs "Testing")."""
    dispute = await disputed(api)
    path = f"/v1/disputes/{dispute['id']}"
    kept = await api.post(path, {"evidence": {"uncategorized_text": text}, "submit": False})
    assert (kept["status"], kept["evidence_details"]["has_evidence"]) == ("needs_response", True)
    looked = await api.post(path, {"evidence": {"uncategorized_text": "They used it."}})
    assert looked["status"] == "under_review"
    sent = [d["evidence_details"]["submission_method"] for d in (dispute, kept, looked)]
    assert sent == ["not_submitted", "not_submitted", "manual"]
    assert (await api.post(path, {"evidence": {"uncategorized_text": text}}))["status"] == status


async def test_an_inquiry_moves_nothing_until_it_is_escalated(api: Api) -> None:
    """A question of the bank's; the charge stays refundable (docs "How disputes work")."""
    dispute = await disputed(api, inquiry=True)
    assert (dispute["status"], dispute["is_charge_refundable"]) == ("warning_needs_response", True)
    assert await nets(api, dispute) == []
    more = await api.control(
        "dashboard", {"act": "close_dispute", "dispute": dispute["id"], "outcome": "escalate"}
    )
    assert more["status"] == "needs_response"
    assert await nets(api, dispute) == [(-10000, 1500, "dispute")]
    assert await told(api) == ["created", "updated", "funds_withdrawn"]


async def test_an_inquiry_may_just_end(api: Api) -> None:
    """Closed without any money moved."""
    dispute = await disputed(api, inquiry=True)
    await api.post(f"/v1/disputes/{dispute['id']}/close")
    assert (await api.get(f"/v1/disputes/{dispute['id']}"))["status"] == "warning_closed"
    assert await nets(api, dispute) == []


@pytest.mark.parametrize(
    ("card", "reason", "status"),
    [
        ("pm_card_createDispute", "fraudulent", "needs_response"),
        ("pm_card_createDisputeProductNotReceived", "product_not_received", "needs_response"),
        ("pm_card_createDisputeInquiry", "fraudulent", "warning_needs_response"),
    ],
)
async def test_some_cards_are_disputed_as_soon_as_they_paid(
    api: Api, card: str, reason: str, status: str
) -> None:
    """The payment succeeds, the subscription is active, and the dispute is there (docs "Testing")."""
    customer = await api.frozen_customer(card=card)
    subscription = await api.subscribe(customer, (await api.price(2000), 1))
    assert subscription["status"] == "active"
    dispute = await newest(api, "disputes")
    assert (dispute["reason"], dispute["status"]) == (reason, status)
