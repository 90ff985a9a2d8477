"""From the bytes of a request to checked models: everything that is wrong with its shape is said here.

Shape errors are 400 with a JSON pointer for each. Numbers outside of their bounds are 422, because the same
number is well formed elsewhere. Parameters of the query string are pointed at as `?name`.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final, TypeVar

from aiohttp import web
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails, from_json

from handlers.registry import JSON_TYPE, HttpSettings
from sync.errors import BadInput, Code, NotFound, Problem

ModelT = TypeVar("ModelT", bound=BaseModel)

_ENCODED_NUL: Final = b"\\u0000"
_CHUNK_BYTES: Final = 64 * 1024
_LONGEST_PATH_PART: Final = 200
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]")
_OUT_OF_BOUNDS: Final = frozenset({"greater_than", "greater_than_equal", "less_than", "less_than_equal"})
_SENTENCES: Final[Mapping[str, str]] = {
    "missing": "this is needed here",
    "extra_forbidden": "there is no such part; check the spelling",
    "string_type": "this must be text in quotes",
    "int_type": "this must be a whole number without quotes",
    "model_type": "this must be an object",
    "dict_type": "this must be an object",
}


async def read_body(request: web.Request, settings: HttpSettings) -> bytes:
    """Return the whole body. Raises aiohttp's 413 above the limit and 408 when it does not arrive in time."""
    limit = settings.body_limit_bytes
    if (request.content_length or 0) > limit:
        raise web.HTTPRequestEntityTooLarge(limit)
    read = bytearray()
    try:
        async with asyncio.timeout(settings.body_seconds):
            async for chunk in request.content.iter_chunked(_CHUNK_BYTES):
                read += chunk
                if len(read) > limit:
                    raise web.HTTPRequestEntityTooLarge(limit)
    except TimeoutError:
        raise web.HTTPRequestTimeout from None
    except (web.RequestPayloadError, ConnectionError, ValueError) as error:
        raise _unreadable("the body ended early or its encoding is broken") from error
    return bytes(read)


def require_json(request: web.Request) -> None:
    """Raise aiohttp's 415 unless the body is declared as JSON in UTF-8."""
    charset = (request.charset or "utf-8").lower()
    if request.content_type != JSON_TYPE or charset not in ("utf-8", "utf8", "us-ascii"):
        raise web.HTTPUnsupportedMediaType


def parse_body(raw: bytes, model: type[ModelT]) -> ModelT:
    """Return the body as this model. Raises `BadInput` with every problem found."""
    try:
        document = from_json(raw, allow_inf_nan=False)
    except ValueError as error:
        raise _unreadable(str(error)) from error
    # PostgreSQL's text has no NUL; the walk is only worth it when one can be there at all.
    if _ENCODED_NUL in raw.lower() and (pointers := list(_with_nul(document, ""))):
        problems = [Problem(at, Code.BAD_REQUEST, "text must not hold the character NUL") for at in pointers]
        raise BadInput(Code.BAD_REQUEST, "The body holds the character NUL. Nothing was done.", problems)
    return _checked(model, document, "")


def parse_query(query: Mapping[str, str], model: type[ModelT]) -> ModelT:
    """Return the parameters of the query string as this model; numbers are read from their text."""
    for name, value in query.items():
        if _CONTROL.search(name + value):
            problem = Problem(f"?{name}", Code.BAD_REQUEST, "this holds a control character")
            raise BadInput(Code.BAD_REQUEST, f"?{name} cannot be used. Nothing was done.", [problem])
    return _checked(model, dict(query), "?")


def parse_path(parts: Mapping[str, str]) -> dict[str, str]:
    """Return the parts of the path. Raises `NotFound` for an id that cannot exist."""
    for name, value in parts.items():
        if len(value) > _LONGEST_PATH_PART or _CONTROL.search(value):
            code = Code.ACCOUNT_UNKNOWN if name == "account_id" else Code.NOT_FOUND
            raise NotFound(code, "There is nothing with this id: no id looks like this. Nothing was done.")
    return dict(parts)


def _checked(model: type[ModelT], document: object, mark: str) -> ModelT:
    """Check against a model; strictly for a body, where `"8"` is not a number."""
    try:
        return model.model_validate(document, strict=not mark)
    except ValidationError as error:
        problems = [_problem(entry, mark) for entry in error.errors(include_url=False, include_input=False)]
    said = "; ".join(f"{problem.pointer or 'the body'}: {problem.detail}" for problem in problems)
    raise BadInput(problems[0].code, f"The request cannot be used: {said}. Nothing was done.", problems)


def _problem(entry: ErrorDetails, mark: str) -> Problem:
    path = "/".join(str(part).replace("~", "~0").replace("/", "~1") for part in entry["loc"])
    pointer = f"{mark or '/'}{path}" if path else mark
    detail = _SENTENCES.get(entry["type"], entry["msg"][:1].lower() + entry["msg"][1:])
    out_of_bounds = entry["type"] in _OUT_OF_BOUNDS and not mark
    return Problem(pointer, Code.QUANTITY_OUT_OF_RANGE if out_of_bounds else Code.BAD_REQUEST, detail)


def _unreadable(reason: str) -> BadInput:
    detail = f"The body cannot be read as JSON: {reason}. Nothing was done."
    return BadInput(Code.BAD_REQUEST, detail, [Problem("", Code.BAD_REQUEST, reason)])


def _with_nul(value: Any, pointer: str) -> Iterator[str]:
    """Yield a pointer to each text that holds NUL, and to the parent of each such name.

    The parser has bounded the depth.
    """
    if isinstance(value, str):
        if "\x00" in value:
            yield pointer
    elif isinstance(value, dict):
        for name, inner in value.items():
            if "\x00" in name:
                yield pointer
            else:
                yield from _with_nul(inner, f"{pointer}/{name}")
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from _with_nul(inner, f"{pointer}/{index}")
