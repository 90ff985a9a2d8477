"""Named places where a test or the demonstration may kill the process, one on each side of a commit.

Nothing is armed unless the process was started so; then reaching the name ends it with SIGKILL, exactly
as a lost machine would: no cleanup runs.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Iterable
from enum import StrEnum


class Failpoint(StrEnum):
    """Where a process can die; the name says between which two things."""

    CONFIRM_BEFORE_COMMIT = "confirm.before_commit"
    CONFIRM_AFTER_COMMIT = "confirm.after_commit"
    SEND_BEFORE_COMMIT = "send.before_commit"
    SEND_BEFORE_CALL = "send.before_call"
    SEND_AFTER_CALL = "send.after_call"
    APPLY_BEFORE_COMMIT = "apply.before_commit"
    APPLY_AFTER_COMMIT = "apply.after_commit"
    DECLINE_BEFORE_COMMIT = "decline.before_commit"
    DECLINE_AFTER_COMMIT = "decline.after_commit"
    VOID_BEFORE_COMMIT = "void.before_commit"
    VOID_BEFORE_CALL = "void.before_call"
    VOID_AFTER_CALL = "void.after_call"
    SETTLE_BEFORE_COMMIT = "settle.before_commit"
    RENEWAL_CREATE_BEFORE_COMMIT = "renewal_create.before_commit"
    RENEWAL_CREATE_BEFORE_CALL = "renewal_create.before_call"
    RENEWAL_CREATE_AFTER_CALL = "renewal_create.after_call"
    RENEWAL_PHASES_BEFORE_COMMIT = "renewal_phases.before_commit"
    RENEWAL_PHASES_BEFORE_CALL = "renewal_phases.before_call"
    RENEWAL_PHASES_AFTER_CALL = "renewal_phases.after_call"
    RENEWAL_RELEASE_BEFORE_COMMIT = "renewal_release.before_commit"
    RENEWAL_RELEASE_BEFORE_CALL = "renewal_release.before_call"
    RENEWAL_RELEASE_AFTER_CALL = "renewal_release.after_call"
    RENEWAL_SCHEDULED = "renewal.scheduled"
    RENEWAL_APPLY_BEFORE_COMMIT = "renewal_apply.before_commit"
    NOTICE_AFTER_SEND = "notice.after_send"


_armed: set[Failpoint] = set()


def arm(names: Iterable[str]) -> None:
    """Arm these names for the rest of the process. Raises ValueError for a name that does not exist."""
    _armed.update(Failpoint(name) for name in names)


def reach(point: Failpoint) -> None:
    """Die here if this point is armed."""
    if point in _armed:
        os.kill(os.getpid(), signal.SIGKILL)
