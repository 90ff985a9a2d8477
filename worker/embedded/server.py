"""Starts, adopts and stops one embedded PostgreSQL for a data folder."""

from __future__ import annotations

import fcntl
import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from sync.clock import monotonic
from worker.embedded import binaries, cluster, home, process
from worker.embedded.binaries import Binaries, EmbeddedPostgresError
from worker.embedded.state import ServerState, read_state, write_state
from worker.ports import free_port

START_TIMEOUT_SECONDS = 60.0
STOP_TIMEOUT_SECONDS = 15.0
# Somebody else may take the free port between our look and the server's.
PORT_TRIES = 5

COMMON_SETTINGS = {
    "listen_addresses": "127.0.0.1",
    # A socket's path may have 107 bytes at most, which a data folder's path easily exceeds.
    "unix_socket_directories": "",
    "max_connections": "200",
    "shared_buffers": "128MB",
    "max_wal_size": "512MB",
    "log_timezone": "UTC",
    "timezone": "UTC",
    "log_checkpoints": "off",
}
# A crash of the machine may lose everything: right for tests, wrong for anything else.
NOT_DURABLE_SETTINGS = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}


class EmbeddedPostgres:
    """One PostgreSQL server, on 127.0.0.1 and a free port, whose files live under `data_dir`.

    `start` adopts a server that already runs for the folder; `stop` stops only a server that this object
    started, or one whose starter is gone. The data survives restarts. `durable=False` is for tests.
    `bin_dir` overrides the search for PostgreSQL's programs.
    """

    def __init__(self, data_dir: Path, *, durable: bool = True, bin_dir: Path | None = None) -> None:
        self._state_dir = data_dir.absolute() / "postgres"
        self._durable = durable
        self._bin_dir = bin_dir
        self._child: subprocess.Popen[bytes] | None = None
        self._pid: int | None = None

    def __enter__(self) -> Self:
        """Start the server; the address is `url`."""
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop the server if it is ours to stop."""
        self.stop()

    @property
    def url(self) -> str:
        """The address of database `prorata` on the server. Raises EmbeddedPostgresError if there is none."""
        url = _url(self._state_dir)
        if url is None:
            raise EmbeddedPostgresError(f"no embedded PostgreSQL runs for {self._state_dir.parent}")
        return url

    @property
    def is_running(self) -> bool:
        """Tell whether a server runs for the data folder, whoever started it."""
        return _url(self._state_dir) is not None

    def start(self) -> str:
        """Start the server, or adopt the running one, and return the address of database `prorata`.

        Blocks for about a second at the first start. Raises EmbeddedPostgresError with what to do when there
        are no programs, the files are of another major version, or the server does not come up.
        """
        # Other users must be able to pass through, not to look: the cluster itself is closed.
        self._state_dir.parent.mkdir(parents=True, exist_ok=True)
        self._state_dir.mkdir(mode=0o711, exist_ok=True)
        with _locked(self._state_dir):
            if not self._adopt():
                self._launch()
        return self.url

    def stop(self) -> None:
        """Stop the server that this object started; does nothing otherwise, or when it is stopped already."""
        if self._pid is None:
            return
        with _locked(self._state_dir):
            process.stop(self._pid, self._child, timeout_seconds=STOP_TIMEOUT_SECONDS)
        self._pid, self._child = None, None

    def leave_running(self) -> None:
        """Let go of the server: it goes on after this process, and whoever adopts it next owns it."""
        if self._child is not None:
            # Otherwise Python warns about a child that nobody waited for.
            self._child.returncode = 0
        self._pid, self._child = None, None

    def _adopt(self) -> bool:
        state = read_state(self._state_dir)
        found = process.postmaster(state.cluster) if state is not None else None
        if state is None or found is None:
            return False
        _wait_ready(state.cluster, None, self._state_dir)
        if not process.is_alive(state.owner_pid):
            # Its starter was killed: without a new owner the server would run for ever.
            write_state(self._state_dir, state.owned_by(os.getpid(), found.port))
            self._pid = found.pid
        return True

    def _launch(self) -> None:
        user = home.server_user()
        place = home.choose_home(self._state_dir, user)
        programs = binaries.find(self._bin_dir)
        if user is not None:
            programs = binaries.copied(programs, place)
        data = cluster.prepare(place, programs, user, self._state_dir)
        process.remove_stale_pid_file(data)
        previous = read_state(self._state_dir)
        port = free_port(previous.port if previous is not None else 0)
        for _ in range(PORT_TRIES):
            state = ServerState(port=port, major=programs.major, home=str(place), owner_pid=os.getpid())
            write_state(self._state_dir, state)
            self._child = self._spawn(programs, data, port, user)
            if _wait_ready(data, self._child, self._state_dir):
                self._pid = self._child.pid
                return
            port = free_port()
        raise EmbeddedPostgresError(f"PostgreSQL found no free port; see {self._state_dir / 'server.log'}")

    def _spawn(
        self, programs: Binaries, data: Path, port: int, user: home.ServerUser | None
    ) -> subprocess.Popen[bytes]:
        settings = COMMON_SETTINGS | ({} if self._durable else NOT_DURABLE_SETTINGS)
        command = [programs.program("postgres"), "-D", str(data), "-p", str(port)]
        for name, value in settings.items():
            command += ["-c", f"{name}={value}"]
        # The log is written through our own descriptor, so it may lie where the server's user cannot look.
        with (self._state_dir / "server.log").open("wb") as log:
            # A session of its own: Ctrl-C in a terminal must reach us first, and the server through `stop`.
            return cluster.spawn(command, user, cwd=data.parent, log=log, start_new_session=True)


def find_running(data_dir: Path) -> str | None:
    """Return the address of the embedded server that runs for `data_dir`, or None."""
    return _url(data_dir.absolute() / "postgres")


def stop_running(data_dir: Path) -> bool:
    """Stop the embedded server of `data_dir` whoever started it; return whether there was one."""
    state_dir = data_dir.absolute() / "postgres"
    state = read_state(state_dir)
    if state is None:
        return False
    with _locked(state_dir):
        found = process.postmaster(state.cluster)
        if found is not None:
            process.stop(found.pid, None, timeout_seconds=STOP_TIMEOUT_SECONDS)
    return found is not None


def _url(state_dir: Path) -> str | None:
    state = read_state(state_dir)
    if state is None:
        return None
    found = process.postmaster(state.cluster)
    if found is None or not found.ready:
        return None
    password = cluster.password(state_dir)
    # It has no certificate, so asking for one with each connection is time lost.
    address = f"127.0.0.1:{found.port}/{cluster.DATABASE}?sslmode=disable"
    return f"postgresql://{cluster.ROLE}:{password}@{address}"


def _wait_ready(data: Path, child: subprocess.Popen[bytes] | None, state_dir: Path) -> bool:
    """Wait until the server takes connections; False when it could not get its port."""
    deadline = monotonic() + START_TIMEOUT_SECONDS
    while monotonic() < deadline:
        found = process.postmaster(data)
        if found is not None and found.ready:
            return True
        if (child is not None and child.poll() is not None) or (child is None and found is None):
            return _refused_port(state_dir)
        time.sleep(process.POLL_SECONDS)
    raise EmbeddedPostgresError(f"PostgreSQL does not get ready; see {state_dir / 'server.log'}")


def _refused_port(state_dir: Path) -> bool:
    """Return False when the log of an ended server blames the port; raise with its last lines otherwise."""
    log = (state_dir / "server.log").read_text(errors="replace")
    if "Address already in use" in log:
        return False
    tail = "\n".join(log.splitlines()[-5:])
    raise EmbeddedPostgresError(f"PostgreSQL ended at once; the end of {state_dir / 'server.log'}:\n{tail}")


@contextmanager
def _locked(state_dir: Path) -> Iterator[IO[bytes]]:
    """Hold the folder's lock: one process at a time decides whether a server is to be started."""
    with (state_dir / "lock").open("ab") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield lock
