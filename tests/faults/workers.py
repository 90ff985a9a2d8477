"""Real processes of ours that start in a moment: forked from one that has imported everything already.

What runs inside is what `prorata work` and `prorata serve` run; the processes of `processes.py` go through
the command line as well, and cost a second each.
"""

from __future__ import annotations

import asyncio
import atexit
import multiprocessing
import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import cache
from multiprocessing.context import ForkServerContext, ForkServerProcess
from pathlib import Path

from sync.billing import Billing
from worker.config import Settings

# A function of a module, so that its name finds it in another process.
Doing = Callable[[Billing], Awaitable[None]]


@cache
def _context() -> ForkServerContext:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tests.faults.preloaded"])
    return context


def _redirect(log: str) -> None:
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    for standard in (1, 2):
        os.dup2(descriptor, standard)


def _run(settings: Settings, log: str, doors: bool, work: bool) -> None:
    """The body of the child."""
    from worker import app, logs

    _redirect(log)
    logs.configure("json", settings.log_level, aside=True)
    try:
        asyncio.run(app.run(settings, doors=doors, work=work))
    finally:
        atexit._run_exitfuncs()  # which a forked process leaves out: the last lines of the log


def _do(settings: Settings, log: str, doing: Doing) -> None:
    """The body of a child that does one thing."""
    from sync import failpoints
    from worker import logs
    from worker.billing import billing_for

    async def do() -> None:
        failpoints.arm(settings.failpoints)
        async with billing_for(settings, application_name="prorata-cli", connections=4) as billing:
            await doing(billing)

    _redirect(log)
    logs.configure("json", settings.log_level)
    asyncio.run(do())


@dataclass(slots=True)
class Worker:
    """One process of ours."""

    process: ForkServerProcess
    log: Path

    @property
    def pid(self) -> int:
        assert self.process.pid is not None
        return self.process.pid

    @property
    def is_alive(self) -> bool:
        return self.process.is_alive()

    def signal(self, number: int) -> None:
        os.kill(self.pid, number)

    async def ended(self, seconds: float = 40) -> int:
        """Its exit code, once it has ended; minus the signal that killed it."""
        await asyncio.to_thread(self.process.join, seconds)
        assert self.process.exitcode is not None, "it still lives"
        return self.process.exitcode

    async def dies(self, seconds: float = 40) -> None:
        """Wait until it has killed itself at its failpoint."""
        code = await self.ended(seconds)
        assert -signal.SIGKILL == code, (code, self.log.read_text()[-2000:])


@asynccontextmanager
async def worker(
    settings: Settings, folder: Path, *failpoints: str, http: str | None = None
) -> AsyncIterator[Worker]:
    """A running worker, or with `http` the doors there; killed at the end if it still lives."""
    name = "-".join(failpoints) or ("work" if http is None else "serve")
    settings = settings.model_copy(update={"failpoints": failpoints, "http": http or settings.http})
    log = folder / f"{name}.log"
    async with _started(_run, settings, log, http is not None, http is None) as made:
        yield made


@asynccontextmanager
async def doer(settings: Settings, folder: Path, doing: Doing, *failpoints: str) -> AsyncIterator[Worker]:
    """A process that does one thing, and ends."""
    settings = settings.model_copy(update={"failpoints": failpoints})
    async with _started(_do, settings, folder / "doer.log", doing) as made:
        yield made


@asynccontextmanager
async def _started(
    body: Callable[..., None], settings: Settings, log: Path, *others: object
) -> AsyncIterator[Worker]:
    process = _context().Process(target=body, args=(settings, str(log), *others))
    # The first one waits for the process that all are forked from.
    await asyncio.to_thread(process.start)
    try:
        yield Worker(process, log)
    finally:
        if process.is_alive():
            process.kill()
        await asyncio.to_thread(process.join)
        process.close()
