"""`prorata demo` and `prorata up`: everything on this machine, without an account at Stripe."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Coroutine
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any, TypeVar

import typer

from worker.cli.exits import ExitCode
from worker.cli.output import AsJson, emit_json, note
from worker.cli.runtime import run_async, settings_for

if TYPE_CHECKING:
    from worker.config import Settings
    from worker.demo.story import Outcome

T = TypeVar("T")


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command("demo")(demo)
    app.command("up")(up)


def demo(as_json: AsJson = False) -> None:
    """Tell the main job as a story, in half a minute. On an embedded PostgreSQL and a local Stripe.

    Exits 0 when every check of what it shows holds, else 1. With --json the story goes to stderr and a
    summary of steps and checks to stdout.
    """
    settings = settings_for("demo")
    _warn(settings, "demo")
    outcome = _run(_demo(settings, as_json=as_json))
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
        except Exception:
            note(f"prorata: the demonstration's logs are in {folder.path}")
            raise
        except BaseException:
            # Interrupted, or nobody reads on (rich turns a broken pipe into SystemExit): no logs are wanted.
            folder.keep_logs = False
            raise
        finally:
            screen.restore()
    return outcome


def _run(work: Coroutine[Any, Any, T]) -> T | None:
    """Run to the end, or until interrupted (None); what did not come up is said in its own words."""
    from worker.local import LocalError

    try:
        return run_async(_until_interrupted(work))
    except LocalError as error:
        note(f"prorata: {error}")
        raise typer.Exit(ExitCode.UNEXPECTED) from None


async def _until_interrupted(work: Coroutine[Any, Any, T]) -> T | None:
    """Run to the end; SIGINT, SIGTERM or SIGHUP cancels once, and what was started is stopped. None then."""
    task = asyncio.ensure_future(work)
    interrupted = False

    def interrupt() -> None:
        nonlocal interrupted
        if not interrupted:
            interrupted = True
            note("\nstopping everything ...")
            task.cancel()

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, interrupt)
    try:
        return await task
    except BaseException:
        if interrupted:
            return None
        raise


def up() -> None:
    """Run everything on this machine until Ctrl-C. With a local Stripe; what you make is kept."""
    settings = settings_for("up")
    _warn(settings, "up")
    # To be stopped is how this command ends well.
    _run(_up(settings))


async def _up(settings: Settings) -> None:
    from worker.demo.screen import Screen
    from worker.up import running, until_one_ends
    from worker.up_text import welcome

    screen = Screen(sys.stdout)
    screen.loud(
        "PRORATA UP: all of it on this machine.", "No real Stripe, NO REAL MONEY: Stripe is a local twin."
    )
    async with AsyncExitStack() as stack:
        screen.line("  starting; the first time, the catalog is pushed too ...", "dim")
        here = await stack.enter_async_context(running(settings, note))
        welcome(screen, settings, here)
        await until_one_ends(here)


def _warn(settings: Settings, command: str) -> None:
    """A key of Stripe's in the environment is never used here, and its owner should know."""
    if settings.stripe_api_key is not None:
        note(f"prorata: STRIPE_API_KEY is set and not used: `prorata {command}` has a Stripe of its own")
