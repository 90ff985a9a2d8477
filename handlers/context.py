"""What is known about one request while it is served: its id, the fields of its log line, its failure."""

from __future__ import annotations

import re
import secrets
import traceback
from pathlib import PurePath
from typing import Any, Final

import structlog
from aiohttp import web

from handlers.errors import document_of
from handlers.registry import Answer
from sync.telemetry import LogEvent

REQUEST_ID_HEADER: Final = "X-Request-Id"
REQUEST_ID: Final = web.RequestKey("REQUEST_ID", str)
LINE: Final = web.RequestKey("LINE", dict[str, Any])

_USABLE_ID: Final = re.compile(r"[A-Za-z0-9._:-]{1,100}")
_OUR_FOLDERS: Final = ("handlers", "sync", "worker")

log = structlog.get_logger()


def request_id_of(request: web.Request) -> str:
    """Return the caller's request id if it is harmless in logs and headers, else a new one."""
    given = request.headers.get(REQUEST_ID_HEADER, "")
    return given if _USABLE_ID.fullmatch(given) else new_request_id()


def new_request_id() -> str:
    """Return an id that nobody else has."""
    return f"req_{secrets.token_hex(12)}"


def failure_answer(request: web.Request, error: BaseException) -> Answer:
    """Return the problem document of a failure, and log it once if it is ours to look at."""
    document = document_of(error)
    line = request[LINE]
    line["error_code"], line["error_class"] = document.code.value, type(error).__name__
    if document.status == 500:
        line["fingerprint"] = fingerprint(error)
        log.error(
            LogEvent.REQUEST_FAILED,
            request_id=request[REQUEST_ID],
            fingerprint=line["fingerprint"],
            exc_info=error,
        )
    return Answer.problem(document, request[REQUEST_ID])


def fingerprint(error: BaseException) -> str:
    """Return the name under which equal failures are counted: the class and our own innermost function.

    Line numbers and ids are left out, so that the name survives a release and a second customer.
    """
    frames = traceback.extract_tb(error.__traceback__)
    ours = [frame for frame in frames if set(_OUR_FOLDERS) & set(PurePath(frame.filename).parts)]
    where = f"{PurePath(ours[-1].filename).stem}.{ours[-1].name}" if ours else "outside"
    return f"{type(error).__name__}@{where}"
