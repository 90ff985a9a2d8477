"""Makes a cluster: the files of one PostgreSQL server, with a password and an empty database."""

from __future__ import annotations

import os
import secrets
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import IO, Any

from worker.embedded import process
from worker.embedded.binaries import Binaries, EmbeddedPostgresError
from worker.embedded.home import ServerUser

ROLE = "prorata"
DATABASE = "prorata"
PASSWORD_FILE = "password"  # noqa: S105  the name of a file
# The first major version with a locale of its own, which does not depend on the system's C library.
FIRST_WITH_BUILTIN_LOCALE = 17
BUILTIN_LOCALE = ["--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C"]
LIBC_LOCALE = ["--locale=C.UTF-8"]
# Rounds of hashing slow down who guesses passwords. Nobody guesses one of 192 random bits, and 4,096 rounds
# are a fifth of the price of a new connection.
FIRST_WITH_SCRAM_ITERATIONS = 16
EASY_LOGIN = ["-c", "scram_iterations=1"]


def prepare(home: Path, programs: Binaries, user: ServerUser | None, state_dir: Path) -> Path:
    """Return the cluster's folder, made first where it is missing.

    Raises EmbeddedPostgresError when the files there belong to another major version.
    """
    data = home / "data"
    if data.exists() and not (state_dir / PASSWORD_FILE).exists():
        _forget(data, state_dir)
    try:
        major = int((data / "PG_VERSION").read_text())
    except FileNotFoundError:
        _create(home, data, programs, user, state_dir)
        return data
    if major != programs.major:
        raise EmbeddedPostgresError(
            f"the data in {state_dir.parent} is of PostgreSQL {major}, the programs are {programs.version}: "
            f"use programs of version {major}, or dump and restore, or set PRORATA_DATA_DIR to a new folder"
        )
    return data


def password(state_dir: Path) -> str:
    """Return the generated password of the cluster's role."""
    return (state_dir / PASSWORD_FILE).read_text().strip()


def spawn(
    command: list[str],
    user: ServerUser | None,
    *,
    cwd: Path,
    log: IO[bytes],
    start_new_session: bool = False,
    stdin: int = subprocess.DEVNULL,
) -> subprocess.Popen[bytes]:
    """Start one of PostgreSQL's programs as `user`, with its output in `log` and a clean environment."""
    # PGPORT, PGDATA and the like of the caller must not leak in; messages are read by us, so no translation.
    env = {"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"}
    as_user: dict[str, Any] = {}
    if user is not None:
        as_user = {"user": user.uid, "group": user.gid, "extra_groups": []}
    return subprocess.Popen(
        command,
        stdin=stdin,
        stdout=log,
        stderr=subprocess.STDOUT,
        cwd=cwd,
        env=env,
        umask=0o077,
        start_new_session=start_new_session,
        **as_user,
    )


def _create(home: Path, data: Path, programs: Binaries, user: ServerUser | None, state_dir: Path) -> None:
    """Make the cluster beside its final place, then move it there: a crash leaves no half cluster."""
    scratch = home / "data.new"
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir(mode=0o700)
    secret = _new_password(state_dir)
    log_path = state_dir / "initdb.log"
    descriptor, name = tempfile.mkstemp(dir=home)
    password_file = Path(name)
    try:
        with os.fdopen(descriptor, "w") as file:
            file.write(secret)
        if user is not None:
            os.chown(scratch, user.uid, user.gid)
            os.chown(password_file, user.uid, user.gid)
        with log_path.open("wb") as log:
            _run(_initdb_command(programs, scratch, password_file), user, home, log, log_path)
    finally:
        password_file.unlink()
    with log_path.open("ab") as log:
        _create_database(programs, scratch, user, home, log, log_path)
    scratch.rename(data)


def _forget(data: Path, state_dir: Path) -> None:
    """Remove a private cluster whose data folder was deleted and made again: nobody has its password."""
    if data.is_relative_to(state_dir):
        raise EmbeddedPostgresError(
            f"{state_dir / PASSWORD_FILE} is missing; remove {state_dir} to start afresh"
        )
    leftover = process.postmaster(data)
    if leftover is not None:
        process.stop(leftover.pid, None, timeout_seconds=10)
    shutil.rmtree(data)


def _initdb_command(programs: Binaries, data: Path, password_file: Path) -> list[str]:
    locale = BUILTIN_LOCALE if programs.major >= FIRST_WITH_BUILTIN_LOCALE else LIBC_LOCALE
    return [
        programs.program("initdb"),
        *("-D", str(data), "-U", ROLE, "--encoding=UTF8", *locale),
        *("--auth=scram-sha-256", f"--pwfile={password_file}", "--no-instructions"),
        *(EASY_LOGIN if programs.major >= FIRST_WITH_SCRAM_ITERATIONS else ()),
        # Nothing in an empty cluster is worth waiting for the disk.
        "--no-sync",
    ]


def _create_database(
    programs: Binaries, data: Path, user: ServerUser | None, home: Path, log: IO[bytes], log_path: Path
) -> None:
    # A server for one command, without network: 0.07 s, where a client would first need a running server.
    command = [programs.program("postgres"), "--single", "-F", "-D", str(data), "postgres"]
    _run(command, user, home, log, log_path, text=f"CREATE DATABASE {DATABASE}\n")


def _run(
    command: list[str], user: ServerUser | None, cwd: Path, log: IO[bytes], log_path: Path, text: str = ""
) -> None:
    child = spawn(command, user, cwd=cwd, log=log, stdin=subprocess.PIPE)
    child.communicate(text.encode(), timeout=120)
    if child.returncode != 0:
        tail = "\n".join(log_path.read_text(errors="replace").splitlines()[-5:])
        raise EmbeddedPostgresError(f"{Path(command[0]).name} failed; the end of {log_path}:\n{tail}")


def _new_password(state_dir: Path) -> str:
    secret = secrets.token_urlsafe(24)
    path = state_dir / PASSWORD_FILE
    path.unlink(missing_ok=True)
    path.touch(mode=0o600)
    path.write_text(secret)
    return secret
