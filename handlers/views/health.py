"""Whether the process is alive and ready."""

from __future__ import annotations

from typing import Literal

from handlers.views.base import Given


class Live(Given):
    """The process is alive."""

    status: Literal["ok"]


class Ready(Given):
    """Whether requests can be served, and why not."""

    status: Literal["ok", "unready"]
    checks: dict[str, str]
    inbox_oldest_seconds: float | None
