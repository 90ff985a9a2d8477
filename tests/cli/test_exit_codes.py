"""Every exit code, as a script meets it: the code, one message on stderr, nothing on stdout."""

from __future__ import annotations

import asyncio
import json
import signal
from typing import Any

import pytest

from sync import accounts, quotes
from sync.billing import Billing
from sync.rules.terms import PartialTerms
from sync.store import mode
from tests.cli.conftest import FIRST, confirmed, fail_at_stripe, new_account
from tests.cli.shell import NOWHERE, Said, Shell
from worker.twin.server import RunningTwin

QUOTE = ("quote", "acme", "--as", "ada", "--set", "seats=5")
LINK = ("accounts", "link", "acme", "--email", "a@b.example", "--name", "A", "--admin", "ada")
PURCHASE = (
    *("--set", "product=marketing", "--set", "tier=plus", "--set", "contact_limit=1000"),
    *("--set", "seats=3", "--set", "interval=month"),
)


def assert_message(said: Said, code: int, problem: str) -> None:
    """One sentence for a person, nothing for a pipe, and no traceback."""
    assert (said.code, said.out) == (code, ""), said
    assert said.err.startswith(f"prorata: {problem}"), said.err
    assert "Traceback" not in said.err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("quote", "acme", "--as", "ada", "--set", "colour=red"), "the names are product"),
        (("quote", "acme", "--as", "ada", "--set", "seats=many"), "must be a whole number"),
        (("quote", "acme", "--as", "ada"), "say what should change"),
        (
            ("accounts", "link", "a", "--email", "e", "--name", "n", "--admin", "u", "--locale", "de"),
            "en, fr",
        ),
        (("accounts", "link", "EU/acme", *LINK[3:]), "no account's id"),
        ((*LINK[:4], "nobody", *LINK[5:]), "no e-mail address"),
        (("accounts", "admin", "acme", "bob\n", "--email", "b@b.example"), "no user's id"),
    ],
)
async def test_2_for_a_value_that_cannot_be(shell: Shell, words: tuple[str, ...], message: str) -> None:
    """A wrong value is named together with those that are right."""
    said = await shell.quick(*words)

    assert_message(said, 2, "bad_request")
    assert message in said.err


async def test_2_for_terms_outside_the_catalog(acme: Shell, first: dict[str, Any]) -> None:
    """Fewer seats than the tier includes cannot be bought."""
    said = await acme.quick("quote", "acme", "--as", "ada", "--set", "seats=2")

    assert_message(said, 2, "quantity_out_of_range")


async def test_2_for_missing_settings(bare: Shell) -> None:
    """All problems of the environment come in one message."""
    said = await bare.run("quote", "acme", "--as", "ada", "--set", "seats=5")

    assert_message(said, 2, "config_invalid")
    assert "DATABASE_URL" in said.err
    assert "STRIPE_API_KEY" in said.err


async def test_2_without_a_yes(acme: Shell, billing: Billing) -> None:
    """Nobody is asked where nobody can answer, and nothing is charged."""
    quote = await quotes.create(billing, "acme", "ada", FIRST)
    said = await acme.quick("confirm", quote["id"], "--as", "ada")

    assert (said.code, said.out) == (2, "")
    assert "Charge 69.00 USD now? Nothing was done: repeat with --yes." in said.err


async def test_2_for_a_key_of_the_other_mode(acme: Shell, billing: Billing) -> None:
    """A test key never quotes, and never charges, on a database with live data."""
    await mode.claim(billing.pool, livemode=True)

    assert_message(await acme.quick("quote", "acme", "--as", "ada", *PURCHASE), 2, "config_invalid")


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (("quote", "nobody", "--as", "ada", "--set", "seats=5"), "account_unknown"),
        (("confirm", "quo_1", "--as", "ada", "--yes"), "not_found"),
        (("changes", "resume", "chg_1"), "not_found"),
        (("events", "show", "evt_1"), "not_found"),
        (("dead", "retry", "evt_1"), "not_found"),
        (("show", "in_1"), "not_found"),
    ],
)
async def test_3_for_what_does_not_exist(shell: Shell, words: tuple[str, ...], problem: str) -> None:
    """A wrong id is told apart from every other failure."""
    assert_message(await shell.quick(*words), 3, problem)


async def test_3_for_a_customer_that_stripe_does_not_know(shell: Shell) -> None:
    """Linking a customer that does not exist creates no account."""
    assert_message(await shell.quick(*LINK, "--customer", "cus_nobody"), 3, "not_found")
    assert await shell.good("accounts", "list") == []


