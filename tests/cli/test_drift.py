"""Findings from a shell: looked at, tried, repaired, accepted; and a change that is stuck."""

from __future__ import annotations

from typing import Any

import pytest

from sync.billing import Billing
from sync.reconcile.anew import reconcile_account
from sync.rules.terms import PartialTerms
from tests.cli.conftest import SEATS, confirmed
from tests.cli.shell import Shell
from worker.twin.server import RunningTwin

SUBSCRIPTION = "SELECT stripe_subscription_id FROM account WHERE id = 'acme'"
WHY = ("--reason", "an edit that nobody meant", "--as", "olga")


async def by_hand(twin: RunningTwin, path: str, **params: Any) -> Any:
    """An edit in the dashboard."""
    import aiohttp

    body = {"method": "POST", "path": path, "params": params}
    async with (
        aiohttp.ClientSession() as session,
        session.post(f"{twin.base_url}/_twin/dashboard", json=body) as answer,
    ):
        assert answer.status == 200, await answer.text()
        return await answer.json()


@pytest.fixture
async def finding(first: dict[str, Any], billing: Billing, twin: RunningTwin) -> str:
    """The base of `acme` has the quantity 2; returns the finding's id."""
    subscription = await billing.gateway.subscription(await billing.pool.fetchval(SUBSCRIPTION))
    item = next(each for each in subscription.items.data if ":base:" in (each.price.lookup_key or ""))
    await by_hand(twin, f"/v1/subscription_items/{item.id}", quantity=2, proration_behavior="none")
    [row] = await reconcile_account(billing, "acme") or ()
    return row.id


async def test_list_and_show(acme: Shell, finding: str) -> None:
    """One line a finding; shown, with what was expected and found, and the exact call of the repair."""
    listed = await acme.quick("drift", "list", "--state", "open")
    shown = await acme.quick("drift", "show", finding)
    line = listed.out.splitlines()[1]
    assert all(word in line for word in (finding, "wrong_quantity", "critical", "acme", "ours"))
    assert "would send            POST /v1/subscriptions/sub_" in shown.out
    assert '"proration_behavior": "none"' in shown.out
    assert "Set the items at Stripe" in shown.out
    assert [] == await acme.good("drift", "list", "--account", "nobody")
    assert finding == (await acme.good("drift", "show", finding))["id"]
    assert 3 == (await acme.quick("drift", "show", "fnd_nothing")).code


async def test_a_repair_asks_first(acme: Shell, finding: str) -> None:
    """Without a terminal and without --yes nothing is done; a dry run says what would be."""
    said = await acme.quick("drift", "repair", finding, *WHY)
    tried = await acme.quick("drift", "repair", finding, *WHY, "--dry-run")
    no = await acme.quick("drift", "repair", finding, "--side", "stripe", "--dry-run")
    assert (2, "") == (said.code, said.out)
    assert "would send" in said.err
    assert "Nothing was done" in said.err
    assert (0, True) == (tried.code, "would send" in tried.out)
    assert (4, True) == (no.code, "repair_needs_staff" in no.out)
    assert "open" == (await acme.good("drift", "show", finding))["state"]


async def test_repaired_and_over(acme: Shell, finding: str) -> None:
    """Afterwards there is nothing to decide."""
    done = await acme.good("drift", "repair", finding, *WHY, "--yes")
    assert ("repaired", "olga") == (done["state"], done["decided_by"])
    again = await acme.quick("drift", "repair", finding, "--yes", "--json")
    assert (5, True) == (again.code, "finding_closed" in again.err)
    assert "repair                ours by olga" in (await acme.quick("drift", "show", finding)).out


async def test_accepted_with_a_reason(acme: Shell, finding: str) -> None:
    """A reason is needed, and a yes."""
    assert 2 == (await acme.quick("drift", "accept", finding, "--yes")).code
    held = await acme.quick("drift", "accept", finding, *WHY)
    assert (2, True) == (held.code, "Nothing was done" in held.err)
    assert "open" == (await acme.good("drift", "accept", finding, *WHY, "--dry-run"))["state"]
    assert "accepted" == (await acme.good("drift", "accept", finding, *WHY, "--yes"))["state"]


# ---- a change that is stuck


async def test_what_never_left_is_resolved_as_not_applied(
    acme: Shell, billing: Billing, first: dict[str, Any]
) -> None:
    """Stripe has no trace of it: it ends, nothing is charged, and the story says who looked."""
    change = await confirmed(billing, PartialTerms(seats=SEATS.seats))
    words = ("changes", "resolve", change["id"], *WHY)
    assert 2 == (await acme.quick(*words, "--yes")).code
    wrong = await acme.quick(*words, "--applied", "--yes", "--json")
    assert (5, True) == (wrong.code, "Stripe says otherwise" in wrong.err)
    held = await acme.quick(*words, "--not-applied")
    assert (2, True) == (held.code, "Nothing was done" in held.err)
    tried = await acme.good(*words, "--not-applied", "--dry-run")
    assert "confirmed" == tried["state"]
    done = await acme.good(*words, "--not-applied", "--yes")
    assert ("expired", "outcome_unknown") == (done["state"], done["now"]["reason"])
    assert ["olga"] == [step["detail"]["actor"] for step in done["steps"] if step["step"] == "resolve"]
    again = await acme.quick(*words, "--not-applied", "--yes")
    assert 5 == again.code


async def test_what_took_effect_is_resolved_as_applied(
    acme: Shell, billing: Billing, first: dict[str, Any], twin: RunningTwin
) -> None:
    """Its answer was lost and its mark overwritten, but the subscription bills it: the account gets it."""
    change = await confirmed(billing, PartialTerms(seats=SEATS.seats))
    row = await billing.pool.fetchrow("SELECT * FROM stripe_call WHERE subject_id = $1", change["id"])
    path = str(row["path"])
    await by_hand(twin, path, **{**row["params"], "metadata": {}})
    await billing.pool.execute(
        "UPDATE stripe_call SET sends = 1, first_sent_at = now(), last_sent_at = now() WHERE subject_id = $1",
        change["id"],
    )
    await billing.pool.execute("UPDATE change_leg SET state = 'applying' WHERE ended_at IS NULL")
    words = ("changes", "resolve", change["id"], *WHY, "--yes")
    early = await acme.quick(*words, "--not-applied", "--json")
    assert 5 == early.code
    done = await acme.good(*words, "--applied")
    assert "applied" == done["state"]
    assert SEATS.seats == (await acme.good("accounts", "show", "acme"))["terms"]["seats"]
