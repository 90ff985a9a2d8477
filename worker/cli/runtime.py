"""What most commands begin with: the settings, the logs, a pool, an event loop."""

from __future__ import annotations

import asyncio
import signal
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from sync.billing import Billing
    from sync.store.db import Pool
    from worker.config import Settings

T = TypeVar("T")
CANCEL_AGAIN_SECONDS = 0.2

# These run for long and write a log; for all others it would only stand in a person's way.
PROCESSES = frozenset({"run", "serve", "work", "twin", "up", "demo"})
# What others wait for; they themselves never wait for whoever reads their log.
SERVING = frozenset({"run", "serve", "work"})
# A person waits: a server that is not there is said soon.
CONNECT_SECONDS = 3.0


def settings_for(command: str) -> Settings:
    """Read the environment for a command and set up its logs. Raises ConfigError with every problem.

    Commands that end by themselves say what went wrong: they log nothing unless PRORATA_LOG_LEVEL says so.
    """
    from worker import logs
    from worker.cli.output import note
    from worker.config import Settings

    settings = Settings.for_command(command)
    chosen = "log_level" in settings.model_fields_set or command in PROCESSES
    level = settings.log_level if chosen else "CRITICAL"
    logs.configure(settings.log_format, level, aside=command in SERVING)
    for warning in settings.warnings:
        note(f"prorata: warning: {warning}")
    return settings


def operator() -> str:
    """The name of the person at this machine, as far as the machine knows it."""
    import getpass

    try:
        return getpass.getuser()
    except (KeyError, OSError, ImportError):
        return "operator"


@asynccontextmanager
async def pool_for(settings: Settings, reason: str | None = None) -> AsyncIterator[Pool]:
    """Yield a small pool on the settings' database. Raises DatabaseTrouble when it cannot be used.

    `reason` is what the audit log says of everything that is done.
    """
    from sync import audit
    from sync.store.db import create_pool

    audit.enter(audit.Origin("cli", operator(), reason=reason))
    pool = await create_pool(
        settings.dsn,
        min_size=1,
        max_size=4,
        application_name="prorata-cli",
        connect_seconds=CONNECT_SECONDS,
    )
    try:
        yield pool
    finally:
        await pool.close()


def run_async(work: Coroutine[Any, Any, T]) -> T:
    """Run a command's coroutine to its end; Ctrl-C ends it, raised as KeyboardInterrupt."""
    task = asyncio.run(_interruptible(work))
    if task.cancelled():
        raise KeyboardInterrupt
    return task.result()


async def _interruptible(work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
    """Cancel on SIGINT, again and again: on Python 3.11 one cancellation can get lost inside `wait_for`."""
    task, interrupted = asyncio.create_task(work), asyncio.Event()
    if threading.current_thread() is threading.main_thread():  # no other thread gets signals
        asyncio.get_running_loop().add_signal_handler(signal.SIGINT, interrupted.set)
    waiting = asyncio.create_task(interrupted.wait())
    await asyncio.wait({task, waiting}, return_when=asyncio.FIRST_COMPLETED)
    while not task.done():
        task.cancel()
        await asyncio.wait({task}, timeout=CANCEL_AGAIN_SECONDS)
    waiting.cancel()
    return task


async def with_pool(command: str, work: Callable[[Pool], Awaitable[T]], reason: str | None = None) -> T:
    """Run something that needs the database alone, from the environment; `reason` as in `pool_for`."""
    async with pool_for(settings_for(command), reason) as pool:
        return await work(pool)


async def with_billing(command: str, work: Callable[[Billing], Awaitable[T]], reason: str | None = None) -> T:
    """Run a flow with everything it needs, from the environment; `reason` as in `pool_for`."""
    from sync import audit
    from worker.billing import billing_for
    from worker.preflight import refuse_other_mode

    settings = settings_for(command)
    audit.enter(audit.Origin("cli", operator(), reason=reason))
    opened = billing_for(
        settings,
        application_name="prorata-cli",
        connections=4,
        connect_seconds=CONNECT_SECONDS,
    )
    async with opened as billing:
        await refuse_other_mode(settings, billing)
        return await work(billing)


@contextmanager
def progress_bar(title: str, total: int) -> Iterator[Callable[[int, int], None]]:
    """A progress bar on stderr for long work; silent where stderr is no terminal."""
    from rich.console import Console
    from rich.progress import Progress

    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as bars:
        task = bars.add_task(title, total=total)
        yield lambda done, all_: bars.update(task, completed=done, total=all_)
