"""The embedded PostgreSQL: starts, is found, is adopted, survives, and refuses what it cannot open."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg
import pytest

from tests.support.postgres import PG_BIN, space
from worker.embedded import (
    EmbeddedPostgres,
    EmbeddedPostgresError,
    binaries,
    find_running,
    home,
    stop_running,
)
from worker.embedded.state import read_state

pytestmark = pytest.mark.pg15

BIN_DIR = Path(os.environ[PG_BIN]) if PG_BIN in os.environ else None


@pytest.fixture
def folder() -> Iterator[Path]:
    """A data folder that the server's user can reach; whatever runs for it is stopped afterwards."""
    path = Path(tempfile.mkdtemp(prefix="prorata-embedded-", dir=space()))
    path.chmod(0o711)
    yield path
    stop_running(path)
    shutil.rmtree(path)


def server(folder: Path) -> EmbeddedPostgres:
    """Return a launcher for a folder, not started."""
    return EmbeddedPostgres(folder, durable=False, bin_dir=BIN_DIR)


async def ask(url: str, query: str) -> object:
    """Return the single value of a query."""
    connection = await asyncpg.connect(url)
    value = await connection.fetchval(query)
    await connection.close()
    return value


async def test_starts_and_keeps_its_data(folder: Path) -> None:
    """What was written is there after a stop and a start, at the same address."""
    first = server(folder)
    url = first.start()
    await ask(url, "CREATE TABLE kept AS SELECT 42 AS answer")
    first.stop()
    assert not first.is_running

    with server(folder) as second:
        assert second.url == url
        assert await ask(url, "SELECT answer FROM kept") == 42


def test_no_outgoing_connection_takes_its_port(folder: Path) -> None:
    """It starts again at the same address: its port lies below those that the system hands out."""
    with server(folder) as running:
        assert (urlsplit(running.url).port or 0) < 32_768


async def test_listens_on_loopback_with_a_password(folder: Path) -> None:
    """No other address, no socket in the file system, no entry without the password."""
    with server(folder) as running:
        assert await ask(running.url, "SHOW listen_addresses") == "127.0.0.1"
        assert await ask(running.url, "SHOW unix_socket_directories") == ""
        with pytest.raises(asyncpg.InvalidPasswordError):
            await ask(running.url.replace("prorata:", "prorata:x", 1), "SELECT 1")


async def test_database_sorts_the_same_everywhere(folder: Path) -> None:
    """The locale is UTF-8 by code point, whatever the machine's own is."""
    with server(folder) as running:
        assert await ask(running.url, "SHOW server_encoding") == "UTF8"
        assert await ask(running.url, "SELECT 'Z' < 'a' AND lower('É') = 'é'") is True


def test_second_start_adopts_the_first(folder: Path) -> None:
    """Two launchers share one server, and only its starter stops it."""
    first, second = server(folder), server(folder)

    assert first.start() == second.start()
    second.stop()
    assert find_running(folder) == first.url
    first.stop()
    assert find_running(folder) is None


def test_abandoned_server_gets_a_new_owner(folder: Path) -> None:
    """A server whose starter ended without stopping it is stopped by whoever adopted it."""
    code = "import sys, pathlib; from worker.embedded import EmbeddedPostgres as E; "
    code += "E(pathlib.Path(sys.argv[1]), bin_dir=sys.argv[2] and pathlib.Path(sys.argv[2]) or None).start()"
    subprocess.run([sys.executable, "-c", code, str(folder), str(BIN_DIR or "")], check=True)
    assert find_running(folder) is not None

    adopter = server(folder)
    adopter.start()
    adopter.stop()
    assert find_running(folder) is None


async def test_recovers_from_a_kill(folder: Path) -> None:
    """A pid file that a crash left behind is no running server, and the data is recovered."""
    # Durable, unlike the other servers here: what was committed must be there.
    killed = EmbeddedPostgres(folder, bin_dir=BIN_DIR)
    url = killed.start()
    await ask(url, "CREATE TABLE kept AS SELECT 1")
    pid_file = Path(str(await ask(url, "SHOW data_directory"))) / "postmaster.pid"
    pid = int(pid_file.read_text().split()[0])
    os.kill(pid, signal.SIGKILL)
    killed.stop()
    assert pid_file.exists()
    assert find_running(folder) is None

    with server(folder) as again:
        assert await ask(again.url, "SELECT count(*) FROM kept") == 1


def test_data_of_another_major_version_is_refused(folder: Path) -> None:
    """The message names both versions and says what to do; the files stay as they are."""
    with server(folder):
        state = read_state(folder / "postgres")
    assert state is not None
    version_file = state.cluster / "PG_VERSION"
    version_file.write_text("9\n")

    with pytest.raises(EmbeddedPostgresError, match="is of PostgreSQL 9, the programs are"):
        server(folder).start()
    assert version_file.read_text() == "9\n"


def test_secrets_are_readable_by_the_owner_alone(folder: Path) -> None:
    """The password and the state file are closed to others."""
    with server(folder):
        modes = [(folder / "postgres" / name).stat().st_mode & 0o777 for name in ("password", "server.json")]

    assert modes == [0o600, 0o600]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root runs the server as another user")
def test_unreachable_folder_is_left_alone(folder: Path) -> None:
    """As root, a cluster that `nobody` could not reach goes to a private folder; no permission is changed."""
    closed = folder / "closed"
    closed.mkdir(mode=0o700)
    data_dir = closed / "data"

    with server(data_dir):
        state = read_state(data_dir / "postgres")
        assert state is not None
        private = Path(state.home)
        assert find_running(data_dir) is not None
    assert not private.is_relative_to(folder)
    assert closed.stat().st_mode & 0o777 == 0o700

    shutil.rmtree(data_dir)
    home.sweep_private_homes()
    assert not private.exists()


def test_missing_programs_are_explained(folder: Path) -> None:
    """A folder without PostgreSQL's programs is named."""
    with pytest.raises(EmbeddedPostgresError, match="no PostgreSQL server programs in"):
        EmbeddedPostgres(folder, bin_dir=folder).start()


def test_no_programs_at_all_are_explained(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Without a package and without a server of the system the message says what to install."""
    monkeypatch.setattr(binaries, "PACKAGES", ())
    monkeypatch.setattr(binaries, "DEBIAN", tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(EmbeddedPostgresError, match=r"install prorata\[local\]"):
        binaries.find()
