"""The OpenAPI 3.1 description, made from the same records that the server is made from."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from http import HTTPStatus
from importlib.metadata import PackageNotFoundError, version
from typing import Any, Final

from aiohttp import web
from pydantic import BaseModel
from pydantic.json_schema import JsonSchemaMode, models_json_schema

from handlers.errors import PROBLEM_TYPE, RETRY_AFTER_SECONDS, STATUS, DoorCode
from handlers.idempotency import KEY_HEADER
from handlers.registry import JSON_TYPE, Answer, Door, Idempotency, Route, encode
from handlers.views import Problem
from sync.errors import Code

Schema = dict[str, Any]


_REF: Final = "#/components/schemas/{model}"
_ALWAYS: Final = (
    Code.UNAUTHENTICATED,
    Code.FORBIDDEN,
    Code.BAD_REQUEST,
    DoorCode.TIMED_OUT,
    Code.DATABASE_UNAVAILABLE,
    Code.INTERNAL_ERROR,
)
_WITH_BODY: Final = (DoorCode.BODY_TOO_LARGE, DoorCode.BODY_TOO_SLOW, DoorCode.MEDIA_TYPE_UNSUPPORTED)
_WITH_KEY: Final = (Code.IDEMPOTENCY_CONFLICT, Code.IDEMPOTENCY_IN_PROGRESS)
_KEY_SENTENCES: Final[Mapping[Idempotency, str]] = {
    Idempotency.OPTIONAL: "A repetition with the same key and body gets the stored answer.",
    Idempotency.REQUIRED: "Needed, since money can move. A repetition with the same key and body gets the"
    " stored answer.",
    Idempotency.REQUIRED_LIVE: "Needed, since money can move. A repetition with the same key and body never"
    " acts twice, and gets the state as it is now.",
}
_DESCRIPTION: Final = """\
Prorata maps an account's plan changes to Stripe subscription items with exact proration: quote, confirm, and
the charge is the quote.

Amounts are `{"amount_minor": int, "currency": "usd"}`. Errors are RFC 9457 problem documents with a stable
`code`; 400 means that the shape of the request is wrong, 422 that its values break a rule, 409 that the
present state does not allow it. Answers of 5xx and other `retryable` ones may be repeated as they are.
"""


class Description:
    """The description of these routes, made when it is first asked for: that takes longer than a start."""

    def __init__(self, routes: Sequence[Route], doors: Sequence[Door]) -> None:
        self._routes, self._doors = routes, doors

    @cached_property
    def text(self) -> bytes:
        return encode(document(self._routes, self._doors))


DESCRIPTION: Final = web.AppKey("DESCRIPTION", Description)


async def serve_document(request: web.Request) -> web.Response:
    """Answer with the description."""
    description = request.app[DESCRIPTION]
    return Answer(200, await asyncio.to_thread(lambda: description.text)).response()


def document(routes: Sequence[Route], doors: Sequence[Door]) -> Schema:
    """Return the whole description as plain data."""
    models = _models(routes, doors)
    _, definitions = models_json_schema(models, ref_template=_REF)
    schemas = definitions.get("$defs", {})
    schemas["Problem"]["properties"]["code"] = {"$ref": _REF.format(model="ProblemCode")}
    return {
        "openapi": "3.1.0",
        "info": {"title": "Prorata", "version": _version(), "description": _DESCRIPTION},
        "jsonSchemaDialect": "https://json-schema.org/draft/2020-12/schema",
        "paths": _paths(routes, doors),
        "components": {
            "schemas": {**schemas, "ProblemCode": _code_schema()},
            "securitySchemes": {"api_key": _security_scheme()},
        },
    }


def name_of(model: type[BaseModel]) -> str:
    """Return the model's name among the components: `Page[Change]` becomes `Page_Change_`."""
    return re.sub(r"[^A-Za-z0-9.\-_]", "_", model.__name__)


def _models(routes: Iterable[Route], doors: Iterable[Door]) -> list[tuple[type[BaseModel], JsonSchemaMode]]:
    """Return every model: an answer always has all members, a body may leave out those with a default."""
    answers: dict[type[BaseModel], None] = {Problem: None}
    for route in routes:
        answers |= dict.fromkeys(route.answers.values())
    for door in doors:
        answers |= {model: None for _, _, model in door.answers.values() if model}
    bodies = dict.fromkeys(route.body for route in routes if route.has_body)
    return [*((model, "serialization") for model in answers), *((model, "validation") for model in bodies)]


def _paths(routes: Iterable[Route], doors: Iterable[Door]) -> Schema:
    paths: Schema = {}
    for route in routes:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route)
    for door in doors:
        paths.setdefault(door.path, {})[door.method.lower()] = _door_operation(door)
    return dict(sorted(paths.items()))


