"""Failures that no repeat mends: our key is denied, or a key of ours was used for something else."""

from __future__ import annotations

from typing import Final

import structlog

from sync import clock
from sync.gateway.failures import KEY_REUSED, Failure, Verdict
from sync.telemetry import LogEvent

log = structlog.get_logger()

# A denied key fails every call of every process: one alarm an hour of each says it.
QUIET_SECONDS: Final = 3600.0
FORBIDDEN: Final = 403


class Alarms:
    """Tells of such failures, and of what goes on failing once an hour."""

    def __init__(self) -> None:
        self._told: dict[str, float] = {}

    def hear(self, operation: str, key: str | None, failure: Failure) -> None:
        """Wake somebody if this failure is for a person."""
        if failure.code == KEY_REUSED:
            log.error(
                LogEvent.STRIPE_KEY_REUSED,
                op=operation,
                idempotency_key=key,
                stripe_request_id=failure.request_id,
            )
        elif failure.verdict is Verdict.DENIED:
            self._denied(operation, failure)

    def _denied(self, operation: str, failure: Failure) -> None:
        # A restricted key may lack several permissions, a wrong one lacks all.
        about = operation if failure.http_status == FORBIDDEN else ""
        now = clock.monotonic()
        if now - self._told.get(about, -QUIET_SECONDS) < QUIET_SECONDS:
            return
        self._told[about] = now
        log.error(
            LogEvent.STRIPE_DENIED,
            op=operation,
            status=failure.http_status,
            stripe_request_id=failure.request_id,
        )
