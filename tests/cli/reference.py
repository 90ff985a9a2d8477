"""The command tree, read off the program itself: paths, options, and whether a printed line would parse."""

from __future__ import annotations

import shlex
from functools import cache
from typing import Any

import typer

from worker.cli.app import app


@cache
def tree() -> Any:
    """The root of the command tree."""
    return typer.main.get_command(app)


@cache
def paths() -> tuple[tuple[str, ...], ...]:
    """Every command and group as its words; the root is the empty path."""
    return tuple(_below(tree(), ()))


def _below(command: Any, path: tuple[str, ...]) -> list[tuple[str, ...]]:
    found = [path]
    for name, inner in getattr(command, "commands", {}).items():
        found += _below(inner, (*path, name))
    return found


def fault(line: str) -> str | None:
    """What is wrong with a printed `prorata ...` line, or None.

    Words in capitals and in brackets are places to fill in; what follows a pipe, a `;` or a comment is not
    looked at.
    """
    try:
        words = shlex.split(line, comments=True)[1:]
    except ValueError as error:
        return f"{line!r}: {error}"
    command = tree()
    while words and words[0] in getattr(command, "commands", {}):
        command = command.commands[words.pop(0)]
    if getattr(command, "commands", None):
        return f"{line!r}: {words[0] if words else 'nothing'} is no command"
    options = {name for parameter in command.params for name in parameter.opts} | {"--help"}
    given = [word.partition("=")[0] for word in words if word.startswith("--")]
    unknown = [word for word in given if word not in options]
    return f"{line!r}: {unknown[0]} is no option" if unknown else None
