"""Help is complete and true, and what the documents print can be typed as it stands."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.reference import fault, paths, tree
from worker.cli import app

ROOT = Path(__file__).parent.parent.parent
DOCUMENTS = [
    path
    for pattern in ("*.md", "docs/**/*.md", "deploy/**/*.md", "deploy/*.yaml", "deploy/env.example")
    for path in sorted(ROOT.glob(pattern))
]
SPAN = re.compile(r"`(prorata [a-z][^`\n]*)`")
BLOCK = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
# At the start of a line of a code block, or after a prompt.
LINE = re.compile(r"^\s*(?:\$ )?(prorata [a-z].*)$", re.MULTILINE)
# A command of this shape changes something, so it can be tried first or confirmed.
CHANGING = {
    ("accounts", "admin"): "--yes",
    ("accounts", "link"): "--dry-run",
    ("accounts", "park"): "--dry-run",
    ("accounts", "unpark"): "--dry-run",
    ("adopt",): "--dry-run",
    ("catalog", "push"): "--dry-run",
    ("changes", "resume"): "--dry-run",
    ("changes", "resolve"): "--dry-run",
    ("changes", "withdraw"): "--dry-run",
    ("confirm",): "--yes",
    ("dead", "bury"): "--dry-run",
    ("dead", "retry"): "--dry-run",
    ("drift", "accept"): "--dry-run",
    ("drift", "repair"): "--dry-run",
    ("events", "replay"): "--dry-run",
    ("go",): "--dry-run",
    ("keys", "revoke"): "--yes",
    ("requests", "approve"): "--dry-run",
    ("requests", "decline"): "--dry-run",
    ("requests", "withdraw"): "--dry-run",
    ("notices", "retry"): "--dry-run",
    ("stop",): "--dry-run",
}
# These run until they are stopped, or tell a story.
WITHOUT_DATA = {("up",), ("run",), ("serve",), ("work",), ("twin",), ("keys", "revoke")}


def printed() -> Iterator[tuple[Path, str]]:
    """Every line in the documents that a reader could type."""
    for path in DOCUMENTS:
        text = path.read_text()
        yield from ((path, line) for line in SPAN.findall(text))
        yield from ((path, line) for block in BLOCK.findall(text) for line in LINE.findall(block))


@pytest.mark.parametrize("path", paths(), ids=" ".join)
def test_every_command_explains_itself(path: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    """`--help` is 0, says what the command does, and every option and argument has a text."""
    assert app.run([*path, "--help"]) == 0

    command = tree()
    for word in path:
        command = command.commands[word]
    assert command.help
    for parameter in command.params:
        assert getattr(parameter, "help", None), (path, parameter.name)
    assert fault_in_text(capsys.readouterr().out) is None


def fault_in_text(text: str) -> str | None:
    """The first command in a help text that does not exist."""
    return next(filter(None, (fault(line) for line in re.findall(r"`(prorata [a-z][^`]*)`", text))), None)


@pytest.mark.parametrize("path", paths()[1:], ids=" ".join)
def test_summary_fits_on_one_line(path: tuple[str, ...]) -> None:
    """In a list of commands no summary is cut off."""
    command = tree()
    for word in path:
        command = command.commands[word]

    assert len(command.help.split(". ")[0].split("\n")[0]) <= 66
    assert not command.get_short_help_str(66).endswith("...")


def test_every_document_prints_what_exists() -> None:
    """Each `prorata` line of README, runbooks and deploy files names a command and its options."""
    found = list(printed())

    assert found
    assert [f"{path.name}: {wrong}" for path, line in found if (wrong := fault(line))] == []


@pytest.mark.parametrize(
    "line",
    ["prorata dead", "prorata dead dig ID", "prorata events show ID --colour", "prorata nothing", "prorata"],
)
def test_wrong_line_is_found(line: str) -> None:
    """The check above finds a misspelt command, a group without its command, and an unknown option."""
    assert fault(line) is not None


@pytest.mark.parametrize("path", CHANGING, ids=" ".join)
def test_what_changes_something_can_be_held_back(path: tuple[str, ...]) -> None:
    """A command that changes something has a dry run or asks first."""
    assert fault(f"prorata {' '.join(path)} {CHANGING[path]}") is None


@pytest.mark.parametrize("path", [path for path in paths() if path not in WITHOUT_DATA], ids=" ".join)
def test_what_prints_data_has_json(path: tuple[str, ...]) -> None:
    """Scripts get JSON from every command that prints data."""
    if fault(f"prorata {' '.join(path)}") is None:
        assert fault(f"prorata {' '.join(path)} --json") is None