async def test_4_for_somebody_else_than_the_admin(acme: Shell) -> None:
    """Only the primary admin may change billing."""
    assert_message(await acme.run("quote", "acme", "--as", "bob", *PURCHASE), 4, "not_billing_admin")


async def test_4_for_a_quote_with_refusals(acme: Shell, first: dict[str, Any]) -> None:
    """What a rule forbids is still printed as a quote, with the reason."""
    said = await acme.quick("quote", "acme", "--as", "ada", "--set", "tier=starter", "--json")

    assert said.code == 4
    assert said.data["refusals"][0]["code"] == "needs_request"


async def test_4_for_a_declined_card(shop: Shell, billing: Billing) -> None:
    """The card is declined: the change says so, and that nothing was charged."""
    await accounts.create(billing, new_account(card="pm_card_chargeCustomerFail"))
    quote = await quotes.create(billing, "acme", "ada", FIRST)
    async with shop.running("work"):
        said = await shop.run("confirm", quote["id"], "--as", "ada", "--yes", "--json")

    assert said.code == 4
    assert said.data["now"]["reason"] == "payment_declined"


async def test_5_for_a_stale_quote(acme: Shell, billing: Billing, first: dict[str, Any]) -> None:
    """Something moved since the quote: nothing is charged, and the new amounts are shown."""
    quote = await quotes.create(billing, "acme", "ada", PartialTerms(seats=5))
    await billing.pool.execute("UPDATE quote SET expires_at = now() WHERE id = $1", quote["id"])
    said = await acme.quick("confirm", quote["id"], "--as", "ada", "--yes")

    assert_message(said, 5, "quote_expired")
    assert "charged today" in said.err


async def test_6_when_stripe_is_away(acme: Shell) -> None:
    """Nobody listens at Stripe's address: one message, after the repeats that are worth it."""
    said = await acme.run("quote", "acme", "--as", "ada", *PURCHASE, STRIPE_API_BASE="http://127.0.0.1:1")

    assert_message(said, 6, "stripe_unavailable")
    assert len(said.err.splitlines()) == 1


async def test_7_without_a_database(bare: Shell) -> None:
    """Nobody listens at the database's address: said within seconds, without the password."""
    said = await bare.run("changes", "list", DATABASE_URL=NOWHERE)

    assert_message(said, 7, "database_unavailable")
    assert "hush" not in said.err


async def test_7_without_a_schema(bare: Shell, empty_database_url: str) -> None:
    """On a database that was never migrated, the message says what to run."""
    said = await bare.quick("changes", "list", DATABASE_URL=empty_database_url)

    assert_message(said, 7, "migrations_pending")
    assert "Run `prorata migrate`." in said.err


async def test_9_when_nobody_does_the_work(acme: Shell, billing: Billing) -> None:
    """The time to wait is over and the change is on its way: not a failure, and not a success."""
    quote = await quotes.create(billing, "acme", "ada", FIRST)
    said = await acme.quick("confirm", quote["id"], "--as", "ada", "--yes", "--wait", "0.2", "--json")

    assert (said.code, said.data["state"]) == (9, "confirmed")


WAITS = """
SELECT count(*) FROM pg_stat_activity
 WHERE datname = current_database() AND application_name = 'prorata-cli'
"""


async def test_130_for_ctrl_c(acme: Shell, billing: Billing) -> None:
    """An interrupted wait ends at once, without a traceback."""
    change = await confirmed(billing)
    process = await acme.start("changes", "show", change["id"], "--wait", "60")
    # Once it is connected, its own handler is in place; while it still imports, Python's would be.
    while not await billing.pool.fetchval(WAITS):  # noqa: ASYNC110  another process: it has no event for us
        await asyncio.sleep(0.05)
    process.send_signal(signal.SIGINT)
    out, err = await process.communicate()

    assert (process.returncode, out) == (130, b"")
    assert b"Traceback" not in err


async def test_failure_is_json_for_scripts(acme: Shell) -> None:
    """With --json stderr is one object with the code, the sentence and whether to repeat."""
    said = await acme.run("quote", "acme", "--as", "bob", *PURCHASE, "--json")

    assert said.out == ""
    document = json.loads(said.err)
    assert (document["code"], document["retryable"]) == ("not_billing_admin", False)


@pytest.mark.parametrize("status", [401, 403])
async def test_6_for_a_key_that_stripe_does_not_accept(acme: Shell, twin: RunningTwin, status: int) -> None:
    """A revoked key, or one without the permission, is told apart from an outage."""
    await fail_at_stripe(twin, status)
    said = await acme.quick("quote", "acme", "--as", "ada", *PURCHASE)

    assert_message(said, 6, "stripe_")
    assert "does not accept our API key" in said.err
