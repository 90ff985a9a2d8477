"""Chooses the folder an embedded server lives in, and the user it runs as."""

from __future__ import annotations

import hashlib
import os
import pwd
import shutil
import stat
import tempfile
from dataclasses import dataclass
from pathlib import Path

from worker.embedded.binaries import EmbeddedPostgresError

# PostgreSQL refuses to run as root, and this user owns nothing else.
SERVER_USER = "nobody"
# Names the data folder that a private folder belongs to.
OWNER_FILE = "data-dir.txt"


@dataclass(frozen=True, slots=True)
class ServerUser:
    """The user that the server runs as when we are root."""

    name: str
    uid: int
    gid: int


def server_user() -> ServerUser | None:
    """Return the user to run the server as, or None for ourselves.

    Raises EmbeddedPostgresError when we are root and the system has no such user.
    """
    if os.geteuid() != 0:
        return None
    try:
        entry = pwd.getpwnam(SERVER_USER)
    except KeyError:
        raise EmbeddedPostgresError(
            f"PostgreSQL does not run as root and there is no user {SERVER_USER!r}: "
            "run as an ordinary user, or set DATABASE_URL"
        ) from None
    return ServerUser(entry.pw_name, entry.pw_uid, entry.pw_gid)


def choose_home(state_dir: Path, user: ServerUser | None) -> Path:
    """Return the folder for the cluster: inside `state_dir`, or a private one where `user` cannot get there.

    The permissions of folders above `state_dir` are never touched: a private folder in the system's
    temporary space, keyed by the path, takes the cluster instead.
    """
    if user is None or _reachable(state_dir, user):
        home = state_dir / "home"
        home.mkdir(mode=0o711, exist_ok=True)
        return home
    sweep_private_homes()
    return _private_home(state_dir)


def private_root() -> Path:
    """Return the temporary space for private folders, the one that survives a restart where there is one."""
    lasting = Path("/var/tmp")  # noqa: S108  a folder is made there below, with its owner checked
    return lasting if lasting.is_dir() else Path(tempfile.gettempdir())


def sweep_private_homes() -> None:
    """Remove our private folders whose data folder is gone; a server that still runs there is left alone."""
    for home in private_root().glob(f"prorata-{os.geteuid()}-*"):
        owner = home / OWNER_FILE
        if home.stat().st_uid != os.geteuid() or not owner.is_file():
            continue
        running = (home / "data" / "postmaster.pid").exists()
        if not running and not Path(owner.read_text().strip()).exists():
            shutil.rmtree(home, ignore_errors=True)


def _private_home(state_dir: Path) -> Path:
    key = hashlib.sha256(str(state_dir).encode()).hexdigest()[:12]
    home = private_root() / f"prorata-{os.geteuid()}-{key}"
    home.mkdir(mode=0o711, exist_ok=True)
    found = home.lstat()
    # The name can be guessed, so somebody else may have made it first.
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid():
        raise EmbeddedPostgresError(
            f"{home} belongs to somebody else; set PRORATA_DATA_DIR to another folder"
        )
    home.chmod(0o711)
    (home / OWNER_FILE).write_text(f"{state_dir}\n")
    return home


def _reachable(folder: Path, user: ServerUser) -> bool:
    """Tell whether `user` may walk down to `folder`, by the permission bits of every folder on the way."""
    return all(_may_enter(part.stat(), user) for part in [folder, *folder.parents])


def _may_enter(found: os.stat_result, user: ServerUser) -> bool:
    if found.st_uid == user.uid:
        return bool(found.st_mode & stat.S_IXUSR)
    if found.st_gid == user.gid:
        return bool(found.st_mode & stat.S_IXGRP)
    return bool(found.st_mode & stat.S_IXOTH)
