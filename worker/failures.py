"""How a loop that must outlive its failures tells of one."""

from __future__ import annotations

import structlog

from sync.store.db import is_passing
from sync.telemetry import LogEvent

log = structlog.get_logger()


def log_failure(error: Exception, *, kind: str, **about: str) -> None:
    """A database that is away is one line a try; anything else is a defect, and comes with where it was."""
    tell = log.warning if is_passing(error) else log.exception
    tell(LogEvent.JOB_FAILED, kind=kind, error=type(error).__name__, **about)
