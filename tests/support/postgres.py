"""One PostgreSQL server for a run of the tests, with a migrated template and fresh clones of it."""

from __future__ import annotations

import asyncio
import fcntl
import os
import shutil
import tempfile
import uuid
from collections.abc import AsyncIterator, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager
from functools import cache
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit, urlunsplit

import asyncpg

from worker.embedded import EmbeddedPostgres, stop_running
from worker.embedded.process import is_alive
from worker.migrate import migrate

T = TypeVar("T")

# Folder of the run, in the environment so that the processes of pytest-xdist find it.
RUN_DIR = "PRORATA_TEST_RUN_DIR"
# Another server's programs, to run the tests on another version of PostgreSQL.
PG_BIN = "PRORATA_TEST_PG_BIN"
# A server that runs already; the role needs the right to create databases.
SERVER_URL = "PRORATA_TEST_SERVER_URL"
TEMPLATE = "prorata_template"
PREFIX = f"prorata-tests-{os.geteuid()}-"
# Cloning a database takes 11 ms in memory and 100 to 300 ms on a disk.
MEMORY = Path("/dev/shm")  # noqa: S108  the folder made there has a random name
MEMORY_NEEDED_BYTES = 2 << 30


def begin_run() -> None:
    """Make the run's folder; the server itself starts when the first test asks for it."""
    sweep_dead_runs()
    folder = tempfile.mkdtemp(prefix=f"{PREFIX}{os.getpid()}-", dir=space())
    # The server's user, when the tests run as root, must be able to pass.
    Path(folder).chmod(0o711)
    os.environ[RUN_DIR] = folder


def end_run() -> None:
    """Stop the run's server, whichever process started it, and remove the run's folder."""
    _server().stop()
    _remove(Path(os.environ.pop(RUN_DIR)))


def leave_run() -> None:
    """Leave the run's server to the process that began the run."""
    _server().leave_running()


def sweep_dead_runs() -> None:
    """Clean up after runs of ours that were killed before they could."""
    for folder in space().glob(f"{PREFIX}*"):
        pid = folder.name.removeprefix(PREFIX).split("-")[0]
        if pid.isdigit() and not is_alive(int(pid)):
            _remove(folder)


def server_url() -> str:
    """Return the address of the run's server, started by whoever asks first."""
    given = os.environ.get(SERVER_URL)
    if given:
        return given
    return _server().start()


@cache
def _server() -> EmbeddedPostgres:
    """The run's server, kept for as long as this process lives, because it may be this process's child."""
    bin_dir = os.environ.get(PG_BIN)
    return EmbeddedPostgres(
        Path(os.environ[RUN_DIR]), durable=False, bin_dir=Path(bin_dir) if bin_dir else None
    )


def template_url() -> str:
    """Return the address of the migrated template, made by whoever asks first."""
    url = with_database(server_url(), template_name())
    done = Path(os.environ[RUN_DIR]) / "template"
    with _locked(done.with_suffix(".lock")):
        if not done.exists():
            run_in_thread(_make_template(server_url(), url))
            done.touch()
    return url


def template_name() -> str:
    """Return the template's name, which differs between runs that share a server."""
    return f"{TEMPLATE}_{Path(os.environ[RUN_DIR]).name.rsplit('-', 1)[-1].lower()}"


def with_database(url: str, name: str) -> str:
    """Return the address of another database of the same server."""
    return urlunsplit(urlsplit(url)._replace(path=f"/{name}"))


@asynccontextmanager
async def fresh_database(template: str | None) -> AsyncIterator[str]:
    """Yield the address of a new database, a clone of `template` or empty, and drop it afterwards."""
    admin_url = server_url()
    name = f"t_{uuid.uuid4().hex}"
    # Copying the files beats writing every page to the log when nothing is synced to the disk.
    clone = f"TEMPLATE {template} STRATEGY file_copy" if template else ""
    await _admin(admin_url, f"CREATE DATABASE {name} {clone}")
    try:
        yield with_database(admin_url, name)
    finally:
        await _admin(admin_url, f"DROP DATABASE {name} WITH (FORCE)")


def run_in_thread(work: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine on a loop of its own, whatever loop the test has."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, work).result()


async def _make_template(admin_url: str, url: str) -> None:
    await _admin(admin_url, f"CREATE DATABASE {template_name()}")
    await migrate(url)


async def _admin(url: str, statement: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


def space() -> Path:
    """Return where the run's folder goes: in memory where there is enough of it."""
    if os.access(MEMORY, os.W_OK) and shutil.disk_usage(MEMORY).free > MEMORY_NEEDED_BYTES:
        return MEMORY
    return Path(tempfile.gettempdir())


def _remove(folder: Path) -> None:
    given = os.environ.get(SERVER_URL)
    if given is None:
        stop_running(folder)
    shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.open("ab") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
