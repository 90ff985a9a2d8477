"""A PostgreSQL server of a test's own, to be stopped and started again as operators do."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from enum import Enum
from pathlib import Path

from tests.support.postgres import run_in_thread, space
from worker.embedded import EmbeddedPostgres
from worker.migrate import migrate


class Stop(Enum):
    """How a server is told to stop."""

    FAST = signal.SIGINT  # every session is ended, what was committed is written
    IMMEDIATE = signal.SIGQUIT  # as if the machine had lost its power


class Cluster:
    """The server, with a migrated database at `url`."""

    def __init__(self, folder: Path) -> None:
        # Durable: what was committed must be there after an immediate stop.
        self._server = EmbeddedPostgres(folder, durable=True)
        self.url = self._server.start()
        run_in_thread(migrate(self.url))

    async def stop(self, how: Stop) -> None:
        """Stop it; returns once it is down."""
        pid = self._server._pid
        if pid is None:
            raise LookupError("it does not run")
        os.kill(pid, how.value)
        await asyncio.to_thread(self._server.stop)

    async def start(self) -> None:
        """Start it again on the same port; returns once it takes connections."""
        await asyncio.to_thread(self._server.start)

    def remove(self) -> None:
        """Stop it for good."""
        self._server.stop()


@contextmanager
def own_cluster() -> Iterator[Cluster]:
    """A cluster, for as long as it is needed."""
    folder = Path(tempfile.mkdtemp(prefix="prorata-cluster-", dir=space()))
    folder.chmod(0o711)
    cluster = Cluster(folder)
    try:
        yield cluster
    finally:
        cluster.remove()
        shutil.rmtree(folder, ignore_errors=True)
