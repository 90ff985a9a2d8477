"""Starts `prorata` as a person does, and finds what it left running."""

from __future__ import annotations

import os
import subprocess
import sys
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
MARK = "MARK_OF_A_TEST"


@dataclass
class Prorata:
    """One running command. Its children inherit `mark`, by which they are found."""

    folder: Path
    mark: str = field(default_factory=lambda: uuid.uuid4().hex)
    process: subprocess.Popen[bytes] | None = None

    def start(self, *command: str, **variables: str) -> subprocess.Popen[bytes]:
        """Start `prorata <command>` in the folder; its output goes to the files `out` and `err` there."""
        environment = {**os.environ, "PYTHONPATH": str(ROOT), MARK: self.mark, **variables}
        with (self.folder / "out").open("wb") as out, (self.folder / "err").open("wb") as err:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "worker", *command],
                cwd=self.folder,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
            )
        return self.process

    @property
    def out(self) -> str:
        """What it printed on stdout so far."""
        return (self.folder / "out").read_text()

    @property
    def err(self) -> str:
        """What it printed on stderr so far."""
        return (self.folder / "err").read_text()

    def wait_until(self, told: Callable[[], bool], seconds: float = 60) -> None:
        """Wait until it has printed something."""
        deadline = time.monotonic() + seconds
        while not told():
            assert self.process is not None
            assert self.process.poll() is None, self.err
            assert time.monotonic() < deadline, self.out + self.err
            time.sleep(0.05)

    def stop(self, number: int) -> int:
        """Send a signal; return the exit code."""
        assert self.process is not None
        self.process.send_signal(number)
        return self.process.wait(40)

    def left_behind(self) -> list[str]:
        """The command lines of what still runs: our processes by the mark, PostgreSQL by its folder."""
        found = []
        for proc in Path("/proc").glob("[0-9]*"):
            try:
                marked = f"{MARK}={self.mark}".encode() in (proc / "environ").read_bytes()
                command = (proc / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            except OSError:
                continue
            if command and (marked or str(self.folder) in command):
                found.append(command)
        return found
