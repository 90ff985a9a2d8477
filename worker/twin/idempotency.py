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

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace

import msgspec

from worker.twin.errors import ApiError
from worker.twin.packing import Packer

LIFE_SECONDS = 24 * 3600
MAX_LENGTH = 255


@dataclass(slots=True)
class Stored:
    """One remembered answer; `status` 0 means that the first request is still running."""

    request: str
    at: float
    request_id: str
    status: int = 0
    body: bytes = b""


class _Line(msgspec.Struct):
    key: str
    request: str
    at: float
    request_id: str
    status: int
    body: str


_line = msgspec.json.Decoder(_Line)


class Keys:
    """All keys of the account, oldest first. Bodies are kept packed."""

    def __init__(self, wall: Callable[[], float]) -> None:
        self._wall = wall
        self._aged = 0.0
        self._packer = Packer()
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
        self._drop_old()
        found = self.stored.get(key)
        if found is None:
            self.stored[key] = Stored(request, self.now(), request_id)
            return None
        if found.request != request:
            text = (
                "Keys for idempotent requests can only be used with the same parameters they were first used"
                f" with. Try using a key other than '{key}' if you meant to execute a different request."
            )
            raise ApiError(400, text, kind="idempotency_error", executed=False)
        if found.status == 0:
            text = f"There is currently another in-progress request using this Idempotency Key: {key}."
            raise ApiError(409, text, code="idempotency_key_in_use", executed=False)
        return replace(found, body=self._packer.unpack(found.body))

    def _drop_old(self) -> None:
        oldest = self.now() - LIFE_SECONDS
        while self.stored and next(iter(self.stored.values())).at <= oldest:
            del self.stored[next(iter(self.stored))]

    def finish(self, key: str, status: int, body: bytes) -> None:
        """Remember the answer."""
        found = self.stored.get(key)
        if found is not None:
            found.status, found.body = status, self._packed(found.request, body)

    def _packed(self, request: str, body: bytes) -> bytes:
        """Answers look like others to the same kind of path: `POST /v1/subscriptions/...`."""
        return self._packer.pack(request.split("/")[2], body)

    def forget(self, key: str) -> None:
        """The request never began to execute: the key is free."""
        self.stored.pop(key, None)

    def dump(self) -> Iterator[bytes]:
        """Every stored answer as JSON; a request that is running now has none."""
        for key, found in self.stored.items():
            if found.status:
                body = self._packer.unpack(found.body).decode()
                line = _Line(key, found.request, found.at - self._aged, found.request_id, found.status, body)
                yield msgspec.json.encode(line)

    def restore(self, lines: Iterable[bytes]) -> None:
        """Remember what `dump` has written."""
        for line in map(_line.decode, lines):
            body = self._packed(line.request, line.body.encode())
            self.stored[line.key] = Stored(line.request, line.at, line.request_id, line.status, body)
