"""What every answer has, whatever it is."""

from __future__ import annotations

from typing import Any

import pytest
import structlog

from sync.errors import Code
from sync.telemetry import REGISTRY
from tests.http.conftest import Client
from tests.http.toys import Toys

PATHS = ["/toys/1", "/nowhere", "/livez"]


@pytest.mark.parametrize("path", PATHS)
async def test_every_answer_has_the_security_headers(client: Client, path: str) -> None:
    """Answers are not cached, framed, sniffed or run, and do not name our server."""
    headers = (await client.get(path)).headers

    assert headers["Cache-Control"] == "no-store"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Content-Security-Policy"] == "default-src 'none'; frame-ancestors 'none'"
    assert headers["Referrer-Policy"] == "no-referrer"
    assert headers["Server"] == "prorata"


@pytest.mark.parametrize("path", PATHS)
async def test_a_request_id_comes_back(client: Client, path: str) -> None:
    """The caller's own id is kept."""
    response = await client.get(path, headers={"X-Request-Id": "req-of-caller.1"})

    assert response.headers["X-Request-Id"] == "req-of-caller.1"


@pytest.mark.parametrize("given", ["", "with space", "x" * 101, 'quote"', "<script>"])
async def test_a_harmful_request_id_is_replaced(client: Client, given: str) -> None:
    """What could do harm in a log or a header gets a fresh id instead."""
    response = await client.get("/livez", headers={"X-Request-Id": given})

    assert response.headers["X-Request-Id"].startswith("req_")


@pytest.fixture
def lines() -> Any:
    """The log lines of this test."""
    with structlog.testing.capture_logs(processors=[structlog.contextvars.merge_contextvars]) as captured:
        yield captured


async def test_a_request_is_one_line(
    toy_client: Client, boss: dict[str, str], lines: list[dict[str, Any]]
) -> None:
    """The line has the template and the ids apart, so that it can be searched and counted."""
    await toy_client.get("/toys/acme", headers={**boss, "X-Request-Id": "r-1"})

    (line,) = lines
    assert line["event"] == "request.answered"
    assert (line["route"], line["account_id"], line["request_id"]) == ("/toys/{account_id}", "acme", "r-1")
    assert (line["status"], line["outcome"], line["principal"]) == (200, "ok", "bootstrap:bootstrap")
    assert line["duration_ms"] >= 0


async def test_a_defect_is_logged_once_with_a_fingerprint(
    toy_client: Client, toys: Toys, boss: dict[str, str], lines: list[dict[str, Any]]
) -> None:
    """The failure has a line of its own with the traceback; the request's line has its fingerprint."""
    toys.fails_with = ValueError("boom")
    await toy_client.post("/toys/optional", json={"name": "a"}, headers=boss)

    failed = [line for line in lines if line["event"] == "request.failed"]
    assert [line["exc_info"] for line in failed] == [toys.fails_with]
    assert lines[-1]["fingerprint"] == failed[0]["fingerprint"] == "ValueError@db.retried"


async def test_a_line_has_no_body_and_no_key(
    toy_client: Client, toys: Toys, boss: dict[str, str], lines: list[dict[str, Any]]
) -> None:
    """Neither what was sent nor who proved it how is logged."""
    await toy_client.post("/toys/optional", json={"name": "canary-in-body"}, headers=boss)

    text = repr(lines)
    assert "canary-in-body" not in text
    assert boss["Authorization"].split()[1] not in text


async def test_health_checks_write_no_line(client: Client, lines: list[dict[str, Any]]) -> None:
    """What a machine asks every second does not fill the log."""
    await client.get("/livez")

    assert lines == []


async def test_requests_are_measured_by_template(toy_client: Client, boss: dict[str, str]) -> None:
    """No id becomes a label; unknown addresses share one."""
    labels = {"method": "GET", "route": "/toys/{account_id}", "status": "200"}
    before = REGISTRY.get_sample_value("http_request_seconds_count", labels) or 0
    await toy_client.get("/toys/acme", headers=boss)

    assert REGISTRY.get_sample_value("http_request_seconds_count", labels) == before + 1


async def test_scanners_do_not_make_labels(toy_client: Client) -> None:
    """A thousand unknown addresses and methods are one time series."""
    labels = {"method": "any", "route": "unmatched", "status": "404"}
    before = REGISTRY.get_sample_value("http_request_seconds_count", labels) or 0
    for method, path in (("GET", "/wp-admin"), ("PROPFIND", "/.git/config")):
        await toy_client.request(method, path)

    assert before + 2 == REGISTRY.get_sample_value("http_request_seconds_count", labels)


async def test_a_refusal_names_its_code_in_the_line(toy_client: Client, lines: list[dict[str, Any]]) -> None:
    """Refusals can be counted by code from the log."""
    await toy_client.get("/toys/1")

    assert (lines[-1]["error_code"], lines[-1]["outcome"]) == (Code.UNAUTHENTICATED, "refused")
