"""A fresh database, the local Stripe in this process, and a shell that points at both."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from sync import catalog_push
from sync.rules.terms import Terms
from tests.cli.shell import Shell
from worker.billing import billing_for
from worker.config import Settings
from worker.twin.server import RunningTwin

PLUS = Terms("marketing", "plus", 1000, 3)
MORE_SEATS = Terms("marketing", "plus", 1000, 5)
SECRET = "whsec_0123456789abcdef"
LINK = ("--email", "billing@acme.example", "--name", "Acme", "--admin", "ada")


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
            "STRIPE_WEBHOOK_SECRET": SECRET,
            "PRORATA_STRIPE_RATE": "1000",
            "PRORATA_HTTP": "127.0.0.1:0",
        },
    )


@pytest.fixture
async def shop(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Shell]:
    """A shell where the few prices that the tests buy are sold; pushing all of them takes seconds."""
    with monkeypatch.context() as here:
        for name, text in shell.environment.items():
            here.setenv(name, text)
        settings = Settings.for_command("catalog push")
    async with billing_for(settings, application_name="prorata-test", connections=2) as billing:
        wanted = {slot for terms in (PLUS, MORE_SEATS) for slot in billing.catalog.items_for(terms, "usd")}
        await catalog_push.push(billing, await catalog_push.diff(billing, ["usd"], only=wanted))
    yield shell


@pytest.fixture
async def acme(shop: Shell) -> Shell:
    """A shell where the account `acme` exists, with a card that works."""
    await shop.good("accounts", "link", "acme", *LINK, "--payment-method", "pm_card_visa")
    return shop
