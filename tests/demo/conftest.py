"""A folder that PostgreSQL's user can reach, and a command that is ended with its test."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.demo.processes import Prorata
from tests.support.postgres import space
from worker.embedded import stop_running


@pytest.fixture
def prorata() -> Iterator[Prorata]:
    """The command, to be started in a folder of its own."""
    folder = Path(tempfile.mkdtemp(prefix="prorata-local-", dir=space()))
    folder.chmod(0o711)
    made = Prorata(folder)
    yield made
    if made.process is not None and made.process.poll() is None:
        made.process.kill()
        made.process.wait()
    for data_dir in folder.glob(".prorata*"):
        for place in (data_dir, *data_dir.glob("demo-*")):
            stop_running(place)
    shutil.rmtree(folder)
