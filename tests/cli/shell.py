"""A shell with Prorata's environment: runs the real command and hands back what it said."""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest import mock

from worker.cli import app

ROOT = Path(__file__).parent.parent.parent
NOWHERE = "postgresql://me:hush@127.0.0.1:1/nowhere"
START_SECONDS = 60


@dataclass(frozen=True, slots=True)
class Said:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def data(self) -> Any:
        """What a script reads: the whole of stdout as one JSON document."""
        return json.loads(self.out)


@dataclass(slots=True)
class Shell:
    """Runs `prorata` with exactly these variables, and in this folder."""

    folder: Path
    environment: dict[str, str] = field(default_factory=dict)

    async def run(self, *words: str, **variables: str) -> Said:
        """Run a command as a process of its own; an empty variable is one that is not set."""
        process = await self.start(*words, **variables)
        out, err = await asyncio.wait_for(process.communicate(), 60)
        return Said(process.returncode or 0, out.decode(), err.decode())

    async def quick(self, *words: str, **variables: str) -> Said:
        """Run a command in this process, on a thread: the same, without half a second of imports."""
        return await asyncio.to_thread(self._run_here, words, self._environment(variables))

    async def good(self, *words: str) -> Any:
        """Run a command that must succeed, with --json, and return its data."""
        said = await self.quick(*words, "--json")
        assert said.code == 0, (words, said)
        return said.data

    def _run_here(self, words: tuple[str, ...], environment: dict[str, str]) -> Said:
        out, err = (io.TextIOWrapper(io.BytesIO(), "utf-8", write_through=True) for _ in range(2))
        with (
            mock.patch.dict(os.environ, environment, clear=True),
            mock.patch.object(sys, "stdin", io.StringIO()),
            contextlib.chdir(self.folder),
            contextlib.redirect_stdout(out),
            contextlib.redirect_stderr(err),
        ):
            code = app.run(list(words))
        said = [stream.buffer.getvalue().decode() for stream in (out, err)]
        return Said(code, *said)

    def _environment(self, given: dict[str, str]) -> dict[str, str]:
        ours = {**self.environment, **given}
        return {**_quiet_environment(), **{name: text for name, text in ours.items() if text}}

    @asynccontextmanager
    async def running(self, *words: str, **variables: str) -> AsyncIterator[asyncio.subprocess.Process]:
        """Keep a command running until the block ends, once it has said that it is up."""
        process = await self.start(*words, **variables)
        try:
            await asyncio.wait_for(_until_started(process), START_SECONDS)
            yield process
        finally:
            if process.returncode is None:
                process.send_signal(signal.SIGTERM)
            await process.communicate()

    async def start(self, *words: str, **given: str) -> asyncio.subprocess.Process:
        """Begin a command; the caller ends it."""
        return await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "worker",
            *words,
            cwd=self.folder,
            env=self._environment(given),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )


def _quiet_environment() -> dict[str, str]:
    """The machine's own environment without anything that is a setting of ours."""
    ours = ("PRORATA_", "STRIPE_", "DATABASE_URL", "PGQUEUER_")
    kept = {name: text for name, text in os.environ.items() if not name.startswith(ours)}
    return {**kept, "PYTHONPATH": str(ROOT)}


async def _until_started(process: asyncio.subprocess.Process) -> None:
    assert process.stderr is not None
    said = []
    while line := await process.stderr.readline():
        said.append(line.decode())
        if "process.started" in said[-1]:
            return
    raise AssertionError(f"it did not start: {''.join(said)}")
