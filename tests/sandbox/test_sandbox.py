"""The comparison with Stripe, tried without Stripe: every probe on the twin, and twin against twin."""

from __future__ import annotations

import asyncio
import json
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import pytest
import stripe

import tests.sandbox.probes  # noqa: F401  # importing registers them
from tests.sandbox.__main__ import KEY, CannotRunError, only_run
from tests.sandbox.lab import Session, _Paced
from tests.sandbox.probe import PROBES
from tests.sandbox.run import look, run
from worker.twin.server import RunningTwin, TwinSettings, start

ROOT = Path(__file__).parent.parent.parent


@pytest.fixture(autouse=True)
def _own_temporary_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A lock file stays where it was made: none of ours, nor of a command, in the machine's own folder."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))


async def sandbox(*arguments: str, key: str | None = None) -> tuple[int, str, str]:
    """`python -m tests.sandbox`: exit code, standard output and error."""
    environment = {**os.environ, **({KEY: key} if key else {})}
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.sandbox", *arguments, cwd=ROOT, env=environment,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    out, err = await process.communicate()
    return process.returncode or 0, out.decode(), err.decode()


@pytest.mark.parametrize("name", list(PROBES))
async def test_the_twin_does_what_we_expect_of_stripe(twin: RunningTwin, name: str) -> None:
    """An open question's expectation is the branch that code and twin take today."""
    session = Session("sk_test_twin", twin.base_url, "run")
    try:
        assert await look(session, PROBES[name]) == PROBES[name].expected
    finally:
        await session.close()


def test_every_open_question_is_asked() -> None:
    """The eight questions that no document answers, each with the branch that is taken until it is."""
    asked = {probe.branch[0] for probe in PROBES.values() if probe.is_open}
    assert asked == set("12345678")


async def test_without_a_key_it_says_so_and_succeeds() -> None:
    """`make sandbox` on a machine without a key is no failure."""
    code, out, err = await sandbox()
    assert (code, err) == (0, "")
    assert KEY in out
    assert len(out.splitlines()) == 1


@pytest.mark.parametrize("key", ["sk_live_abc", "rk_live_abc", "pk_test_abc", "whatever"])
async def test_any_key_but_a_test_key_is_refused_before_anything_is_sent(twin: RunningTwin, key: str) -> None:
    """A live key, above all, must not create a single object."""
    code, out, err = await sandbox("--base", twin.base_url, key=key)
    assert (code, out) == (2, "")
    assert ("LIVE" in err) == ("live" in key)
    assert key not in err
    assert list(twin.twin.requests) == []


@pytest.mark.proof
async def test_two_twins_do_not_differ(twin: RunningTwin) -> None:
    """The comparison itself finds nothing where there is nothing to find."""
    code, out, _ = await sandbox("--base", twin.base_url, "--key", "sk_test_other", "--json")
    report = json.loads(out)
    assert (code, report["differences"], report["probes"]) == (0, 0, len(PROBES))


@pytest.mark.proof
async def test_one_changed_behaviour_is_the_one_difference(twin: RunningTwin) -> None:
    """Without any retry, an unpaid renewal ends the subscription: that, and only that, is shown."""
    twin.twin.world.account.retry_days = []
    code, out, _ = await sandbox("--base", twin.base_url, "--key", "sk_test_other", "--json")
    entries: list[dict[str, Any]] = json.loads(out)["results"]
    different = [entry["probe"] for entry in entries if not entry["same"]]
    assert (code, different) == (1, ["renewal_that_is_not_paid"])


async def test_the_table_names_the_probe_and_both_answers(twin: RunningTwin) -> None:
    """A person reads what we saw, what Stripe answered, and the answers to open questions."""
    twin.twin.world.account.retry_days = []
    names = ("renewal_that_is_not_paid", "shape_of_an_increase")
    code, out, _ = await sandbox("--base", twin.base_url, "--key", "sk_test_other", "--only", *names)
    text = " ".join(out.split())
    assert code == 1
    for part in (*names, "past_due", "canceled", "Open questions", "2 probes", "1 differences"):
        assert part in text


async def test_an_unreachable_stripe_is_seen_in_every_probe() -> None:
    """A probe that breaks is a difference, never a success."""
    code, out, _ = await sandbox(
        "--base", "http://127.0.0.1:9", "--key", "sk_test_x", "--json", "--only", "unknown_subscription"
    )
    assert code == 1
    assert json.loads(out)["results"][0]["same"] is False


async def test_a_run_leaves_nothing_behind() -> None:
    """Clocks go with their customers; prices and products, which cannot be deleted, are archived."""
    twin = await start(TwinSettings())
    session = Session("sk_test_twin", twin.base_url, "run")
    await run(session, list(PROBES.values())[:40])
    tables = twin.twin.world.store
    assert list(tables["test_clock"].docs) == []
    assert not any(doc["active"] for kind in ("price", "product") for doc in tables[kind].docs.values())
    await twin.close()


def test_two_runs_at_once_are_refused() -> None:
    """They would share one rate limit and see each other's events."""
    with only_run("somewhere"):
        with pytest.raises(CannotRunError, match="under way"), only_run("somewhere"):
            pass
        with only_run("elsewhere"):
            pass


async def test_requests_to_stripe_keep_their_distance(twin: RunningTwin) -> None:
    """Five requests at once begin no closer than the gap."""
    http = _Paced(0.05)
    client = stripe.StripeClient("sk_test_x", base_addresses={"api": twin.base_url}, http_client=http)
    began = time.monotonic()
    await asyncio.gather(*(client.v1.customers.list_async() for _ in range(5)))
    assert time.monotonic() - began >= 0.2
    await http.close_async()
