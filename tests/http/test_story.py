"""The surface over the real flows and the twin: each answer is one that the description promises."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.flows.world import ADMIN
from tests.http.conftest import make_key
from tests.http.live import ACCOUNT, TERMS, Live, living, new_account


@pytest.fixture
async def live(database_url: str) -> AsyncIterator[Live]:
    """A caller of a whole Prorata."""
    async with living(database_url) as caller:
        yield caller


@pytest.fixture
async def customer(live: Live) -> Live:
    """The same, with an account that bought something."""
    await live.buy()
    return live


async def test_an_account_is_created_once(live: Live) -> None:
    """The same data again is the same account; other data is a conflict."""
    answers = [await live.account() for _ in range(2)]
    status, refused = await live.account(name="Other")

    assert len({(status, body["created_at"], body["stripe_customer_id"]) for status, body in answers}) == 1
    assert (status, refused["code"]) == (409, "account_exists")


async def test_accounts_are_listed_by_pages(live: Live) -> None:
    """A page ends where the next begins."""
    for account_id in ("a", "b", "c"):
        await live.account(account_id)
    _, first = await live.call("GET", "/v1/accounts", query="?limit=2")
    _, rest = await live.call("GET", "/v1/accounts", query="?limit=2&starting_after=b")

    assert ([each["account_id"] for each in first["data"]], first["has_more"]) == (["a", "b"], True)
    assert ([each["account_id"] for each in rest["data"]], rest["has_more"]) == (["c"], False)


async def test_the_catalog_is_answered(live: Live) -> None:
    """The catalog has every product."""
    status, found = await live.call("GET", "/v1/catalog")

    assert status == 200
    assert [product["id"] for product in found["products"]] == ["marketing", "sales", "bundle"]


async def test_an_unknown_account_is_a_404_everywhere(live: Live) -> None:
    """Reading, estimating and quoting all say the same."""
    answers = [
        await live.view("nobody"),
        await live.call("GET", f"{ACCOUNT}/invoices", account_id="nobody"),
        await live.call("POST", f"{ACCOUNT}/estimates", {"terms": TERMS}, account_id="nobody"),
        await live.quote("nobody", **TERMS),
    ]

    assert [(status, body["code"]) for status, body in answers] == [(404, "account_unknown")] * 4


async def test_usage_and_admin_are_kept_up_to_date(live: Live) -> None:
    """What the host application tells is shown in the account."""
    await live.account()
    usage = {"contacts": 900, "seats": 2}
    admin = {"user_id": "user_2", "email": "bob@example.com"}
    await live.call("PUT", f"{ACCOUNT}/usage", usage, account_id="acme")
    await live.call("PUT", f"{ACCOUNT}/primary-admin", admin, account_id="acme")

    _, account = await live.view()
    assert (account["usage"], account["primary_admin"]) == (usage, admin)


async def test_a_purchase_charges_the_quote(live: Live) -> None:
    """After the confirm the account has what it bought, and the charge is the quote."""
    await live.account()
    _, quote = await live.quote(**TERMS)
    status, change = await live.confirm(quote["id"])

    assert (status, change["now"]["charged"]) == (200, quote["due_today"])
    assert (await live.view())[1]["terms"] == quote["now"]


async def test_changes_and_invoices_are_listed(customer: Live) -> None:
    """The purchase is in both lists."""
    _, changes = await customer.call("GET", "/v1/changes", query="?account_id=acme")
    _, invoices = await customer.call("GET", f"{ACCOUNT}/invoices", account_id="acme")

    assert [(each["state"], each["now"]["difference_minor"]) for each in changes["data"]] == [("settled", 0)]
    assert [each["status"] for each in invoices["data"]] == ["paid"]


async def test_an_upgrade_is_estimated_and_quoted(customer: Live) -> None:
    """Both answers are for the same wish; a quote can be read again as it was."""
    status, _ = await customer.call(
        "POST", f"{ACCOUNT}/estimates", {"terms": {"seats": 6}}, account_id="acme"
    )
    _, quote = await customer.quote(seats=6)

    assert (status, quote["self_serve"], quote["now"]["seats"]) == (200, True, 6)
    assert await customer.call("GET", "/v1/quotes/{quote_id}", quote_id=quote["id"]) == (200, quote)


async def test_a_repeated_confirm_is_one_change(customer: Live) -> None:
    """Ten confirms of one quote at once, under several keys, are one change and one charge."""
    _, quote = await customer.quote(seats=6)
    answers = await asyncio.gather(*(customer.confirm(quote["id"], key=f"k{n % 3}") for n in range(10)))

    changes = {body["id"] for status, body in answers if status in (200, 202)}
    assert len(changes) == 1
    assert {status for status, _ in answers} <= {200, 202, 409}


async def test_a_replay_of_confirm_shows_the_change_as_it_is_now(customer: Live) -> None:
    """Under the same key the first answer is `confirmed`, a later one `settled`."""
    _, quote = await customer.quote(seats=6)
    status, first = await customer.confirm(quote["id"], key="same", query="?wait=0")
    await customer.change(first["id"])
    again, last = await customer.confirm(quote["id"], key="same", query="?wait=0")

    assert (status, again) == (202, 200)
    assert (last["id"], last["state"]) == (first["id"], "settled")


async def test_a_decline_is_a_402_with_the_change(live: Live) -> None:
    """The problem document says that nothing was charged, and has the change's own members."""
    await live.account(payment_method="pm_card_chargeCustomerFail")
    _, quote = await live.quote(**TERMS)
    status, declined = await live.confirm(quote["id"])

    assert (status, declined["code"]) == (402, "payment_declined")
    assert (declined["quote_id"], declined["state"]) == (quote["id"], "failed")
    assert "nothing was charged" in declined["detail"].lower()


