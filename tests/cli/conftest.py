"""A fresh database, the local Stripe in this process, and a shell that points at both."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from sync import accounts, catalog_push, changes, quotes
from sync.accounts import NewAccount
from sync.advance import advance
from sync.billing import Billing
from sync.rules.terms import PartialTerms, Terms
from tests.cli.shell import Shell
from worker.billing import billing_for
from worker.config import Settings
from worker.twin.server import RunningTwin

PLUS = Terms("marketing", "plus", 1000, 3)
SEATS = Terms("marketing", "plus", 1000, 5)
FIRST = PartialTerms("marketing", "plus", 1000, 3, {}, PLUS.interval)


@pytest.fixture
def bare(tmp_path: Path) -> Shell:
    """A shell without a single setting."""
    return Shell(tmp_path)


@pytest.fixture
def shell(tmp_path: Path, database_url: str, twin: RunningTwin) -> Shell:
    """A shell on a migrated database and the local Stripe; nothing is sold yet."""
    return Shell(
        tmp_path,
        {
            "DATABASE_URL": database_url,
            "STRIPE_API_KEY": "sk_test_x",
            "STRIPE_API_BASE": twin.base_url,
            "STRIPE_WEBHOOK_SECRET": "whsec_0123456789abcdef",
            "PRORATA_STRIPE_RATE": "1000",
            "PRORATA_HTTP": "127.0.0.1:0",
        },
    )


@pytest.fixture
async def billing(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Billing]:
    """The flows themselves on the same database and Stripe, to prepare what a command then meets."""
    with monkeypatch.context() as here:
        for name, text in shell.environment.items():
            here.setenv(name, text)
        settings = Settings.for_command("catalog push")
    async with billing_for(settings, application_name="prorata-test", connections=4) as opened:
        yield opened


@pytest.fixture
async def shop(shell: Shell, billing: Billing) -> Shell:
    """A shell where the few prices that the tests buy are sold; pushing all of them takes seconds."""
    wanted = {slot for terms in (PLUS, SEATS) for slot in billing.catalog.items_for(terms, "usd")}
    await catalog_push.push(billing, await catalog_push.diff(billing, ["usd"], only=wanted))
    return shell


@pytest.fixture
async def acme(shop: Shell, billing: Billing) -> Shell:
    """A shell where the account `acme` has a card that works, and has bought nothing."""
    await accounts.create(billing, new_account())
    return shop


@pytest.fixture
async def first(acme: Shell, billing: Billing) -> dict[str, Any]:
    """The settled first purchase of `acme`: marketing plus with 3 seats."""
    change = await confirmed(billing)
    await advance(billing, change["id"])
    # As if the event about it had come: otherwise it is settled after ten seconds.
    await billing.pool.execute("UPDATE change_leg SET event_seen_at = now()")
    await advance(billing, change["id"])
    return change


def new_account(card: str = "pm_card_visa") -> NewAccount:
    """The account `acme`, whose admin is ada."""
    email = "ada@acme.example"
    return NewAccount("acme", email, "Acme", "ada", email, "en", "usd", None, card)


async def confirmed(billing: Billing, wanted: PartialTerms = FIRST) -> dict[str, Any]:
    """A change of `acme` that is confirmed, and that nobody has begun to carry out."""
    quote = await quotes.create(billing, "acme", "ada", wanted)
    return await changes.confirm(billing, quote["id"], "ada", wait_seconds=0)


async def fail_at_stripe(twin: RunningTwin, status: int, path: str = "/v1/*") -> None:
    """From now on the local Stripe answers everything, or this path, with this status."""
    fault = {"path": path, "times": -1, "status": status}
    async with (
        aiohttp.ClientSession() as session,
        session.post(f"{twin.base_url}/_twin/faults", json=fault) as answer,
    ):
        assert answer.status == 200, await answer.text()
