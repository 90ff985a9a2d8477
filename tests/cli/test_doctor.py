"""The doctor finds each trouble, says what to do, and never hides one behind another."""

from __future__ import annotations

from typing import Any

import pytest

from sync.billing import Billing
from sync.store import mode
from tests.cli.conftest import fail_at_stripe
from tests.cli.shell import NOWHERE, Said, Shell
from worker.doctor import clock_finding
from worker.findings import Status
from worker.twin.server import RunningTwin


def finding(said: Said, name: str) -> dict[str, Any]:
    """The one finding of this name."""
    [found] = [each for each in said.data if each["name"] == name]
    return dict(found)


async def test_sound_installation_is_0(shop: Shell) -> None:
    """Everything is looked at; unsent mail and prices that are not sold are warnings, no failure."""
    said = await shop.quick("doctor", "--json")

    assert said.code == 0
    assert [each["name"] for each in said.data if each["status"] != "ok"] == ["mail", "prices"]
    assert finding(said, "prices")["found"] == "usd 3 of 246 sold, eur 0 of 246 sold"


async def test_text_has_one_line_a_finding(shop: Shell) -> None:
    """Status first, then what was looked at; advice stands below."""
    said = await shop.quick("doctor")

    lines = said.out.splitlines()
    assert lines[0].startswith("ok    stripe key          secret key, test")
    assert any(line.strip().startswith("-> `prorata catalog diff`") for line in lines)


@pytest.mark.parametrize(("status", "advice"), [(401, "does not know this key"), (403, "lacks a permission")])
async def test_wrong_key_is_6(shell: Shell, twin: RunningTwin, status: int, advice: str) -> None:
    """A key that is wrong and one that may too little are told apart."""
    await fail_at_stripe(twin, status)
    said = await shell.quick("doctor", "--json")

    assert said.code == 6
    assert advice in finding(said, "stripe")["advice"]


async def test_a_restricted_key_is_told_what_it_may_not_read(shell: Shell, twin: RunningTwin) -> None:
    """Each kind by its name; the others are no trouble."""
    await fail_at_stripe(twin, 403, "/v1/subscription_schedules/*")
    await fail_at_stripe(twin, 403, "/v1/billing_portal/*")
    said = await shell.quick("doctor", "--json", STRIPE_API_KEY="rk_test_nothing_to_hide")
    found = finding(said, "permissions")
    assert ("warn", "the key may not read: subscription schedule, portal configuration") == (
        found["status"], found["found"],
    )  # fmt: skip
    assert "ok" == finding(said, "stripe")["status"]


async def test_missing_database_is_7(shell: Shell) -> None:
    """The rest is looked at all the same."""
    said = await shell.quick("doctor", "--json", DATABASE_URL=NOWHERE)

    assert said.code == 7
    assert (finding(said, "database")["status"], finding(said, "stripe")["status"]) == ("fail", "ok")
    assert "hush" not in said.out


async def test_old_schema_is_7(shell: Shell, empty_database_url: str) -> None:
    """A database that lacks migrations says which command brings them."""
    said = await shell.quick("doctor", "--json", DATABASE_URL=empty_database_url)

    assert said.code == 7
    assert finding(said, "schema")["advice"] == "run `prorata migrate`"


async def test_missing_settings_are_2(bare: Shell) -> None:
    """Each missing setting is a finding of its own."""
    said = await bare.quick("doctor", "--json")

    assert said.code == 2
    assert [each["name"] for each in said.data] == ["DATABASE_URL", "STRIPE_API_KEY"]


async def test_key_of_the_other_mode_is_2(shell: Shell, billing: Billing) -> None:
    """A database with live data and a test key do not go together."""
    await mode.claim(billing.pool, livemode=True)
    said = await shell.quick("doctor", "--json")

    assert (said.code, finding(said, "mode")["status"]) == (2, "fail")


async def test_missing_secret_is_a_warning(shell: Shell) -> None:
    """Without a signing secret the door for events is shut; catch-up still works."""
    said = await shell.quick("doctor", "--json", STRIPE_WEBHOOK_SECRET="")

    assert (said.code, finding(said, "webhook secret")["status"]) == (0, "warn")


@pytest.mark.parametrize(
    ("stripe", "status", "said"),
    [
        (1000, Status.OK, "the same as Stripe's"),
        (1029, Status.OK, "28 s behind Stripe's"),
        (1031, Status.WARN, "30 s behind Stripe's"),
        (970, Status.WARN, "30 s ahead of Stripe's"),
        (1601, Status.WARN, "600 s behind Stripe's"),
        (400, Status.WARN, "600 s ahead of Stripe's"),
    ],
)
def test_clock_is_compared_with_stripe(stripe: int, status: Status, said: str) -> None:
    """From 30 seconds on it is worth a warning; the second that the answer took is not counted."""
    found = clock_finding(stripe, before=1000, after=1001)

    assert (found.status, found.found) == (status, said)
    assert (status is Status.WARN) == ("300 s off are refused" in (found.advice or ""))
