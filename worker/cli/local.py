"""`prorata demo` and `prorata up`: everything on this machine, without an account at Stripe."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Coroutine
from typing import TYPE_CHECKING, Annotated, Any

import typer

from worker.cli.exits import ExitCode
from worker.cli.output import AsJson, emit_json, note
from worker.cli.runtime import run_async, settings_for

if TYPE_CHECKING:
    from worker.config import Settings
    from worker.demo.story import Outcome


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command("demo")(demo)
    app.command("up")(up)


def demo(as_json: AsJson = False) -> None:
    """Tell the main job as a story on an embedded PostgreSQL and a local Stripe; takes half a minute.

    Exits 0 when every check of what it shows holds, else 1. With --json the story goes to stderr and a
    summary of steps and checks to stdout.
    """
    settings = settings_for("demo")
    _warn(settings, "demo")
    outcome = run_async(_until_interrupted(_demo(settings, as_json=as_json)))
    if outcome is None:
        raise typer.Exit(ExitCode.INTERRUPTED)
    if as_json:
        emit_json(outcome.to_json())
    if not outcome.good:
        raise typer.Exit(ExitCode.UNEXPECTED)


async def _demo(settings: Settings, *, as_json: bool) -> Outcome:
    from worker.demo.folder import own_folder
    from worker.demo.screen import Screen
    from worker.demo.story import perform

    screen = Screen(sys.stderr if as_json else sys.stdout)
    with own_folder(settings.data_dir) as folder:
        try:
            outcome = await perform(settings, folder.path, screen)
            folder.keep_logs = not outcome.good
        except (asyncio.CancelledError, BrokenPipeError):
            folder.keep_logs = False
            raise
        finally:
            screen.restore()
    return outcome


async def _until_interrupted(work: Coroutine[Any, Any, Outcome]) -> Outcome | None:
    """Run to the end; SIGINT or SIGTERM cancels once, and what was started is stopped. None then."""
    task = asyncio.ensure_future(work)
    interrupted = False

    def interrupt() -> None:
        nonlocal interrupted
        if not interrupted:
            interrupted = True
            note("\nstopping everything ...")
            task.cancel()

    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, interrupt)
    try:
        return await task
    except BaseException:
        if interrupted:
            return None
        raise


def up() -> None:
    """x"""


def _warn(settings: Settings, command: str) -> None:
    """A key of Stripe's in the environment is never used here, and its owner should know."""
    if settings.stripe_api_key is not None:
        note(
            f"prorata: STRIPE_API_KEY is set and not used: `prorata {command}` only ever talks to a local Stripe"
        )
