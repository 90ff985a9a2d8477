"""Rows 20, 24 and 29: what the way to Stripe does to an answer, byte by byte, and ways that lead nowhere.

A server of ours, since no stand-in that speaks HTTP well can say these things.
"""

from __future__ import annotations

import asyncio
import gc
import re
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
import pytest

from sync.gateway import StripeCallFailed, Verdict
from sync.gateway import transport as module
from sync.gateway.transport import Call, Transport
from tests.support.patience import SURELY_SECONDS

pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 400\r\n\r\n"
BODY = b'{"id": "sub_1", "object": "subscription", "status"'
PAGE = b"<html>502 Bad Gateway</html>"
BAD_GATEWAY = b"HTTP/1.1 502 Bad Gateway\r\nContent-Type: text/html\r\nContent-Length: 28\r\n\r\n" + PAGE

WRITE = Call("write.send", "POST", "/v1/subscriptions/sub_1", {}, key="k")
KEY = re.compile(rb"idempotency-key: (\S+)\r\n", re.IGNORECASE)


class Free:
    """A budget without a limit."""

    async def take(self, *, urgent: bool) -> None:
        """Let everybody pass."""


@asynccontextmanager
async def saying(answer: bytes, *, then_ends: bool) -> AsyncIterator[tuple[str, list[bytes]]]:
    """A server that says these bytes and ends, or says no more; its address and what it was asked."""
    asked: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append((await reader.read(65_536)).partition(b"\r\n")[0])
        writer.write(answer)
        if not then_ends:
            await reader.read()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield f"127.0.0.1:{server.sockets[0].getsockname()[1]}", asked


async def verdict(api_base: str) -> Verdict:
    """What our side makes of a write whose effect has taken place."""
    transport = Transport(api_key="sk_test_wire", api_base=api_base, budget=Free())
    try:
        with pytest.raises(StripeCallFailed) as failed:
            await transport.send(WRITE)
        return failed.value.failure.verdict
    finally:
        await transport.close()
        # The SDK drops a connection whose answer broke off without closing it; here, not in a later test.
        gc.collect()


async def test_row_20_the_pause_that_stripe_asks_for_is_kept() -> None:
    """429 with Retry-After: the same key again, once that time is over, and no sooner."""
    limited = (
        b"HTTP/1.1 429 Too Many Requests\r\nRetry-After: 2\r\nContent-Length: 13\r\n\r\n" + b'{"error": {}}'
    )
    keys, times = [], []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        times.append(time.monotonic())
        keys.append(KEY.search(await reader.readuntil(b"\r\n\r\n"))[1])
        writer.write(limited if len(keys) == 1 else HEAD.replace(b"400", b"15") + b'{"id": "sub_1"}')
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        transport = Transport(api_key="sk_test_wire", api_base=f"http://127.0.0.1:{port}", budget=Free())
        answer = await transport.send(WRITE)
        await transport.close()
    assert ("sub_1", [b"k", b"k"]) == (answer.data["id"], keys)
    assert times[1] - times[0] >= 1.9


@pytest.mark.parametrize(
    ("answer", "then_ends"),
    [
        (HEAD + BODY, True),
        (HEAD.replace(b"400", b"50") + BODY, True),
        (HEAD[:40], True),
        (b"", True),
        (BAD_GATEWAY, True),
        (BAD_GATEWAY.replace(b"502", b"200"), True),
        (HEAD + BODY, False),
        (b"", False),
    ],
    ids=[
        "cut in the body",
        "JSON without an end",
        "cut in the head",
        "nothing",
        "a page of HTML",
        "a page that calls itself good",
        "a body that stands still",
        "silence",
    ],
)
async def test_row_24_an_answer_that_is_cut_slow_or_unreadable_is_an_unknown_outcome(
    monkeypatch: pytest.MonkeyPatch, answer: bytes, then_ends: bool
) -> None:
    """It may have happened: sent once, never repeated blindly, and never waited for without an end."""
    # Only what stands still is waited for; what is cut is seen to be cut.
    monkeypatch.setattr(module, "WRITE_TIMEOUT_SECONDS", SURELY_SECONDS if then_ends else 1.0)
    async with saying(answer, then_ends=then_ends) as (address, asked):
        assert Verdict.UNKNOWN is await verdict(f"http://{address}")
    assert [b"POST /v1/subscriptions/sub_1 HTTP/1.1"] == asked


async def test_row_29_no_tls_and_no_name_are_an_unknown_outcome(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who answers does not speak TLS; nobody has the name."""
    monkeypatch.setattr(module, "WRITE_TIMEOUT_SECONDS", SURELY_SECONDS)
    async with saying(b"no TLS here\r\n", then_ends=True) as (address, _):
        assert Verdict.UNKNOWN is await verdict(f"https://{address}")

    async def unknown(*_: object, **__: object) -> None:
        raise OSError(-2, "Name or service not known")

    monkeypatch.setattr(aiohttp.ThreadedResolver, "resolve", unknown)
    assert Verdict.UNKNOWN is await verdict("http://api.stripe.invalid")
