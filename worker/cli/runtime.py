"""What most commands begin with: the settings, the logs, a pool, an event loop."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from sync.billing import Billing
    from sync.store.db import Pool
    from worker.config import Settings

T = TypeVar("T")


def settings_for(command: str) -> Settings:
    """Read the environment for a command and set up its logs. Raises ConfigError with every problem."""
    from worker import logs
    from worker.cli.output import note
    from worker.config import Settings

    settings = Settings.for_command(command)
    logs.configure(settings.log_format, settings.log_level)
    for warning in settings.warnings:
        note(f"prorata: warning: {warning}")
    return settings


def database_url(settings: Settings) -> str:
    """Return the address of the database; settings that were read for a command that needs it have one."""
    if settings.database_url is None:
        raise LookupError("the settings were read for a command that needs no database")
    return settings.database_url.get_secret_value()


@asynccontextmanager
async def pool_for(settings: Settings) -> AsyncIterator[Pool]:
    """Yield a small pool on the settings' database. Raises DatabaseTrouble when it cannot be used."""
    from sync.store.db import create_pool

    pool = await create_pool(
        database_url(settings), min_size=1, max_size=4, application_name="prorata-cli", connect_seconds=3
    )
    try:
        yield pool
    finally:
        await pool.close()


def run_async(work: Coroutine[Any, Any, T]) -> T:
    """Run a command's coroutine to its end."""
    return asyncio.run(work)


async def with_billing(command: str, work: Callable[[Billing], Awaitable[T]]) -> T:
    """Run a flow with everything it needs, from the environment."""
    from worker.app import billing_for

    async with billing_for(settings_for(command), application_name="prorata-cli", connections=4) as billing:
        return await work(billing)


@contextmanager
def progress_bar(title: str, total: int) -> Iterator[Callable[[int, int], None]]:
    """A progress bar on stderr for long work; silent where stderr is no terminal."""
    from rich.console import Console
    from rich.progress import Progress

    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as bars:
        task = bars.add_task(title, total=total)
        yield lambda done, _: bars.update(task, completed=done)
