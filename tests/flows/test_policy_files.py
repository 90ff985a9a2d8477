"""The policy is a file: a stricter or a looser one changes what quotes and requests do."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from importlib import resources
from pathlib import Path
from typing import Any

import pytest

from sync.errors import BadInput
from tests.flows.world import MARKETING, World, whole_world

PACKAGED = resources.files("sync.rules").joinpath("policy.toml").read_text("utf-8")
BOUGHT = replace(MARKETING, tier="pro", seats=8, contact_limit=2500)
DAY = 86_400


def row(
    dimension: str, direction: str, decision: str, *, now: bool, on_approval: str = "", product: str = "*"
) -> str:
    """One row of the file; `now` says that it bills at once."""
    billed = (
        'proration_behavior = "always_invoice"\npayment_behavior = "pending_if_incomplete"'
        if now
        else 'proration_behavior = "none"'
    )
    approval = f"on_approval = [{on_approval}]\n" if on_approval else ""
    return (
        f'[[rules]]\ndimension = "{dimension}"\ndirection = "{direction}"\nproduct = "{product}"\n'
        f'decision = "{decision}"\n{billed}\n{approval}reason = "House rule."\n'
    )


def with_rows(*rows: str) -> str:
    """The packaged file with these rows in place of its own for the same move; others are added."""
    text = PACKAGED
    for each in rows:
        head = "\n".join(each.splitlines()[1:4])
        before, found, after = text.partition(f"[[rules]]\n{head}\n")
        text = before + each + "\n" + after[after.index("[[") :] if found else f"{text}\n{each}"
    return text


@asynccontextmanager
async def ruled(database_url: str, folder: Path, *rows: str) -> AsyncIterator[World]:
    """A world under another policy, with an account in the middle of its first period."""
    path = folder / "policy.toml"
    path.write_text(with_rows(*rows))
    async with whole_world(database_url, policy=path) as world:
        await world.buy(BOUGHT)
        await world.sell(
            replace(BOUGHT, tier="plus"),
            replace(BOUGHT, contact_limit=1000),
            replace(BOUGHT, contact_limit=5000),
        )
        await world.pass_time(14 * DAY)
        yield world


def refused(quote: dict[str, Any]) -> list[tuple[str, str]]:
    return [(each["code"], each["pointer"]) for each in quote["refusals"]]


async def test_stricter_fewer_seats_only_by_request(database_url: str, tmp_path: Path) -> None:
    """What was self-serve at the renewal goes through support; what the row does not name stays."""
    strict = row("seats", "down", "by_request", now=False, on_approval='"renewal"')
    async with ruled(database_url, tmp_path, strict) as world:
        quote = await world.quote({"seats": 5})
        assert (refused(quote), quote["self_serve"]) == ([("needs_request", "/terms/seats")], False)
        assert quote["refusals"][0]["detail"] == "House rule."
        assert [] == (await world.quote({"contact_limit": 1000}))["refusals"]


async def test_stricter_for_one_product_alone(database_url: str, tmp_path: Path) -> None:
    """A row that names the product refuses there; the move to the bundle has its own row and stays."""
    strict = row("contact_limit", "up", "refused", now=False, product="marketing")
    async with ruled(database_url, tmp_path, strict) as world:
        quote = await world.quote({"contact_limit": 5000})
        assert [("refused_by_policy", "/terms/contact_limit")] == refused(quote)
        assert (await world.confirm(quote)).body["code"] == "refused_by_policy"


async def test_looser_a_lower_tier_now_with_credit(database_url: str, tmp_path: Path) -> None:
    """Self-serve at once: the admin confirms it, the unused time is credit, and nobody else decides."""
    async with ruled(database_url, tmp_path, row("tier", "down", "self_serve_now", now=True)) as world:
        quote = await world.quote({"tier": "plus"})
        assert ([], True, "plus") == (quote["refusals"], quote["self_serve"], quote["now"]["tier"])
        assert quote["to_balance"]["amount_minor"] < 0
        change = await world.settled((await world.confirm(quote)).body)
        assert (change["now"]["state"], change["now"]["difference_minor"]) == ("settled", 0)
        assert "plus" == (await world.view())["terms"]["tier"]


async def test_looser_a_lower_tier_at_the_renewal(database_url: str, tmp_path: Path) -> None:
    """Self-serve with the period: promised, nothing credited, the present tier until then."""
    loose = row("tier", "down", "self_serve_at_renewal", now=False)
    async with ruled(database_url, tmp_path, loose) as world:
        said = await world.confirm(await world.quote({"tier": "plus"}))
        assert (said.status, said.body["state"]) == (200, "scheduled")
        view = await world.view()
        assert ("pro", "plus") == (view["terms"]["tier"], view["terms_after_renewal"]["tier"])


async def test_stricter_on_support_too(database_url: str, tmp_path: Path) -> None:
    """On approval only at the renewal: a request for now is moved there."""
    strict = row("tier", "down", "by_request", now=False, on_approval='"renewal"')
    async with ruled(database_url, tmp_path, strict) as world:
        wish = {"terms": {"tier": "plus"}, "effective": "now", "reason": "less", "actor": "ada"}
        request = (await world.call("POST", "/v1/accounts/acme/change-requests", wish)).body
        path = f"/v1/change-requests/{request['id']}"
        assert (await world.call("GET", path)).body["dry_run"]["now"]["at_renewal"]["tier"] == "plus"


async def test_stricter_with_those_who_owe(database_url: str, tmp_path: Path) -> None:
    """Read-only from the first unpaid renewal on."""
    path = tmp_path / "policy.toml"
    path.write_text(
        PACKAGED.replace('status = "past_due"\nlevel = "full"', 'status = "past_due"\nlevel = "read_only"')
    )
    async with whole_world(database_url, policy=path) as world:
        await world.buy()
        await world.card("pm_card_chargeCustomerFail")
        await world.pass_time(35 * DAY)

        async def is_read_only() -> bool:
            view = await world.view()
            return (view["entitlement"]["level"], view["entitled"]) == ("read_only", None)

        await world.eventually(is_read_only)


async def test_a_faulty_policy_starts_nothing_and_names_every_fault(
    database_url: str, tmp_path: Path
) -> None:
    """A gap, a double, a dead row, contradictions: one refusal with all of them, before any work."""
    faulty = with_rows(
        row("seats", "up", "self_serve_now", now=False),
        row("tier", "up", "refused", now=False, product="crm"),
        row("add_ons", "remove", "self_serve_at_renewal", now=False, on_approval='"renewal"'),
    ).replace('[[entitlements]]\nstatus = "unpaid"', '[[entitlements]]\nstatus = "paused"')
    path = tmp_path / "policy.toml"
    path.write_text(faulty)
    with pytest.raises(BadInput) as refusal:
        async with whole_world(database_url, policy=path):
            pass
    assert refusal.value.code == "policy_invalid"
    assert "nothing was started" in refusal.value.detail
    assert [problem.detail for problem in refusal.value.problems] == [
        "tier up crm is dead: no account with crm can move this way",
        "seats up *: needs always_invoice and one of pending_if_incomplete, error_if_incomplete, "
        "or it is not paid",
        "add_ons remove *: on_approval belongs to by_request, and only there",
        "entitlements: unpaid has no rules; each state needs exactly one",
        "entitlements: paused has 2 rules; each state needs exactly one",
    ]
