"""Logs: one strict JSON line an event, without secrets, short, whoever wrote it."""

from __future__ import annotations

import contextlib
import io
import json
import logging
import os
import threading
import time
from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest
import structlog

from sync.telemetry import REGISTRY
from tests.support.patience import SURELY_SECONDS
from worker import log_streams, logs
from worker.log_cleaning import clean, clean_text
from worker.log_streams import Aside


class Lines:
    """What was logged, line by line."""

    def __init__(self) -> None:
        self.stream = io.StringIO()

    @property
    def parsed(self) -> list[dict[str, Any]]:
        """Every line as an object; NaN and the like are no JSON."""
        return [json.loads(line, parse_constant=pytest.fail) for line in self.stream.getvalue().splitlines()]

    @property
    def last(self) -> dict[str, Any]:
        """The last line."""
        return self.parsed[-1]


@pytest.fixture
def lines() -> Iterator[Lines]:
    """JSON logs into memory, at the level that shows everything."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    found = Lines()
    logs.configure("json", "DEBUG", found.stream)
    yield found
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()


def test_line_has_time_level_and_event_first(lines: Lines) -> None:
    """The three fields that every reader needs lead the line, the time in UTC."""
    structlog.get_logger().info("change.applied", change_id="chg_1")

    assert list(lines.last) == ["ts", "level", "event", "change_id"]
    assert lines.last["ts"].endswith("Z")


def test_bound_context_is_on_every_line(lines: Lines) -> None:
    """Ids that are bound once are on our lines and on the libraries'."""
    structlog.contextvars.bind_contextvars(account_id="acc_1")
    structlog.get_logger().info("change.applied")
    logging.getLogger("asyncpg").warning("slow")

    assert [line["account_id"] for line in lines.parsed] == ["acc_1", "acc_1"]


def test_libraries_use_the_same_door(lines: Lines) -> None:
    """A line of the standard library becomes an event with its text as a field."""
    logging.getLogger("stripe").warning("message %s", "sk_test_abc")

    assert lines.last["event"] == "stripe.logged"
    assert lines.last["text"] == "message sk_test_[hidden]"


@pytest.mark.parametrize("name", ["stripe", "aiohttp.server", "asyncpg.pool"])
def test_bodies_of_libraries_stay_out(lines: Lines, name: str) -> None:
    """Libraries print whole bodies at DEBUG, so they never reach it."""
    logging.getLogger(name).debug("body with an address")

    assert lines.parsed == []


def test_numbers_are_strict_json(lines: Lines) -> None:
    """NaN and infinities become text, deep down too."""
    structlog.get_logger().info("x.done", a=float("nan"), b={"c": [float("-inf"), 1.5]})

    assert lines.last["a"] == "nan"
    assert lines.last["b"] == {"c": ["-inf", 1.5]}


def test_exception_has_no_locals(lines: Lines) -> None:
    """An error is its class, its cleaned text and its frames."""

    def fails(hidden: str) -> None:
        raise ValueError(f"wrong key sk_live_{hidden}")

    try:
        fails("hush")
    except ValueError:
        structlog.get_logger().exception("job.failed")

    assert lines.last["error_class"] == "ValueError"
    assert lines.last["error"] == "wrong key sk_live_[hidden]"
    assert lines.last["trace"][-1].endswith(" fails")
    assert "hush" not in lines.stream.getvalue()


def test_console_is_for_people() -> None:
    """The other form is readable and cleaned as well."""
    stream = io.StringIO()
    logs.configure("console", "INFO", stream)
    structlog.get_logger().info("x.done", token="hush", note="a\x1b[31mb")
    structlog.reset_defaults()

    assert "x.done" in stream.getvalue()
    assert "hush" not in stream.getvalue()
    assert "\x1b[31mb" not in stream.getvalue()


@pytest.mark.parametrize(
    ("text", "cleaned"),
    [
        ("sk_live_abc", "sk_live_[hidden]"),
        ("rk_test_abc_def!", "rk_test_[hidden]!"),
        ("whsec_abc+/=", "whsec_[hidden]"),
        ("prk_abc-def_ghi", "prk_[hidden]"),
        ("pi_123_secret_abc", "pi_123_secret_[hidden]"),
        ("postgresql://me:hush@host/db", "postgresql://me:[hidden]@host/db"),
        ("Authorization: Bearer abc.def", "Authorization: Bearer [hidden]"),
        ("two\nlines", "two\\nlines"),
        ("\ud800 alone", "? alone"),
        ("x" * 201, "x" * 199 + "…"),
        ("sub_123 in_123 cus_123", "sub_123 in_123 cus_123"),
    ],
)
def test_text_is_cleaned(text: str, cleaned: str) -> None:
    """Secrets go, ids stay, a line stays a line, and long text is cut."""
    assert clean_text(text) == cleaned


@pytest.mark.parametrize(
    "name", ["password", "api_key", "client_secret", "session_token", "Authorization", "dsn"]
)
def test_fields_are_hidden_by_name(name: str) -> None:
    """A secret of any form is hidden where its name tells."""
    assert clean(name, {"any": "thing"}) == "[hidden]"


def test_key_is_cut_after_it_is_hidden() -> None:
    """A key across the place of the cut does not leave half of itself."""
    assert "abc" not in clean_text("x" * 190 + " sk_live_abcdefghijkl")


def test_email_is_hashed() -> None:
    """Lines about one person can be found together without telling who it is."""
    assert clean("email", "A@example.com ") == clean("billing_email", "a@example.com")
    assert "example" not in clean("email", "A@example.com")


def test_bytes_and_strangers_are_short() -> None:
    """Bodies are never printed, and unknown objects are text."""
    assert clean("body", b"secret") == "<6 bytes>"
    assert clean("items", [object] * 99) == [str(object)] * 50


def test_who_logs_aside_never_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """While nobody reads, so many lines are kept in their order, and the others are counted."""
    monkeypatch.setattr(log_streams, "FAREWELL_SECONDS", SURELY_SECONDS)
    reading, writing = os.pipe()
    stream = os.fdopen(writing, "w")
    aside, lost = Aside(stream, lines_most=3), _lost()
    aside.write("x" * 1_000_000)
    while aside._waiting.qsize():
        time.sleep(0.01)
    for number in range(10):
        aside.write(f"{number}\n")
    assert lost + 7 == _lost()

    arrived: list[bytes] = []
    reader = threading.Thread(target=lambda: arrived.extend(iter(partial(os.read, reading, 65_536), b"")))
    reader.start()
    aside.close()
    stream.close()
    reader.join()
    os.close(reading)
    assert b"x" * 1_000_000 + b"0\n1\n2\n" == b"".join(arrived)


def _lost() -> float:
    return REGISTRY.get_sample_value("log_lines_lost_total") or 0.0


def test_lines_of_a_test_itself_are_no_command_s_output() -> None:
    """A world in the test's process logs at any moment, also while a command's output is being caught."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        structlog.get_logger().info("beside")

    assert ("", "") == (out.getvalue(), err.getvalue())
