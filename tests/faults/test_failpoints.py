"""Failpoints come from the step tables, and a test kills at each of them."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from sync import failpoints
from sync.steps import STEPS, TOLD_BY_OTHERS, Call, Chore, Step
from tests.faults import stories, test_kills_elsewhere, test_kills_of_commands, test_kills_of_decisions
from tests.faults.stories import around, call

ROOT = Path(__file__).parents[2]
# Killed at in tests/flows/test_mail.py.
BY_OTHERS = around(call(Call.NOTICE))


def test_every_failpoint_has_a_test_that_dies_there() -> None:
    """Every commit and every call of the tables, on both of its sides."""
    told = [story.points for group in (stories.NOW, stories.LATER, stories.AT_RENEWAL) for story in group]
    files = (test_kills_elsewhere, test_kills_of_commands, test_kills_of_decisions)
    elsewhere = (*(file.DIED_AT for file in files), BY_OTHERS)
    died_at = {point for points in (*told, *elsewhere) for point in points}
    assert set(failpoints.NAMES) == died_at


def test_every_commit_and_call_of_the_tables_has_two_failpoints() -> None:
    """None of a step's sides is missing, and no name stands twice."""
    commits = sum(len(steps) for steps in STEPS.values()) + len(Chore)
    assert len(set(failpoints.NAMES)) == len(failpoints.NAMES) == 2 * (commits + len(Call))


def test_every_step_belongs_to_a_leg() -> None:
    """Or is told of a leg by the commit of another one."""
    assert set(Step) - TOLD_BY_OTHERS == frozenset().union(*STEPS.values())


# Files with transactions that have no name, and why nobody has to die beside them.
SEEN_AGAIN = "what a look found; the next look finds the same"
TYPED_AGAIN = "one command of a person, who sees that it did not end"
UNNAMED = {
    "sync/notices.py": TYPED_AGAIN,
    "sync/usage.py": "a number that the host application repeats; its notices have keys",
    "sync/retention.py": "what is too old, gone now or after the next round",
    "sync/adopt/run.py": SEEN_AGAIN,
    "sync/backfill.py": "that an import has ended; typed again, it says so again",
    "sync/reconcile/pages.py": SEEN_AGAIN,
    "sync/reconcile/anew.py": SEEN_AGAIN,
    "sync/reconcile/portal.py": SEEN_AGAIN,
    "sync/reconcile/stale.py": SEEN_AGAIN,
    "sync/reconcile/accept.py": TYPED_AGAIN,
    "worker/cli/replay.py": TYPED_AGAIN,
    "worker/cli/dead.py": TYPED_AGAIN,
    "worker/cli/events.py": TYPED_AGAIN,
    "worker/cli/keys.py": TYPED_AGAIN,
}
FOLDERS = ("sync", "handlers", "worker")
# Where transactions are made, and what runs before anything else does.
MAKERS = ("sync/store/db.py", "sync/failpoints.py", "worker/migrate.py", "worker/rehearsal.py")


def unnamed() -> set[str]:
    """Every file of the product that opens a transaction without a failpoint's name."""
    paths = {
        str(path.relative_to(ROOT)): path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py")
    }
    return {
        name
        for name, path in paths.items()
        if not name.startswith("worker/twin/") and name not in MAKERS and opens(path.read_text())
    }


def is_transaction(node: ast.AST) -> bool:
    """Whether this opens one, and not only to read."""
    return (
        isinstance(node, ast.Call)
        and ast.unparse(node.func).rpartition(".")[2] == "transaction"
        and not any(keyword.arg == "readonly" for keyword in node.keywords)
    )


def opens(source: str) -> bool:
    """Whether a transaction that may write is opened here, beside the failpoints."""
    return any(is_transaction(node) for node in ast.walk(ast.parse(source)))


def test_every_commit_has_a_name_or_a_reason() -> None:
    """A new transaction gets its place in the tables, and with it a test that dies there."""
    assert set(UNNAMED) == unnamed()


@pytest.mark.parametrize(
    "source",
    [
        "async def f():\n    async with transaction(work.billing.pool) as conn: ...",
        "async def f():\n    async with transaction(billing.pool) as conn: ...",
        "async def f():\n    async with pool.acquire() as conn, conn.transaction(): ...",
        "async def f():\n    async with db.transaction(pool): ...",
    ],
)
def test_however_it_is_written_it_is_seen(source: str) -> None:
    assert opens(source)


def test_looking_needs_no_name() -> None:
    """A snapshot for a report commits nothing."""
    assert not opens("async def f():\n    async with conn.transaction(readonly=True): ...")


def test_unknown_failpoints_are_refused() -> None:
    """A misspelt name would never kill anybody, and the test would prove nothing."""
    for wrong in ("send.never", "send.before_call:sleep", ""):
        with pytest.raises(ValueError, match="is no failpoint"):
            failpoints.arm([wrong])
