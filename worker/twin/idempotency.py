"""Idempotency keys: what a repeated request gets (Stripe API reference, "Idempotent requests").

| The key is      | and the request | answer                                                        |
|-----------------|-----------------|---------------------------------------------------------------|
| unknown         | any             | executed; stored if execution began (500s included)           |
| in use          | any             | 409 `idempotency_key_in_use`                                  |
| stored          | the same        | the stored status and body, `Idempotent-Replayed: true`       |
| stored          | another         | 400 `idempotency_error`                                       |
| older than 24 h | any             | executed anew (the age is wall time)                          |
Not stored: 401, 429, and parameter errors found before execution.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from worker.twin.errors import ApiError

LIFE_SECONDS = 24 * 3600
MAX_LENGTH = 255


@dataclass
class Stored:
    """One remembered answer; `status` 0 means that the first request is still running."""

    request: str
    at: float
    request_id: str
    status: int = 0
    body: bytes = b""


class Keys:
    """All keys of the account."""

    def __init__(self, wall: Callable[[], float]) -> None:
        self._wall = wall
        self._aged = 0.0
        self.stored: dict[str, Stored] = {}

    def now(self) -> float:
        """Wall time, plus what a test has aged the keys by."""
        return self._wall() + self._aged

    def age(self, seconds: float) -> None:
        """Make every key older (a control of the twin)."""
        self._aged += seconds

    def begin(self, key: str, request: str, request_id: str) -> Stored | None:
        """Claim `key`; returns what is stored under it, or None when the request has to be executed."""
        if len(key) > MAX_LENGTH:
            raise ApiError(
                400, "Idempotency keys have up to 255 characters.", kind="idempotency_error", executed=False
            )
        found = self.stored.get(key)
        if found is not None and self.now() - found.at < LIFE_SECONDS:
            if found.request != request:
                text = (
                    "Keys for idempotent requests can only be used with the same parameters they were first"
                    " used with."
                    f" Try using a key other than '{key}' if you meant to execute a different request."
                )
                raise ApiError(400, text, kind="idempotency_error", executed=False)
            if found.status == 0:
                text = f"There is currently another in-progress request using this Idempotency Key: {key}."
                raise ApiError(409, text, code="idempotency_key_in_use", executed=False)
            return found
        self.stored[key] = Stored(request, self.now(), request_id)
        return None

    def finish(self, key: str, status: int, body: bytes) -> None:
        """Remember the answer."""
        found = self.stored.get(key)
        if found is not None:
            found.status, found.body = status, body

    def forget(self, key: str) -> None:
        """The request never began to execute: the key is free."""
        self.stored.pop(key, None)
