"""The whole story of any id."""

from __future__ import annotations

from typing import Any

import aiohttp
import pytest

from sync.billing import Billing
from sync.rules.terms import PartialTerms
from tests.cli.conftest import confirmed
from tests.cli.shell import Shell
from worker.twin.server import RunningTwin


async def id_of(billing: Billing, change: dict[str, Any], kind: str) -> str:
    """An id of this kind that belongs to the change."""
    of_account = "SELECT {} FROM account JOIN change ON account_id = account.id WHERE change.id = $1"
    queries = {
        "account": "SELECT account_id FROM change WHERE id = $1",
        "change": "SELECT $1",
        "quote": "SELECT quote_id FROM change WHERE id = $1",
        "invoice": "SELECT stripe_invoice_id FROM change_leg WHERE change_id = $1",
        "request": "SELECT stripe_request_id FROM stripe_call WHERE subject_id = $1",
        "customer": of_account.format("stripe_customer_id"),
        "subscription": of_account.format("stripe_subscription_id"),
    }
    return str(await billing.pool.fetchval(queries[kind], change["id"]))


@pytest.mark.parametrize(
    "kind", ["account", "change", "quote", "invoice", "request", "customer", "subscription"]
)
async def test_any_id_leads_to_the_change(
    acme: Shell, billing: Billing, first: dict[str, Any], kind: str
) -> None:
    """Whatever id is at hand, the story has the quote, the call, the steps, in the order of time."""
    story = await acme.good("show", await id_of(billing, first, kind))

    told = [(each["what"], each["state"]) for each in story["story"] if "customer:1" not in each["id"]]
    assert (story["kind"], story["account"]["id"]) == (kind, "acme")
    assert story["changes"][0]["change_id"] == first["id"]
    assert told == [
        ("quote", "confirmed"),
        ("step", "confirmed"),
        ("call", "answered"),
        ("step", "applying"),
        ("step", "applied"),
        ("step", "settled"),
    ]


async def test_event_leads_to_its_account(acme: Shell, billing: Billing, first: dict[str, Any]) -> None:
    """An event that came in belongs to the change whose invoice it is about."""
    await acme.good("catch-up")
    invoice = await id_of(billing, first, "invoice")
    events = await acme.good("events", "list", "--about", invoice)
    story = await acme.good("show", events[0]["id"])

    assert story["changes"][0]["change_id"] == first["id"]
    assert events[0]["id"] in [each["id"] for each in story["story"]]


async def test_story_of_one_change_leaves_others_out(
    acme: Shell, billing: Billing, first: dict[str, Any]
) -> None:
    """Only what belongs to the change that was asked for."""
    second = await confirmed(billing, PartialTerms(seats=5))
    story = await acme.good("show", second["id"])

    assert [change["change_id"] for change in story["changes"]] == [second["id"]]
    assert [each["what"] for each in story["story"]] == ["quote", "call", "step"]


async def test_text_says_whether_money_is_right(acme: Shell, first: dict[str, Any]) -> None:
    """A person reads state, both amounts, and the key and request id of each call."""
    said = await acme.quick("show", first["id"])

    assert "69.00 USD quoted, 69.00 USD charged" in said.out
    assert "POST /v1/subscriptions -> 200 req_" in said.out
    assert f"key change:{first['id']}:now:send:1" in said.out


async def test_account_may_be_named_like_anything(acme: Shell, billing: Billing) -> None:
    """The host application chooses its ids: one that looks like a subscription is still found."""
    await billing.pool.execute("UPDATE account SET id = 'sub_team' WHERE id = 'acme'")

    assert (await acme.good("show", "sub_team"))["kind"] == "account"


async def paid(acme: Shell, billing: Billing) -> dict[str, Any]:
    """The charge of `acme`, known from the events that were caught up with."""
    await acme.good("catch-up")
    row = await billing.pool.fetchrow("SELECT id, payment_intent_id FROM stripe_charge")
    assert row is not None
    return dict(row)


@pytest.mark.parametrize(
    ("column", "kind", "members"),
    [
        ("id", "charge", {"amount_minor": 6900, "amount_refunded_minor": 0, "disputed": False}),
        ("payment_intent_id", "payment_intent", {"amount_minor": 6900, "failure_code": None}),
    ],
)
async def test_money_leads_to_the_change_that_it_paid(
    acme: Shell, billing: Billing, first: dict[str, Any], column: str, kind: str, members: dict[str, Any]
) -> None:
    """A charge or payment intent tells itself, its invoice, and the change with the events of both."""
    money = (await paid(acme, billing))[column]
    story = await acme.good("show", money)

    assert (story["kind"], story["changes"][0]["change_id"]) == (kind, first["id"])
    expected = {"status": "succeeded", "stripe_invoice_id": await id_of(billing, first, "invoice"), **members}
    assert story["about"] | expected == story["about"]
    told = {each["detail"]["type"] for each in story["story"] if each["what"] == "event"}
    assert {"charge.succeeded", "payment_intent.succeeded", "invoice.paid"} <= told
    said = await acme.quick("show", money)
    assert "69.00 USD succeeded" in said.out


async def test_money_of_no_change_leads_to_the_account(
    acme: Shell, billing: Billing, first: dict[str, Any]
) -> None:
    """A charge that pays a renewal, or something sold by hand, belongs to the account as a whole."""
    await paid(acme, billing)
    await billing.pool.execute(
        "INSERT INTO stripe_charge SELECT 'ch_other', customer_id, NULL, 'failed', 'eur', 900, false, 0, 0, "
        "true, 'card_declined', NULL, created_unix FROM stripe_charge"
    )
    story = await acme.good("show", "ch_other")
    said = await acme.quick("show", "ch_other")

    assert (story["account"]["id"], story["about"]["stripe_invoice_id"]) == ("acme", None)
    assert "9.00 EUR failed (card_declined), DISPUTED" in said.out


async def test_schedule_tells_its_phases(
    acme: Shell, billing: Billing, twin: RunningTwin, first: dict[str, Any]
) -> None:
    """What the subscription will be, item by item, and whose it is."""
    subscription = await id_of(billing, first, "subscription")
    async with aiohttp.ClientSession(headers={"Authorization": "Bearer sk_test_x"}) as session:
        made = await session.post(
            f"{twin.base_url}/v1/subscription_schedules", data={"from_subscription": subscription}
        )
        schedule = (await made.json())["id"]
    await acme.good("catch-up")
    story = await acme.good("show", schedule)
    said = await acme.quick("show", schedule)

    assert (story["kind"], story["account"]["id"]) == ("schedule", "acme")
    assert (story["about"]["status"], story["about"]["end_behavior"]) == ("active", "release")
    assert {item["phase"] for item in story["about"]["items"]} == {0}
    assert "1 x prorata:base:marketing:plus:-:month:usd:v1" in said.out
