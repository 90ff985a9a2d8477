"""What PostgreSQL itself writes down about a running server, and how such a process is stopped."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from sync.clock import monotonic

# The lines of postmaster.pid, in PostgreSQL's own order.
PID_LINE, PORT_LINE, STATUS_LINE = 0, 3, 7
POLL_SECONDS = 0.01


@dataclass(frozen=True, slots=True)
class Postmaster:
    """A live server of one cluster; `ready` once it takes connections."""

    pid: int
    port: int
    ready: bool


def postmaster(cluster: Path) -> Postmaster | None:
    """Return the live server of `cluster`, or None; a pid file that a crash left behind counts as none."""
    try:
        lines = (cluster / "postmaster.pid").read_text().splitlines()
        pid, port = int(lines[PID_LINE]), int(lines[PORT_LINE])
    except (OSError, ValueError, IndexError):
        return None
    if not is_alive(pid) or str(cluster) not in command_line(pid):
        return None
    status = lines[STATUS_LINE].strip() if len(lines) > STATUS_LINE else ""
    return Postmaster(pid, port, status == "ready")


def is_alive(pid: int) -> bool:
    """Tell whether a process with this id exists, ours or not."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def command_line(pid: int) -> str:
    """Return the command line of a process, or "" where it is gone: ids are used again after a restart."""
    proc = Path(f"/proc/{pid}/cmdline")
    if proc.parent.parent.joinpath("self").exists():
        try:
            return proc.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            return ""
    listing = subprocess.run(
        ["/bin/ps", "-o", "command=", "-p", str(pid)], capture_output=True, text=True, check=False
    )
    return listing.stdout


def remove_stale_pid_file(cluster: Path) -> None:
    """Remove a crashed server's pid file where its id belongs to another process or to a dead child.

    PostgreSQL itself overlooks an id that is free; it would refuse to start for one that is in use. Backends
    of the crashed server that still run are found by PostgreSQL through their shared memory.
    """
    if postmaster(cluster) is None:
        (cluster / "postmaster.pid").unlink(missing_ok=True)


def stop(pid: int, child: subprocess.Popen[bytes] | None, *, timeout_seconds: float) -> None:
    """Stop a server: fast shutdown first (clients are cut off, data is written), then the hard way."""
    for how in (signal.SIGINT, signal.SIGQUIT, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, how)
        if _gone(pid, child, timeout_seconds):
            return


def _gone(pid: int, child: subprocess.Popen[bytes] | None, timeout_seconds: float) -> bool:
    deadline = monotonic() + timeout_seconds
    while monotonic() < deadline:
        # A child of ours stays in the process table until it is asked for its exit status.
        if child.poll() is not None if child is not None else not _runs(pid):
            return True
        time.sleep(POLL_SECONDS)
    return False


def _runs(pid: int) -> bool:
    # Another process's dead child may stay in the process table for ever, with an empty command line.
    return is_alive(pid) and bool(command_line(pid))