def _operation(route: Route) -> Schema:
    operation: Schema = {
        "operationId": route.name,
        "summary": route.summary,
        "description": f"Roles: {', '.join(sorted(route.roles))}.",
        "tags": [route.tag],
        "security": [{"api_key": []}],
        "parameters": [*_path_parameters(route), *_query_parameters(route), *_header_parameters(route)],
        "responses": {**_good_answers(route), **_problem_answers(route)},
        "x-roles": sorted(route.roles),
    }
    if route.has_body:
        content = {JSON_TYPE: {"schema": _ref(route.body)}}
        operation["requestBody"] = {"required": True, "content": content}
    return operation


def _door_operation(door: Door) -> Schema:
    answers: Schema = {}
    for status, (sentence, media_type, model) in door.answers.items():
        answers[str(status)] = {"description": sentence}
        if media_type:
            schema = _ref(model) if model else {"type": "string" if media_type != JSON_TYPE else "object"}
            answers[str(status)]["content"] = {media_type: {"schema": schema}}
    return {
        "operationId": door.name,
        "summary": door.summary,
        "tags": ["service"],
        "security": [],
        "responses": answers,
    }


def _path_parameters(route: Route) -> Iterator[Schema]:
    for name in route.path_names:
        schema = {"type": "string", "minLength": 1, "maxLength": 200}
        yield {"name": name, "in": "path", "required": True, "schema": schema}


def _query_parameters(route: Route) -> Iterator[Schema]:
    described = route.query.model_json_schema()
    for name, schema in described.get("properties", {}).items():
        # A parameter is there or not; in the model its absence is null.
        present = {**schema, **next(iter(schema.get("anyOf", [])), {})}
        plain = {key: value for key, value in present.items() if key not in ("title", "description", "anyOf")}
        if plain.get("default", "") is None:
            del plain["default"]
        yield {
            "name": name,
            "in": "query",
            "required": name in described.get("required", ()),
            "description": present.get("description", ""),
            "schema": plain,
        }


def _header_parameters(route: Route) -> Iterator[Schema]:
    if route.idempotency is Idempotency.NONE:
        return
    yield {
        "name": KEY_HEADER,
        "in": "header",
        "required": route.idempotency is not Idempotency.OPTIONAL,
        "description": _KEY_SENTENCES[route.idempotency],
        "schema": {"type": "string", "minLength": 1, "maxLength": 255},
    }


def _good_answers(route: Route) -> Schema:
    headers: Schema = {"X-Request-Id": _header("The request's id, to name it to us.")}
    if route.idempotency is not Idempotency.NONE:
        headers["Idempotent-Replayed"] = _header("`true` when this key had been used before.")
    return {
        str(status): {
            "description": (model.__doc__ or HTTPStatus(status).phrase).strip(),
            "headers": headers,
            "content": {media_type: {"schema": _ref(model)} for media_type in route.media_types},
        }
        for status, model in route.answers.items()
        if status < 400
    }


def problem_codes(route: Route) -> tuple[Code | DoorCode, ...]:
    """Return every code that a route may answer with."""
    codes = [*_ALWAYS, *route.codes]
    if route.has_body:
        codes += _WITH_BODY
    if route.idempotency is not Idempotency.NONE:
        codes += _WITH_KEY
    if route.idempotency in (Idempotency.REQUIRED, Idempotency.REQUIRED_LIVE):
        codes.append(Code.IDEMPOTENCY_KEY_MISSING)
    return tuple(dict.fromkeys(codes))


def _problem_answers(route: Route) -> Schema:
    by_status: dict[int, list[Code | DoorCode]] = {}
    for code in problem_codes(route):
        by_status.setdefault(STATUS[code], []).append(code)
    return {
        str(status): _problem_answer(by_status[status], route.answers.get(status))
        for status in sorted(by_status)
    }


def _problem_answer(codes: Sequence[Code | DoorCode], richer: type[BaseModel] | None) -> Schema:
    said = "\n".join(f"- `{code}`: {code.sentence}" for code in codes)
    enum = {"enum": [code.value for code in codes]}
    schema: Schema = {"allOf": [_ref(Problem)], "properties": {"code": enum}}
    if richer is not None:
        schema = {"anyOf": [_ref(richer), schema]}
    answer: Schema = {"description": said, "content": {PROBLEM_TYPE: {"schema": schema}}}
    if any(code in RETRY_AFTER_SECONDS for code in codes):
        answer["headers"] = {"Retry-After": _header("Seconds to wait before the same request is repeated.")}
    return answer


def _code_schema() -> Schema:
    said = "\n".join(f"- `{code}` ({status}): {code.sentence}" for code, status in STATUS.items())
    return {"type": "string", "enum": [code.value for code in STATUS], "description": said}


def _security_scheme() -> Schema:
    return {
        "type": "http",
        "scheme": "bearer",
        "bearerFormat": "prk_...",
        "description": "An API key with one or more of the roles automation, support, finance, oncall.",
    }


def _header(sentence: str) -> Schema:
    return {"description": sentence, "schema": {"type": "string"}}


def _ref(model: type[BaseModel]) -> Schema:
    return {"$ref": _REF.format(model=name_of(model))}


def _version() -> str:
    try:
        return version("prorata")
    except PackageNotFoundError:
        return "0"