async def test_a_change_that_waits_for_the_bank_can_be_withdrawn(live: Live) -> None:
    """The confirm is a 202 with the bank's page; afterwards the quote is used up."""
    await live.account(payment_method="pm_card_authenticationRequired")
    _, quote = await live.quote(**TERMS)
    waiting, change = await live.confirm(quote["id"])
    path = "/v1/changes/{change_id}/withdraw"
    _, withdrawn = await live.call("POST", path, {"actor": ADMIN}, change_id=change["id"])
    status, used = await live.confirm(quote["id"])

    assert (waiting, change["now"]["hosted_invoice_url"][:4], withdrawn["state"]) == (
        202,
        "http",
        "withdrawn",
    )
    assert (status, used["code"], used["id"]) == (409, "quote_used", change["id"])


async def test_only_the_primary_admin_may_quote_and_confirm(customer: Live) -> None:
    """Another actor is refused with the same code on both steps."""
    _, quote = await customer.quote(seats=6)
    refusals = [
        await customer.quote(seats=6, actor="user_9"),
        await customer.confirm(quote["id"], actor="user_9"),
    ]

    assert [(status, body["code"]) for status, body in refusals] == [(403, "not_billing_admin")] * 2


async def test_support_quotes_and_does_not_confirm(customer: Live) -> None:
    """The role of support ends before the money."""
    customer.headers = await make_key(customer.world.billing.pool, "key_s", ["support"])
    status, quote = await customer.quote(seats=6)
    refused, body = await customer.confirm(quote["id"])

    assert (status, refused, body["code"]) == (200, 403, "forbidden")


@pytest.mark.parametrize(
    ("terms", "status", "code", "pointer"),
    [
        ({"seats": "8"}, 400, "bad_request", "/terms/seats"),
        ({"seat": 8}, 400, "bad_request", "/terms/seat"),
        ({"seats": 10**9}, 422, "quantity_out_of_range", "/terms/seats"),
        ({"tier": "platinum"}, 422, "not_in_catalog", "/terms/tier"),
        ({"add_ons": {"fax": 1}}, 422, "not_in_catalog", "/terms/add_ons/fax"),
    ],
)
async def test_a_wish_that_cannot_be_is_pointed_at(
    customer: Live, terms: dict[str, Any], status: int, code: str, pointer: str
) -> None:
    """Shape errors are 400, broken rules 422, each with its pointer."""
    found, body = await customer.quote(**terms)

    assert (found, body["code"], body["errors"][0]["pointer"]) == (status, code, pointer)


async def test_an_actor_is_needed(customer: Live) -> None:
    """Automation acts in the name of somebody: without a name nothing is done."""
    wish = {"terms": {"seats": 6}}
    status, body = await customer.call("POST", f"{ACCOUNT}/quotes", wish, account_id="acme")

    assert (status, [entry["pointer"] for entry in body["errors"]]) == (400, ["/actor"])


async def test_a_refused_wish_is_a_quote_that_cannot_be_confirmed(customer: Live) -> None:
    """A lower tier is not self-serve: the quote says so, and confirming it says the same."""
    _, quote = await customer.quote(tier="starter")
    status, body = await customer.confirm(quote["id"])

    assert (quote["self_serve"], quote["refusals"][0]["code"]) == (False, "needs_request")
    assert (status, body["code"]) == (422, "needs_request")


async def test_a_stale_quote_brings_the_new_one(customer: Live) -> None:
    """When something moved, the refusal carries a quote with the amounts of now."""
    _, old = await customer.quote(seats=6)
    _, other = await customer.quote(seats=7)
    _, change = await customer.confirm(other["id"])
    await customer.change(change["id"])
    status, body = await customer.confirm(old["id"])

    assert (status, body["code"]) == (409, "quote_stale")
    assert customer.description.flaws({"$ref": "#/components/schemas/Quote"}, body["new_quote"]) == []


async def test_a_settled_change_cannot_be_withdrawn(customer: Live) -> None:
    """What was paid stays."""
    _, page = await customer.call("GET", "/v1/changes")
    path = "/v1/changes/{change_id}/withdraw"
    status, _ = await customer.call("POST", path, {"actor": ADMIN}, change_id=page["data"][0]["id"])

    assert status == 409


async def test_stripe_away_is_a_503_and_may_be_repeated(live: Live) -> None:
    """While Stripe is away a new account is told to come back, and the repetition under the key works."""
    await live.world.twin.close()
    status, body = await live.call("POST", "/v1/accounts", new_account(), key="same")

    assert (status, body["code"], body["retryable"]) == (503, "stripe_unavailable", True)


async def test_a_request_is_answered_as_described(customer: Live) -> None:
    """Submitted, looked at with both timings, listed, declined: each answer fits its description."""
    body = {"terms": {"tier": "starter"}, "effective": "now", "reason": "fewer people", "actor": ADMIN}
    path = f"{ACCOUNT}/change-requests"
    status, made = await customer.call("POST", path, body, account_id="acme")
    one = "/v1/change-requests/{request_id}"
    _, shown = await customer.call("GET", one, request_id=made["id"])
    _, listed = await customer.call("GET", "/v1/change-requests", query="?state=submitted")
    _, declined = await customer.call(
        "POST", f"{one}/decline", {"actor": "sam", "note": "no"}, request_id=made["id"]
    )

    assert (status, set(shown["dry_run"])) == (201, {"now", "renewal"})
    assert [each["id"] for each in listed["data"]] == [made["id"]]
    assert declined["state"] == "declined"
