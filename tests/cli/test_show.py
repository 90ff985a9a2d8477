"""The whole story of any id."""

from __future__ import annotations

from typing import Any

import pytest

from sync.billing import Billing
from sync.rules.terms import PartialTerms
from tests.cli.conftest import confirmed
from tests.cli.shell import Shell


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
