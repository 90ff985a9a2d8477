"""What the open door keeps in mind about deliveries that nobody has vouched for yet.

Anybody can send to it. So strangers share a bounded amount of memory, of which large bodies get one part at
most and small ones, such as Stripe's are, what is left; and refusals are counted one by one, but told once a
minute.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

import structlog

from sync.clock import monotonic
from sync.telemetry import LogEvent

log = structlog.get_logger(__name__)

MEMORY_BYTES: Final = 256 * 1024 * 1024
# Of that for large bodies, however few small ones there are.
LARGE_PART: Final = 1 / 4
# Larger than nearly all of Stripe's events.
SMALL_BYTES: Final = 64 * 1024
QUIET_SECONDS: Final = 60.0


@dataclass(slots=True)
class Held:
    """A body on its way in: how many of its bytes are held."""

    size: int = 0


class Strangers:
    """The shared memory, and the summary of refusals."""

    def __init__(self, *, memory_bytes: int = MEMORY_BYTES, quiet_seconds: float = QUIET_SECONDS) -> None:
        self._memory_bytes = memory_bytes
        self._quiet_seconds = quiet_seconds
        self._bytes = 0
        self._refused: Counter[str] = Counter()
        self._told_at: float | None = None
        self._is_alarm = False

    @contextmanager
    def body(self) -> Iterator[Held]:
        """Count a body as held until the block ends."""
        held = Held()
        try:
            yield held
        finally:
            self._bytes -= held.size

    def has_room(self, held: Held, size: int) -> bool:
        """Count a body as grown to `size`; False when there is no memory for it."""
        self._bytes += size - held.size
        held.size = size
        part = 1 if size <= SMALL_BYTES else LARGE_PART
        return self._bytes <= self._memory_bytes * part

    def refused(self, reason: str, *, is_alarm: bool = False) -> None:
        """Count a refusal, and tell of all since the last time, at once or when the time for it comes.

        The first one is told at once: most likely the secret in the environment is the wrong one.
        """
        self._refused[reason] += 1
        self._is_alarm |= is_alarm
        now = monotonic()
        if self._told_at is None or now - self._told_at >= self._quiet_seconds:
            tell = log.error if self._is_alarm else log.warning
            tell(LogEvent.INBOX_REFUSED, refused=dict(self._refused))
            self._refused.clear()
            self._is_alarm = False
            self._told_at = now
