"""The demonstration's own folder: made, removed again, and swept after runs that were killed."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from worker.embedded import stop_running
from worker.embedded.home import sweep_private_homes
from worker.embedded.process import is_alive

PREFIX = "demo-"
# Names the process that uses a folder; one that a failed run kept for its logs has none.
OWNER = "owner.pid"


@dataclass(slots=True)
class Folder:
    """Where the demonstration keeps its database and its logs."""

    path: Path
    keep_logs: bool = False


@contextmanager
def own_folder(data_dir: Path) -> Iterator[Folder]:
    """A new folder under `data_dir`, or in the temporary space where we may not write.

    At the end it is removed; of a run that failed the logs stay.
    """
    _sweep(data_dir)
    folder = Folder(_make(data_dir), keep_logs=True)
    (folder.path / OWNER).write_text(str(os.getpid()))
    try:
        yield folder
    finally:
        _remove(folder.path, logs=not folder.keep_logs)
        # Only if nothing else is in it.
        with suppress(OSError):
            data_dir.rmdir()


def _make(data_dir: Path) -> Path:
    try:
        data_dir.mkdir(parents=True, exist_ok=True)
        path = Path(tempfile.mkdtemp(prefix=PREFIX, dir=data_dir))
    except OSError:
        path = Path(tempfile.mkdtemp(prefix=f"prorata-{PREFIX}"))
    # The server may have to run as another user, who must be able to pass through.
    path.chmod(0o711)
    return path


def _sweep(data_dir: Path) -> None:
    """Stop and remove what runs that were killed left behind."""
    for owner in data_dir.glob(f"{PREFIX}*/{OWNER}"):
        with suppress(OSError, ValueError):
            if not is_alive(int(owner.read_text())):
                stop_running(owner.parent)
                _remove(owner.parent, logs=True)


def _remove(path: Path, *, logs: bool) -> None:
    if logs:
        shutil.rmtree(path, ignore_errors=True)
    else:
        shutil.rmtree(path / "postgres", ignore_errors=True)
        (path / OWNER).unlink(missing_ok=True)
    # A server that ran as another user may have had its files elsewhere.
    sweep_private_homes()
