"""The commands that the CLI has, read off its own tree."""

from __future__ import annotations

from functools import cache

import typer

from worker.cli.app import app


@cache
def command_paths() -> frozenset[tuple[str, ...]]:
    """Return every command as its words, such as `("keys", "create")`."""
    return frozenset(_paths(app, ()))


def _paths(group: typer.Typer, prefix: tuple[str, ...]) -> list[tuple[str, ...]]:
    found = [(*prefix, command.name) for command in group.registered_commands if command.name]
    for inner in group.registered_groups:
        if inner.typer_instance is not None and isinstance(inner.name, str):
            found += _paths(inner.typer_instance, (*prefix, inner.name))
    return found
