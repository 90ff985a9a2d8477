"""Logging: one line an event, on stderr, with secrets taken out and nothing that JSON cannot say.

Our own lines come from structlog; the standard library's loggers (asyncpg, aiohttp, stripe) go through the
same steps and the same renderer.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import MutableMapping
from contextlib import suppress
from typing import Any, Final, Literal, TextIO, cast

import structlog
from structlog.typing import Processor

from worker.log_cleaning import clean, error_fields, to_json
from worker.log_streams import Aside, Unfailing

# stripe writes whole request bodies at DEBUG and every request at INFO, beside our own line about it;
# aiohttp writes its frames, asyncpg tracebacks on every reconnect.
PINNED: Final = {
    "stripe": logging.WARNING,
    "aiohttp": logging.INFO,
    "aiohttp.access": logging.WARNING,
    "asyncpg": logging.WARNING,
    "asyncio": logging.WARNING,
    "pgqueuer": logging.INFO,
}

Event = MutableMapping[str, Any]


def configure(
    format: Literal["json", "console"] | None = None,
    level: str = "INFO",
    stream: TextIO | None = None,
    *,
    aside: bool = False,
) -> None:
    """Set up logging for this process; may be called again.

    `format` None means console on a terminal and JSON otherwise. `level` is DEBUG, INFO, WARNING or ERROR.
    `aside` is for processes that serve: they never wait for their log.
    """
    stream = stream if stream is not None else sys.stderr
    out = cast("TextIO", _out(stream, aside=aside))
    console = format == "console" or (format is None and out.isatty())
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="ts"),
        _explain_error,
        _clean,
    ]
    renderer: Processor = _console(out) if console else _json_line
    structlog.configure(
        processors=[*shared, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelName(level)),
        logger_factory=structlog.WriteLoggerFactory(out),
        # The tests, and the demonstration, set logging up more than once.
        cache_logger_on_first_use=False,
    )
    _configure_standard_library(shared, renderer, level, out)


def _out(stream: TextIO, *, aside: bool) -> Aside | Unfailing:
    if aside:
        with suppress(OSError):  # a stream in memory has no descriptor, and nobody waits for it
            return Aside(stream)
    return Unfailing(stream)


def _configure_standard_library(
    shared: list[Processor], renderer: Processor, level: str, out: TextIO
) -> None:
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=[_name_event, *shared],
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
    )
    handler = logging.StreamHandler(out)
    handler.setFormatter(formatter)
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    for name, lowest in PINNED.items():
        logging.getLogger(name).setLevel(max(lowest, root.level))


def _name_event(logger: Any, method: str, event: Event) -> Event:
    """Give a foreign line an event name of the catalogue's form, and keep its text as a field."""
    record: logging.LogRecord = event["_record"]
    event["text"] = event.pop("event")
    event["event"] = f"{record.name.split('.')[0]}.logged"
    event["logger"] = record.name
    if record.exc_info:
        event["exc_info"] = record.exc_info
    return event


def _explain_error(logger: Any, method: str, event: Event) -> Event:
    """Replace `exc_info` by the error's class, text and own frames: no locals, which may hold secrets."""
    found = event.pop("exc_info", None)
    if found is True:
        found = sys.exc_info()
    error = found[1] if isinstance(found, tuple) else found
    if isinstance(error, BaseException):
        event.update(error_fields(error))
    return event


def _clean(logger: Any, method: str, event: Event) -> Event:
    # structlog's own fields begin with an underscore and are taken off by the formatter.
    for name in list(event):
        if not name.startswith("_"):
            event[name] = clean(name, event[name])
    return event


def _json_line(logger: Any, method: str, event: Event) -> str:
    return to_json(event)


def _console(out: TextIO) -> Processor:
    return structlog.dev.ConsoleRenderer(colors=out.isatty(), timestamp_key="ts")
