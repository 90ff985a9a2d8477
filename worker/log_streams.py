"""Where the lines of the log go: a full disk, or a pipe that nobody reads, must stop nobody's billing."""

from __future__ import annotations

import atexit
import os
import queue
import threading
from contextlib import suppress
from typing import Final, TextIO

from sync.telemetry import LOG_LINES_LOST

# Lines that wait for a log that stands still; of one more than these the newest are lost.
LINES_MOST: Final = 10_000
# How long the last lines have when the process ends.
FAREWELL_SECONDS: Final = 1.0


class Unfailing:
    """A stream that loses what it cannot write."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """Write, and count what could not be written."""
        try:
            return self._stream.write(text)
        except OSError:
            LOG_LINES_LOST.inc()
            return len(text)

    def flush(self) -> None:
        """Write what the stream still holds."""
        with suppress(OSError):
            self._stream.flush()

    def isatty(self) -> bool:
        """Whether a person looks on."""
        return self._stream.isatty()


class Aside:
    """A stream that a thread writes, so that who logs never waits; it loses what finds no room.

    The thread writes to the descriptor itself: in the stream's own buffer a write that never ends would hold
    a lock that Python wants when it ends.
    """

    def __init__(self, stream: TextIO, *, lines_most: int = LINES_MOST) -> None:
        self._descriptor, self._is_tty = stream.fileno(), stream.isatty()
        self._waiting: queue.Queue[str | None] = queue.Queue(lines_most)
        self._thread = threading.Thread(target=self._carry, name="log", daemon=True)
        self._thread.start()
        atexit.register(self.close)

    def write(self, text: str) -> int:
        """Hand the text over."""
        try:
            self._waiting.put_nowait(text)
        except queue.Full:
            LOG_LINES_LOST.inc()
        return len(text)

    def flush(self) -> None:
        """Nothing: the thread writes as soon as it can."""

    def isatty(self) -> bool:
        """Whether a person looks on."""
        return self._is_tty

    def close(self) -> None:
        """Give the last lines a moment."""
        atexit.unregister(self.close)
        with suppress(queue.Full):
            self._waiting.put(None, timeout=FAREWELL_SECONDS)
        self._thread.join(FAREWELL_SECONDS)

    def _carry(self) -> None:
        while (text := self._waiting.get()) is not None:
            rest = text.encode(errors="replace")
            try:
                while rest:
                    rest = rest[os.write(self._descriptor, rest) :]
            except OSError:
                LOG_LINES_LOST.inc()
