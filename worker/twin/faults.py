"""Faults on request: the next calls to a path fail before or after their effect.

One fault: `{method, path, times, when, share, slow_seconds, status | timeout | reset | garbage | stale,
code, reason}`. `path` may hold `*`; without one it is a prefix that ends at a segment. `before`: the request
leaves no trace; `after`: the effect happens, and the answer is lost, slow, or a 500, which Stripe stores
under the idempotency key. `garbage` answers an HTML page, `stale` answers a read with the object's previous
state, `reason` is the header of a 429.
"""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass
from typing import Any

from worker.twin.errors import ApiError, lock_timeout

MESSAGES = {
    429: ("Request rate limit exceeded.", "invalid_request_error", "rate_limit"),
    409: (
        "There is currently another in-progress request using this Idempotent Key.",
        "idempotency_error",
        "idempotency_key_in_use",
    ),
    402: ("Your card was declined.", "card_error", "card_declined"),
    401: ("Invalid API Key provided.", "invalid_request_error", None),
    403: ("The provided key does not have the required permissions.", "invalid_request_error", None),
}


@dataclass
class Fault:
    """One planned fault; `times` counts down, -1 stays until it is deleted."""

    method: str = "*"
    path: str = "/v1/*"
    times: int = 1
    when: str = "before"
    status: int | None = None
    code: str | None = None
    reason: str = "global-rate"
    timeout: bool = False
    reset: bool = False
    garbage: bool = False
    stale: bool = False
    slow_seconds: float = 0.0
    share: float = 1.0

    @property
    def cuts(self) -> bool:
        """Whether the client gets no proper answer at all."""
        return self.timeout or self.reset or self.garbage

    def matches(self, method: str, path: str) -> bool:
        """Whether it is meant for this request."""
        if self.method not in ("*", method):
            return False
        pattern = ".*".join(re.escape(part) for part in self.path.split("*"))
        tail = "" if "*" in self.path else "(/.*)?"
        return re.fullmatch(pattern + tail, path) is not None

    def error(self) -> ApiError:
        """The answer of a fault with a status."""
        status = self.status or 500
        if status == 429 and self.code == "lock_timeout":
            return lock_timeout()
        text, kind, code = MESSAGES.get(status, ("An unknown error occurred.", "api_error", None))
        error = ApiError(status, text, kind=kind, code=self.code or code, executed=False)
        if status == 429:
            error.headers["Stripe-Should-Retry"] = "false"
            error.headers["Stripe-Rate-Limited-Reason"] = self.reason
        return error


class Faults:
    """The planned faults, oldest first."""

    def __init__(self) -> None:
        self.planned: list[Fault] = []
        self.fired: list[dict[str, Any]] = []

    def plan(self, wanted: dict[str, Any]) -> Fault:
        """Add a fault from its JSON form; unknown names are refused."""
        unknown = set(wanted) - set(Fault.__dataclass_fields__)
        if unknown:
            raise ApiError(400, f"Unknown fields of a fault: {sorted(unknown)}")
        fault = Fault(**wanted)
        if fault.when not in ("before", "after"):
            raise ApiError(400, "`when` is before or after.", param="when")
        fault.method = fault.method.upper()
        self.planned.append(fault)
        return fault

    def next_for(self, method: str, path: str, chance: float = 0.0) -> Fault | None:
        """Take the first fault that applies; it is used up once."""
        for fault in self.planned:
            if fault.matches(method, path) and chance < fault.share:
                if fault.times > 0:
                    fault.times -= 1
                if fault.times == 0:
                    self.planned.remove(fault)
                self.fired.append({"method": method, "path": path, **asdict(fault)})
                return fault
        return None

    def clear(self) -> None:
        """Forget every planned fault."""
        self.planned.clear()
