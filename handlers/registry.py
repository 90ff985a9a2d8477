"""The registry: one typed record per route, from which both the server and its description are made.

What a handler takes is written once, in its signature: `call: Call[Body, Query]` names the pydantic models of
its body and of its query string, and the registry reads them from there.
"""

from __future__ import annotations

import json
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cache
from typing import IO, TYPE_CHECKING, Any, Final, Generic, TypeVar, get_args, get_type_hints

from aiohttp import web
from pydantic import BaseModel, ConfigDict

from handlers.auth import Principal, Role
from handlers.errors import PROBLEM_TYPE, ProblemDocument

if TYPE_CHECKING:
    from handlers.errors import DoorCode
    from sync.billing import Billing
    from sync.errors import Code

JSON_TYPE: Final = "application/json"


class Nothing(BaseModel):
    """No members at all: a route without a body, or without parameters in its query string."""

    model_config = ConfigDict(extra="forbid")


class Idempotency(StrEnum):
    """What a route does with the `Idempotency-Key` header."""

    NONE = "none"
    """The route stores nothing, so a repetition is harmless by itself; the header is not read."""
    OPTIONAL = "optional"
    """With the header, a repetition gets the stored answer."""
    REQUIRED = "required"
    """Money can move here: without the header nothing is done."""
    REQUIRED_LIVE = "required_live"
    """Required as well; a repetition gets the state as it is now instead of the stored answer."""


@dataclass(frozen=True, slots=True)
class HttpSettings:
    """The limits of the doors; durations in seconds of wall time.

    The lease of a claimed Idempotency-Key must outlast the longest handler, or a repetition would start
    beside the first request instead of being told to wait.
    """

    body_limit_bytes: int = 1024 * 1024
    body_seconds: float = 10
    handler_seconds: float = 45
    database_seconds: float = 1.8
    confirm_wait_seconds: float = 10
    idempotency_lease_seconds: float = 60


BodyT = TypeVar("BodyT", bound=BaseModel)
QueryT = TypeVar("QueryT", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class Call(Generic[BodyT, QueryT]):
    """One authenticated, well-formed request. `path` holds the parts of the path by their names."""

    billing: Billing
    settings: HttpSettings
    principal: Principal
    path: Mapping[str, str]
    query: QueryT
    body: BodyT


@dataclass(frozen=True, slots=True)
class Answer:
    """A finished answer. `lasting` False: the same request may end differently, so it is not stored.

    A `file` is sent from its position on, instead of the body, and closed; it is never stored.
    """

    status: int
    body: bytes
    media_type: str = JSON_TYPE
    headers: Mapping[str, str] = field(default_factory=dict)
    lasting: bool = True
    code: str | None = None
    file: IO[bytes] | None = None

    @classmethod
    def json(
        cls, document: Mapping[str, object], status: int = 200, headers: Mapping[str, str] | None = None
    ) -> Answer:
        """Return an answer with this JSON document."""
        return cls(status, encode(document), headers=headers or {})

    @classmethod
    def problem(cls, problem: ProblemDocument, request_id: str) -> Answer:
        """Return an answer with this problem document."""
        return cls(
            problem.status,
            encode(problem.to_json(request_id)),
            PROBLEM_TYPE,
            problem.all_headers,
            lasting=problem.status < 500 and not problem.retryable,
            code=problem.code.value,
        )

    def response(self) -> web.Response:
        """Return the answer in aiohttp's form."""
        headers = {**self.headers, "Content-Type": self.media_type}
        return web.Response(status=self.status, body=self.file or self.body, headers=headers)


Handler = Callable[[Call[Any, Any]], Awaitable[Answer]]
RawHandler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(frozen=True, slots=True)
class Route:
    """One method at one path.

    `answers` maps each good status to the model of its body; a bad one is listed only where its problem
    document may have the members of that model. `codes` are the problems of this route alone. `media_types`
    are the forms of a good answer.
    """

    method: str
    path: str
    handler: Handler
    summary: str
    answers: Mapping[int, type[BaseModel]]
    roles: frozenset[Role]
    codes: tuple[Code | DoorCode, ...] = ()
    idempotency: Idempotency = Idempotency.NONE
    media_types: tuple[str, ...] = (JSON_TYPE,)

    @property
    def name(self) -> str:
        """Return the operation's name: the handler's module and function, such as `accounts_create`."""
        return f"{self.tag}_{self.handler.__name__}"

    @property
    def tag(self) -> str:
        """Return the resource: the module that the handler lives in."""
        return self.handler.__module__.rpartition(".")[2]

    @property
    def body(self) -> type[BaseModel]:
        """Return the model of the body, from the handler's signature."""
        return _models(self.handler)[0]

    @property
    def query(self) -> type[BaseModel]:
        """Return the model of the query string, from the handler's signature."""
        return _models(self.handler)[1]

    @property
    def has_body(self) -> bool:
        """Return whether the route reads a body."""
        return self.body is not Nothing

    @property
    def path_names(self) -> tuple[str, ...]:
        """Return the names of the parts in braces, in their order."""
        return tuple(re.findall(r"{(\w+)}", self.path))


@dataclass(frozen=True, slots=True)
class Door:
    """An open route that reads the raw request itself: webhooks, health, metrics, the description.

    `answers` maps each status to a sentence and to the media type and model of the body, if there are any.
    """

    method: str
    path: str
    handler: RawHandler
    summary: str
    answers: Mapping[int, tuple[str, str | None, type[BaseModel] | None]]

    @property
    def name(self) -> str:
        """Return the operation's name."""
        return self.handler.__name__


def encode(document: Mapping[str, object]) -> bytes:
    """Return a JSON document as UTF-8; NaN and infinities raise, since JSON has no such numbers."""
    return json.dumps(document, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()


@cache
def _models(handler: Handler) -> tuple[type[BaseModel], type[BaseModel]]:
    body, query = get_args(get_type_hints(handler)["call"])
    return body, query
