"""How a loop that must outlive its failures tells of one."""

from __future__ import annotations

import structlog

from sync.store.db import Failure, classify
from sync.telemetry import LogEvent

log = structlog.get_logger()


def log_failure(error: Exception, *, kind: str, **about: str) -> None:
    """A database that is away is one line a try; anything else is a defect, and comes with where it was."""
    failure = classify(error)
    tell = log.warning if failure in (Failure.RETRY, Failure.UNAVAILABLE) else log.exception
    tell(LogEvent.JOB_FAILED, kind=kind, error=type(error).__name__, **about)
