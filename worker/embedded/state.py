"""`server.json`: what one process writes down so that the others find the server."""

from __future__ import annotations

import dataclasses
import json
import os
from dataclasses import dataclass
from pathlib import Path

FILE_NAME = "server.json"


@dataclass(frozen=True, slots=True)
class ServerState:
    """Where the server of a data folder is, and whose it is.

    `home` holds the cluster; it lies elsewhere when the server's user cannot reach the data folder.
    Whether the server runs is not in here: PostgreSQL's own postmaster.pid says it.
    """

    port: int
    major: int
    home: str
    owner_pid: int

    @property
    def cluster(self) -> Path:
        """The folder that PostgreSQL calls its data directory."""
        return Path(self.home) / "data"

    def owned_by(self, owner_pid: int, port: int) -> ServerState:
        """Return the same server with another owner."""
        return dataclasses.replace(self, owner_pid=owner_pid, port=port)


def read_state(state_dir: Path) -> ServerState | None:
    """Return what was written down, or None where nothing readable is."""
    try:
        return ServerState(**json.loads((state_dir / FILE_NAME).read_text()))
    except (OSError, ValueError, TypeError):
        return None


def write_state(state_dir: Path, state: ServerState) -> None:
    """Replace what was written down, in one step, readable by us alone."""
    scratch = state_dir / f"{FILE_NAME}.{os.getpid()}"
    scratch.touch(mode=0o600)
    scratch.write_text(json.dumps(dataclasses.asdict(state)))
    scratch.replace(state_dir / FILE_NAME)
