"""Change requests from a shell: looked at with both timings, then decided."""

from __future__ import annotations

from typing import Any

import pytest

from sync import catalog_push, change_requests, changes, quotes
from sync.advance import advance
from sync.billing import Billing
from sync.rules.policy_rule import Effective
from sync.rules.terms import PartialTerms, Terms
from tests.cli.shell import Shell

STARTER = Terms("marketing", "starter", 1000, 3)


@pytest.fixture
async def asked(acme: Shell, billing: Billing, first: dict[str, Any]) -> dict[str, Any]:
    """A request of `acme` for the lower tier, at the renewal."""
    wanted = set(billing.catalog.items_for(STARTER, "usd"))
    await catalog_push.push(billing, await catalog_push.diff(billing, ["usd"], only=wanted))
    return await ask(billing, PartialTerms(tier="starter"))


async def ask(billing: Billing, terms: PartialTerms) -> dict[str, Any]:
    return await change_requests.submit(
        billing,
        "acme",
        "ada",
        terms=terms,
        cancel=None,
        effective=Effective.RENEWAL,
        reason="We are fewer now.",
        contact_email=None,
    )


async def test_list_and_show(acme: Shell, asked: dict[str, Any]) -> None:
    """One line a request; shown, it says what is lost and what either timing would do."""
    listed = await acme.quick("requests", "list", "--state", "submitted")
    shown = await acme.quick("requests", "show", asked["id"])

    assert "tier=starter" in listed.out.splitlines()[1]
    assert [] == await acme.good("requests", "list", "--state", "declined")
    assert "LOSES" in shown.out
    assert shown.out.index("if approved now") < shown.out.index("if at renewal")
    assert asked["id"] == (await acme.good("requests", "show", asked["id"]))["id"]


async def test_approve_asks_first(acme: Shell, asked: dict[str, Any]) -> None:
    """Without a terminal and without --yes nothing is done; a dry run says what would be."""
    words = ("requests", "approve", asked["id"], "--as", "sam")
    said = await acme.quick(*words)
    tried = await acme.quick(*words, "--dry-run")

    assert (2, "") == (said.code, said.out)
    assert "cost nothing today" in said.err
    assert 0 == tried.code
    assert "Nothing was done" in tried.err
    assert "submitted" == (await acme.good("requests", "show", asked["id"]))["state"]


async def test_approved_it_is_promised_for_the_renewal(
    acme: Shell, billing: Billing, asked: dict[str, Any]
) -> None:
    """Said yes to for the renewal: the change says what comes, and when."""
    done = await acme.good("requests", "approve", asked["id"], "--as", "sam", "--note", "Fine.", "--yes")
    await advance(billing, done["change_id"])
    shown = await acme.quick("changes", "show", done["change_id"])

    assert ("approved", "sam", "Fine.") == (done["state"], done["decided_by"], done["note"])
    line = next(line for line in shown.out.splitlines() if line.startswith("at renewal"))
    assert "marketing starter" in line
    assert "(scheduled on 20" in line
    again = await acme.quick("requests", "approve", asked["id"], "--as", "sam", "--yes", "--json")
    assert (5, True) == (again.code, "request_closed" in again.err)


async def test_declined_and_withdrawn(acme: Shell, billing: Billing, asked: dict[str, Any]) -> None:
    """A no needs a reason; taking back is for the admin alone."""
    declining = ("requests", "decline", asked["id"], "--as", "sam")
    assert 2 == (await acme.quick(*declining, "--yes")).code
    done = await acme.good(*declining, "--note", "Your reports need Plus.", "--yes")
    assert ("declined", "Your reports need Plus.") == (done["state"], done["note"])

    other = await ask(billing, PartialTerms(tier="starter"))
    stranger = await acme.quick("requests", "withdraw", other["id"], "--as", "mallory", "--yes")
    assert 4 == stranger.code
    done = await acme.good("requests", "withdraw", other["id"], "--as", "ada", "--yes")
    assert "withdrawn" == done["state"]


async def test_what_is_refused_stays_open(acme: Shell, billing: Billing, asked: dict[str, Any]) -> None:
    """Another change is on its way: the approval is refused, with its code, and can be repeated."""
    assert 3 == (await acme.quick("requests", "show", "req_nothing")).code
    quote = await quotes.create(billing, "acme", "ada", PartialTerms(seats=5))
    await changes.confirm(billing, quote["id"], "ada", wait_seconds=0)
    said = await acme.quick("requests", "approve", asked["id"], "--as", "sam", "--yes")

    assert said.code in (4, 5), said
    assert "submitted" == (await acme.good("requests", "show", asked["id"]))["state"]
