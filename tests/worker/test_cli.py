"""The command: what it prints where, and the exit code of each kind of failure."""

from __future__ import annotations

import json
from pathlib import Path

import asyncpg
import pytest

from sync import errors
from worker.cli import app
from worker.cli.exits import ExitCode, exit_code, explain
from worker.config import ConfigError
from worker.embedded import EmbeddedPostgresError

NOWHERE = "postgresql://me:hush@127.0.0.1:1/nowhere"


@pytest.fixture(autouse=True)
def _elsewhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Look for embedded servers in an empty folder."""
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (ConfigError(["A: b"]), 2),
        (errors.BadInput("bad_request", "x"), 2),
        (errors.NotFound("not_found", "x"), 3),
        (errors.Refused("needs_request", "x"), 4),
        (errors.Conflict("quote_stale", "x"), 5),
        (errors.StripeTrouble("stripe_unavailable", "x"), 6),
        (errors.DatabaseTrouble("database_unavailable", "x"), 7),
        (asyncpg.UndefinedTableError("x"), 7),
        (asyncpg.DeadlockDetectedError("x"), 7),
        (asyncpg.ConnectionDoesNotExistError("x"), 7),
        (asyncpg.StatementCompletionUnknownError("x"), 9),
        (EmbeddedPostgresError("x"), 7),
        (errors.OutcomeUnknown("outcome_unknown", "x"), 9),
        (TimeoutError(), 9),
        (RuntimeError("x"), 1),
    ],
)
def test_failure_has_its_exit_code(error: Exception, code: int) -> None:
    """Scripts tell failures apart by the exit code."""
    assert exit_code(error) == ExitCode(code)


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (asyncpg.DeadlockDetectedError("deadlock detected"), "busy with others (deadlock detected)"),
        (asyncpg.ConnectionDoesNotExistError("it was closed"), "cannot say what became of this command"),
        (asyncpg.StatementCompletionUnknownError("no answer"), "cannot say what became of this command"),
        (TimeoutError(), "cannot say what became of this command"),
    ],
)
def test_database_trouble_says_what_to_do(
    capsys: pytest.CaptureFixture[str], error: Exception, said: str
) -> None:
    """Whatever it was, the same command may be repeated, and the message says that this charges once."""
    explain(error, as_json=True)
    document = json.loads(capsys.readouterr().err)
    assert ("database_unavailable", True) == (document["code"], document["retryable"])
    assert said in document["detail"]
    assert document["detail"].endswith("Repeat the same command: nothing is ever charged twice.")


def test_help_lists_the_commands(capsys: pytest.CaptureFixture[str]) -> None:
    """The help names the commands and the exit codes, on stdout."""
    assert app.run(["--help"]) == 0

    printed = capsys.readouterr().out
    assert all(name in printed for name in ("migrate", "twin", "keys", "version", "Exit codes"))


def test_unknown_command_is_usage(capsys: pytest.CaptureFixture[str]) -> None:
    """A misspelt command is code 2, with nothing on stdout."""
    assert app.run(["migrat"]) == 2
    assert capsys.readouterr().out == ""


def test_missing_database_is_explained(capsys: pytest.CaptureFixture[str]) -> None:
    """Without a database the message says how to get one."""
    assert app.run(["migrate"]) == 2
    assert "`prorata up` starts one" in capsys.readouterr().err


def test_unreachable_database_is_one_message(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """No traceback, no password, the right code."""
    monkeypatch.setenv("DATABASE_URL", NOWHERE)

    assert app.run(["migrate"]) == 7
    message = capsys.readouterr().err
    assert message.startswith("prorata: database_unavailable: PostgreSQL cannot be used")
    assert "hush" not in message
    assert len(message.splitlines()) == 1


def test_failure_is_json_for_scripts(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """With --json the message on stderr is an object with code, detail and retryable."""
    monkeypatch.setenv("DATABASE_URL", NOWHERE)

    assert app.run(["migrate", "--json"]) == 7
    document = json.loads(capsys.readouterr().err)
    assert (document["code"], document["retryable"]) == ("database_unavailable", True)


def test_unexpected_error_hides_secrets(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A defect of ours ends in one cleaned message with its place, and code 1."""

    def explode(*_: object, **__: object) -> None:
        raise RuntimeError("with sk_live_hush inside")

    monkeypatch.setattr(app, "app", explode)

    assert app.run([]) == 1
    message = capsys.readouterr().err
    assert "internal_error: with sk_live_[hidden] inside" in message
    assert "explode" in message


def test_interruption_is_130(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C ends with the code that shells expect."""

    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(app, "app", interrupt)

    assert app.run([]) == 130


def test_migrate_and_check(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], empty_database_url: str
) -> None:
    """The check is 5 on an empty database, 0 after migrating; data is on stdout, messages on stderr."""
    monkeypatch.setenv("DATABASE_URL", empty_database_url)

    assert app.run(["migrate", "--check", "--json"]) == 5
    missing = json.loads(capsys.readouterr().out)["pending"]
    assert app.run(["migrate", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["applied"] == missing
    assert app.run(["migrate", "--check"]) == 0
    assert capsys.readouterr().out == ""


def test_keys_from_making_to_revoking(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], database_url: str
) -> None:
    """A key is shown once, listed without its secret, and revoked only once."""
    monkeypatch.setenv("DATABASE_URL", database_url)

    assert app.run(["keys", "create", "shop", "--role", "automation", "--json"]) == 0
    made = json.loads(capsys.readouterr().out)
    assert app.run(["keys", "list", "--json"]) == 0
    listed = capsys.readouterr().out
    assert [row["id"] for row in json.loads(listed)] == [made["id"]]
    assert made["key"] not in listed
    assert app.run(["keys", "revoke", made["id"], "--yes"]) == 0
    assert app.run(["keys", "revoke", made["id"], "--yes"]) == 3


def test_unknown_role_makes_no_key(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], database_url: str
) -> None:
    """A role that does not exist is named together with those that do."""
    monkeypatch.setenv("DATABASE_URL", database_url)

    assert app.run(["keys", "create", "shop", "--role", "root"]) == 2
    assert "the roles are automation" in capsys.readouterr().err


def test_nothing_changes_without_a_yes(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], database_url: str
) -> None:
    """Without a terminal nobody is asked, and nothing is done."""
    monkeypatch.setenv("DATABASE_URL", database_url)

    assert app.run(["keys", "revoke", "key_1"]) == 2
    assert "repeat with --yes" in capsys.readouterr().err
