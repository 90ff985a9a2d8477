"""How long people wait for the command and for the embedded server."""

from __future__ import annotations

import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from worker.embedded import EmbeddedPostgres

pytestmark = pytest.mark.benchmark

HELP_SECONDS = 0.4
COLD_START_SECONDS = 3.0


def test_help_is_quick() -> None:
    """`prorata --help` answers before one wonders whether it hangs."""
    command = [sys.executable, "-m", "worker", "--help"]
    subprocess.run(command, check=True, capture_output=True)
    times = []
    for _ in range(5):
        began = time.perf_counter()
        subprocess.run(command, check=True, capture_output=True)
        times.append(time.perf_counter() - began)

    print(f"\nprorata --help: {statistics.median(times):.3f} s")
    assert statistics.median(times) < HELP_SECONDS


def test_embedded_server_starts_quickly() -> None:
    """The first start makes a cluster on the disk; a later one only starts it."""
    folder = Path(tempfile.mkdtemp(prefix="prorata-bench-"))
    folder.chmod(0o711)
    server = EmbeddedPostgres(folder)
    times = []
    for _ in range(2):
        began = time.perf_counter()
        server.start()
        times.append(time.perf_counter() - began)
        server.stop()
    shutil.rmtree(folder)

    print(f"\nembedded PostgreSQL: {times[0]:.2f} s cold, {times[1]:.2f} s warm")
    assert times[0] < COLD_START_SECONDS
