"""Named places where a test or the demonstration may kill the process, one on each side of a commit.

Nothing is armed unless the process was started so; then reaching the name ends it with SIGKILL, exactly
as a lost machine would: no cleanup runs.
"""

from __future__ import annotations

import os
import signal

_armed: set[str] = set()


def arm(names: set[str]) -> None:
    """Arm these names for the rest of the process."""
    _armed.update(names)


def reach(name: str) -> None:
    """Die here if this name is armed."""
    if name in _armed:
        os.kill(os.getpid(), signal.SIGKILL)
