"""Looking at changes, and what a person does with one that is stuck."""

from __future__ import annotations

from typing import Any

from sync import accounts
from sync.advance import advance
from sync.billing import Billing
from sync.rules.terms import PartialTerms
from tests.cli.conftest import confirmed, new_account
from tests.cli.shell import Shell


async def test_list_shows_quoted_and_charged(acme: Shell, first: dict[str, Any]) -> None:
    """One line a change, with both amounts side by side."""
    said = await acme.quick("changes", "list")

    heading, line = said.out.splitlines()
    assert heading.split()[:2] == ["ID", "ACCOUNT"]
    assert line.split()[0] == first["id"]
    assert line.count("69.00 USD") == 2


async def test_list_goes_on_where_it_ended(acme: Shell, billing: Billing, first: dict[str, Any]) -> None:
    """The hint below a full page is the option that gives the next one."""
    second = await confirmed(billing, PartialTerms(seats=5))
    page = await acme.quick("changes", "list", "--limit", "1", "--account", "acme", "--json")
    rest = await acme.good("changes", "list", "--limit", "1", "--after", second["id"])

    assert [row["id"] for row in page.data] == [second["id"]]
    assert page.err == f"there are more: --after {second['id']}\n"
    assert [row["id"] for row in rest] == [first["id"]]


async def test_looking_needs_no_key(acme: Shell, first: dict[str, Any]) -> None:
    """Our own tables can be read on a machine that has no key of Stripe's."""
    said = await acme.quick("changes", "show", first["id"], STRIPE_API_KEY="")

    assert said.code == 0
    assert "settle -> settled" in said.out


async def test_resumed_twice_is_sent_once(acme: Shell, billing: Billing) -> None:
    """A change whose job was lost is taken up again, and never carried out twice."""
    change = await confirmed(billing)
    await billing.pool.execute("DELETE FROM queue.pgqueuer")
    for _ in range(2):
        await acme.good("changes", "resume", change["id"])
    jobs = await billing.pool.fetchval("SELECT count(*) FROM queue.pgqueuer")
    async with acme.running("work"):
        shown = await acme.good("confirm", change["quote_id"], "--as", "ada", "--yes")

    assert (jobs, shown["state"]) == (2, "applied")
    assert [step["step"] for step in shown["steps"]].count("send") == 1


async def test_resume_of_what_has_ended(acme: Shell, first: dict[str, Any]) -> None:
    """There is nothing to do, and that is no failure."""
    said = await acme.quick("changes", "resume", first["id"])

    assert said.code == 0
    assert "there is nothing to resume" in said.err


async def test_resume_can_be_tried(acme: Shell, billing: Billing) -> None:
    """A dry run queues nothing."""
    change = await confirmed(billing)
    await billing.pool.execute("DELETE FROM queue.pgqueuer")
    said = await acme.quick("changes", "resume", change["id"], "--dry-run")

    assert "a worker would take its next step" in said.err
    assert await billing.pool.fetchval("SELECT count(*) FROM queue.pgqueuer") == 0


async def test_withdraw_before_it_is_paid(shop: Shell, billing: Billing) -> None:
    """A change that waits for the bank is taken back: 0, and it says so."""
    await accounts.create(billing, new_account(card="pm_card_authenticationRequired"))
    change = await confirmed(billing)
    await advance(billing, change["id"])
    async with shop.running("work"):
        done = await shop.good("changes", "withdraw", change["id"], "--as", "ada", "--yes")

    assert done["state"] == "withdrawn"


async def test_withdraw_of_what_is_paid(acme: Shell, first: dict[str, Any]) -> None:
    """What was paid stays: 5."""
    said = await acme.quick("changes", "withdraw", first["id"], "--as", "ada", "--yes")

    assert (said.code, said.out) == (5, "")


async def test_confirm_again_is_the_same_change(acme: Shell, billing: Billing, first: dict[str, Any]) -> None:
    """A repeated confirm shows what became of the first one and charges nothing."""
    again = await acme.good("confirm", first["quote_id"], "--as", "ada", "--yes")
    found, _ = await _listed(billing)

    assert (again["id"], len(found)) == (first["id"], 1)


async def _listed(billing: Billing) -> tuple[list[dict[str, Any]], bool]:
    from sync.change_views import list_changes

    return await list_changes(billing, account_id=None, limit=10, starting_after=None)


async def test_admin_is_replaced(acme: Shell) -> None:
    """The new admin may quote, and the old one may not any more."""
    await acme.good("accounts", "admin", "acme", "bob", "--email", "bob@acme.example", "--yes")
    account = await acme.good("accounts", "show", "acme")

    assert account["primary_admin"] == {"user_id": "bob", "email": "bob@acme.example"}


async def test_link_can_be_tried(shop: Shell) -> None:
    """A dry run creates no account."""
    link = ("accounts", "link", "acme", "--email", "a@b.example", "--name", "A", "--admin", "ada")
    said = await shop.good(*link, "--dry-run")

    assert (said["exists"], said["would_link"]) == (False, "new")
    assert await shop.good("accounts", "list") == []
