"""`prorata demo`: the whole story with real processes, and what becomes of it when it is interrupted."""

from __future__ import annotations

import io
import json
import os
import re
import signal

import asyncpg
import pytest

from tests.demo.processes import Prorata
from tests.support.postgres import server_url
from worker.demo.checks import Check, Checks
from worker.demo.screen import Screen
from worker.demo.story import LAST_TITLE, STEPS, Outcome


@pytest.mark.proof
@pytest.mark.required
def test_whole_story_holds(prorata: Prorata) -> None:
    """Every step is told and every check holds, in under a minute; nothing stays behind."""
    code = prorata.start("demo", "--json").wait(170)

    story, summary = prorata.err, json.loads(prorata.out)
    assert (code, [check for step in summary["steps"] for check in step["checks"] if not check["holds"]]) == (
        0,
        [],
    )
    assert [step["title"] for step in summary["steps"]] == [title for title, _ in STEPS]
    titles = [*(title for title, _ in STEPS), LAST_TITLE]
    assert all(f"== {number}. {title} =" in story for number, title in enumerate(titles, 1))
    assert "NO REAL MONEY" in story
    assert re.search(r"\nall \d+ checks held, in \d+ s\n$", story)
    assert "FAILED" not in story
    assert "\x1b" not in story
    assert summary["ok"] is True
    assert summary["checks"] == {"held": sum(len(step["checks"]) for step in summary["steps"]), "failed": 0}
    # Other work on the machine is not the story's fault.
    assert summary["seconds"] < 60 * (1 + os.getloadavg()[0] / (os.cpu_count() or 1))
    assert prorata.left_behind() == []
    assert not (prorata.folder / ".prorata").exists()


async def test_interrupted_story_drops_its_database(prorata: Prorata, template_database: str) -> None:
    """On a given server, Ctrl-C ends with 130, and processes, folder and scratch database are gone."""
    prorata.start("demo", DATABASE_URL=server_url())
    prorata.wait_until(lambda: "== 2." in prorata.out)

    assert prorata.stop(signal.SIGINT) == 130
    assert prorata.left_behind() == []
    assert not (prorata.folder / ".prorata").exists()
    connection = await asyncpg.connect(server_url())
    left = await connection.fetchval("SELECT count(*) FROM pg_database WHERE datname LIKE 'prorata_demo_%'")
    await connection.close()
    assert left == 0


def test_killed_story_is_swept_by_the_next(prorata: Prorata) -> None:
    """The server that a SIGKILL left behind is stopped by whoever comes next; Ctrl-C then leaves nothing."""
    prorata.start("demo")
    prorata.wait_until(lambda: "== 2." in prorata.out)
    prorata.stop(signal.SIGKILL)
    prorata.start("demo")
    prorata.wait_until(lambda: "== 2." in prorata.out)

    assert prorata.stop(signal.SIGINT) == 130
    assert prorata.left_behind() == []
    assert not (prorata.folder / ".prorata").exists()


def test_unreachable_server_is_explained(prorata: Prorata) -> None:
    """A DATABASE_URL that leads nowhere is one message and the database's exit code."""
    code = prorata.start("demo", DATABASE_URL="postgresql://me:hush@127.0.0.1:1/nowhere").wait(60)

    assert code == 7
    assert "database_unavailable" in prorata.err
    assert "hush" not in prorata.err


def test_failed_check_shows_both_sides() -> None:
    """A claim that does not hold prints what was expected and what was found."""
    printed = io.StringIO()
    Screen(printed).check(Check("charged as quoted", 6133, 6134))

    expected = ["  FAILED  charged as quoted", "          expected: 6133", "          found:    6134"]
    assert printed.getvalue().splitlines() == expected


def test_failed_check_fails_the_run() -> None:
    """One claim that does not hold is enough, and so is a step that never came."""
    checks, broken = Checks(), Checks()
    broken.add(1, Check("one is two", 1, 2))

    assert Outcome(checks, [0.1] * len(STEPS)).good
    assert not Outcome(broken, [0.1] * len(STEPS)).good
    assert not Outcome(checks, [0.1]).good
    assert Outcome(broken, [0.1]).to_json()["checks"] == {"held": 0, "failed": 1}
