"""`prorata up` and `prorata twin`: everything until it is stopped, and kept for the next time."""

from __future__ import annotations

import json
import re
import signal
import urllib.request
import uuid
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from sync.store import accounts
from tests.demo.processes import Prorata
from worker.local import free_port

# Pushing the packaged catalog costs seconds at every start.
CATALOG = Path(__file__).parent / "small.toml"
ACCOUNT = {
    "account_id": "acme",
    "email": "billing@acme.example",
    "name": "Acme Ltd",
    "primary_admin": {"user_id": "ada", "email": "ada@acme.example"},
    "locale": "en",
    "currency": "usd",
    "payment_method": "pm_card_visa",
}


def ask(url: str, key: str = "", body: Any = None) -> dict[str, Any]:
    """GET, or POST a body; the answer as JSON."""
    headers = {
        "Authorization": f"Bearer {key}",
        "Idempotency-Key": uuid.uuid4().hex,
        "Content-Type": "application/json",
    }
    data = json.dumps(body).encode() if body is not None else None
    with urllib.request.urlopen(urllib.request.Request(url, data, headers)) as answer:
        found: dict[str, Any] = json.load(answer)
        return found


def started(prorata: Prorata) -> tuple[str, str]:
    """Start `up` and wait for its last words; returns the API's address and key."""
    http = f"127.0.0.1:{free_port()}"
    prorata.start("up", PRORATA_HTTP=http, PRORATA_CATALOG=str(CATALOG))
    prorata.wait_until(lambda: "Ctrl-C" in prorata.out)
    key = re.search(r"^  KEY=(\S+)", prorata.out, re.MULTILINE)
    assert key is not None
    return f"http://{http}", key[1]


@pytest.mark.timeout(300)
def test_up_keeps_what_was_made(prorata: Prorata) -> None:
    """It serves until SIGTERM and leaves no process; the next time the account and the key are there."""
    url, key = started(prorata)
    assert ask(f"{url}/readyz")["status"] == "ok"
    made = ask(f"{url}/v1/accounts", key, ACCOUNT)
    assert "runs already for" in refused_beside(prorata)
    assert (prorata.stop(signal.SIGTERM), prorata.left_behind()) == (0, [])

    url, same_key = started(prorata)
    assert ask(f"{url}/v1/accounts/acme", same_key)["stripe_customer_id"] == made["stripe_customer_id"]
    wish = {"terms": {"product": "marketing", "tier": "plus", "contact_limit": 1000}, "actor": "ada"}
    quoted = ask(f"{url}/v1/accounts/acme/quotes", key, wish)
    assert quoted["due_today"] == {"amount_minor": 6900, "currency": "usd"}
    assert prorata.stop(signal.SIGINT) == 0
    check_fresh_start(prorata)


def refused_beside(prorata: Prorata) -> str:
    """What a second one says on the same folder: they would overwrite each other's state."""
    second = Prorata(prorata.folder / "second")
    second.folder.mkdir()
    assert second.start("up", PRORATA_DATA_DIR=str(prorata.folder / ".prorata")).wait(60) == 1
    return second.err


def check_fresh_start(prorata: Prorata) -> None:
    """Without the local Stripe's file both begin again; the old database is kept under another name."""
    (prorata.folder / ".prorata" / "stripe.json").unlink()
    url, key = started(prorata)
    assert ask(f"{url}/v1/accounts", key)["data"] == []
    assert "what was there is kept as database prorata_" in prorata.err
    assert prorata.stop(signal.SIGTERM) == 0


async def test_foreign_database_is_left_alone(prorata: Prorata, database_url: str) -> None:
    """A database whose accounts belong to another Stripe is refused before anything works on it."""
    connection = await asyncpg.connect(database_url)
    columns = {"id": "acme", "email": "a@b.example", "name": "Acme", "locale": "en", "currency": "usd"}
    await accounts.insert(
        connection, {**columns, "primary_admin_user_id": "ada", "primary_admin_email": "a@b.example"}
    )
    await accounts.set_customer(connection, "acme", "cus_of_another_stripe")
    await connection.close()
    variables = {"DATABASE_URL": database_url, "PRORATA_HTTP": f"127.0.0.1:{free_port()}"}

    assert prorata.start("up", **variables).wait(60) == 1
    assert "belongs to another Stripe" in prorata.err
    assert prorata.left_behind() == []


def test_twin_alone_takes_its_options(prorata: Prorata) -> None:
    """The clock starts where it is told, and the state goes into the file."""
    file = Path(prorata.folder / "stripe.json")
    prorata.start("twin", "--now", "1800000000", "--seed", "7", "--persist", str(file))
    prorata.wait_until(lambda: "listening on" in prorata.out)
    url = prorata.out.split()[-1]

    assert 0 <= ask(f"{url}/_twin/clock")["now"] - 1_800_000_000 < 60
    assert prorata.stop(signal.SIGTERM) == 0
    assert file.exists()
