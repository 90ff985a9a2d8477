"""What benchmarks share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog

from worker.logs import configure


@pytest.fixture
def production_logs(tmp_path: Path) -> Iterator[None]:
    """One JSON line an event, as in production, but into a file."""
    with (tmp_path / "log").open("w") as stream:
        configure("json", "INFO", stream)
        yield
    structlog.reset_defaults()
