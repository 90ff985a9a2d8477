"""One process of ours on this machine: started, watched, ended; it never outlives us."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final

import aiohttp

from sync.clock import monotonic

START_SECONDS: Final = 60.0
STOP_SECONDS: Final = 25.0
POLL_SECONDS: Final = 0.03
LAST_LINES: Final = 8
# Where this very code lies: a folder of the same name where the user stands must not be taken for it.
ROOT: Final = Path(__file__).parent.parent

# Asks Linux to end the child when we end, even by SIGKILL, and becomes the command. On other systems a
# child of a killed process stays. The id guards against our ending before the request was made.
TIED: Final = """
import ctypes, os, sys
prctl = getattr(ctypes.CDLL(None), "prctl", None)
if prctl is not None:
    prctl(1, 15)
if os.getppid() == int(sys.argv[1]):
    os.execv(sys.argv[2], sys.argv[2:])
"""


class LocalError(Exception):
    """Something on this machine did not come up; the message ends with its last words."""


@dataclass(slots=True)
class Child:
    """One process of ours. Its output goes to a file, so that nothing blocks and failures can be read."""

    name: str
    process: asyncio.subprocess.Process
    log: Path

    @property
    def runs(self) -> bool:
        """Whether it has not ended yet."""
        return self.process.returncode is None

    async def stop(self) -> None:
        """End it politely, and finally by force; only ever this very process."""
        if not self.runs:
            return
        with suppress(ProcessLookupError):
            self.process.terminate()
        try:
            await asyncio.wait_for(self.process.wait(), STOP_SECONDS)
        except TimeoutError:
            self.process.kill()
            await self.process.wait()

    def last_words(self) -> str:
        """The end of its log."""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-LAST_LINES:])


async def start(name: str, command: Sequence[str], *, environment: Mapping[str, str], log: Path) -> Child:
    """Start `prorata <command>`, out of reach of the terminal's Ctrl-C: we end our processes in order."""
    with log.open("ab") as output:
        process = await _spawn(command, environment, output, output, process_group=0)
    return Child(name, process, log)


async def run(
    command: Sequence[str], *, environment: Mapping[str, str], stderr: IO[bytes] | None
) -> tuple[int, bytes]:
    """Run `prorata <command>` to its end; returns its exit code and what it printed on stdout."""
    process = await _spawn(command, environment, asyncio.subprocess.PIPE, stderr)
    try:
        printed, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.terminate()
            await process.wait()
    return process.returncode or 0, printed


async def _spawn(
    command: Sequence[str],
    environment: Mapping[str, str],
    stdout: IO[bytes] | int,
    stderr: IO[bytes] | None,
    process_group: int | None = None,
) -> asyncio.subprocess.Process:
    ours = [sys.executable, "-P", "-m", "worker", *command]
    paths = [str(ROOT), *([environment["PYTHONPATH"]] if environment.get("PYTHONPATH") else [])]
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-I", "-S", "-c", TIED, str(os.getpid())),
        *ours,
        env={**environment, "PYTHONPATH": os.pathsep.join(paths)},
        stdin=asyncio.subprocess.DEVNULL,
        stdout=stdout,
        stderr=stderr,
        process_group=process_group,
    )


async def wait_for_http(url: str, child: Child) -> None:
    """Poll until an address answers 200. Raises LocalError when its process ends or stays silent."""
    deadline = monotonic() + START_SECONDS
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=5)) as session:
        while monotonic() < deadline and child.runs:
            with suppress(aiohttp.ClientError, TimeoutError):
                async with session.get(url) as answer:
                    if answer.status == 200:
                        return
            await asyncio.sleep(POLL_SECONDS)
    raise LocalError(f"{child.name} did not come up:\n{child.last_words()}")
