"""Whole requests of the attack corpus: framing, packing, smuggling, and the answers that are right."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from typing import NamedTuple

from tests.intake.attacks_signatures import EVENT
from tests.intake.front import request, signed

LIMIT = 1024 * 1024


class Frame(NamedTuple):
    """A whole request, and the answers that are right; 0 is a connection that just ends."""

    name: str
    raw: Callable[[], bytes]
    statuses: set[int]


def _good(*lines: str, body: bytes = EVENT, length: bool = True) -> bytes:
    return request(body, signed(body), *lines, length=length)


def _chunked(*chunks: bytes, body: bytes = EVENT) -> bytes:
    return _good("Transfer-Encoding: chunked", body=body, length=False)[: -len(body)] + b"".join(chunks)


def _framed(data: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(data), data)


_END = b"0\r\n\r\n"
_OVER = b" " * (LIMIT + 1)
_BOMB = gzip.compress(b" " * 200_000_000, 9)
_PACKED = gzip.compress(EVENT)
REFUSED = {400, 0}
FRAMES = [
    Frame("chunked as it should be", lambda: _chunked(_framed(EVENT), _END), {200}),
    Frame(
        "chunk by chunk",
        lambda: _chunked(*(_framed(EVENT[n : n + 7]) for n in range(0, len(EVENT), 7)), _END),
        {200},
    ),
    Frame("another content type", lambda: _good().replace(b"application/json", b"text/html"), {200}),
    Frame(
        "another content type, unsigned",
        lambda: request(EVENT, "t=1,v1=00").replace(b"application/json", b"a/b"),
        {400},
    ),
    Frame("content type of 5 KB", lambda: _good().replace(b"application/json", b"x" * 5_000), {200}),
    Frame("form", lambda: _good().replace(b"application/json", b"multipart/form-data; boundary=x"), {200}),
    Frame("one byte too much, announced", lambda: request(_OVER, signed(_OVER)), {413, 0}),
    Frame("one byte too much, in chunks", lambda: _chunked(_framed(_OVER), _END, body=_OVER), {413, 0}),
    Frame("as much as allowed", lambda: request(_OVER[1:], signed(_OVER[1:])), {200}),
    Frame(
        "an exabyte, announced",
        lambda: request(b"", signed(b""), "Content-Length: 1000000000000000000", length=False),
        {413, 0},
    ),
    Frame("compression bomb", lambda: request(_BOMB, signed(_BOMB), "Content-Encoding: gzip"), {413, 0}),
    Frame("broken compression", lambda: _good("Content-Encoding: gzip"), {400}),
    Frame(
        "cut off compression", lambda: request(_PACKED[:-20], signed(EVENT), "Content-Encoding: gzip"), {400}
    ),
    Frame("unknown compression", lambda: _good("Content-Encoding: zip"), {200, 400}),
    Frame("compression in compression", lambda: _good("Content-Encoding: gzip, gzip"), {200, 400}),
    Frame("chunked and a length", lambda: _good("Transfer-Encoding: chunked"), REFUSED),
    Frame("two lengths", lambda: _good(f"Content-Length: {len(EVENT)}"), REFUSED),
    Frame("two lengths that differ", lambda: _good("Content-Length: 0"), REFUSED),
    Frame("a list of lengths", lambda: _good("Content-Length: 5, 5", length=False), REFUSED),
    Frame("negative length", lambda: _good("Content-Length: -5", length=False), REFUSED),
    Frame("length with a sign", lambda: _good("Content-Length: +5", length=False), REFUSED),
    Frame("length in hex", lambda: _good("Content-Length: 0x5", length=False), REFUSED),
    Frame("blank before the colon", lambda: _good("Content-Length : 5", length=False), REFUSED),
    Frame(
        "chunked, but not at last", lambda: _good("Transfer-Encoding: chunked, gzip", length=False), REFUSED
    ),
    Frame("chunked twice", lambda: _good("Transfer-Encoding: chunked, chunked", length=False), REFUSED),
    Frame("chunk size is no number", lambda: _chunked(b"xyz\r\n", EVENT), REFUSED),
    Frame("chunk size is negative", lambda: _chunked(b"-1\r\n", EVENT), REFUSED),
    Frame("chunk size overflows", lambda: _chunked(b"f" * 40 + b"\r\n", EVENT), {400, 413, 0}),
    Frame("chunk without its line break", lambda: _chunked(b"5\r\nabcdefgh\r\n"), REFUSED),
    Frame("line feed alone between headers", lambda: _good("X: a\nStripe-Signature: t=1,v1=00"), REFUSED),
    Frame("line break inside of the signature", lambda: request(EVENT, f"{signed(EVENT)}\r\nX-Y: z"), {200}),
    Frame("carriage return alone in a header", lambda: _good("X: a\rb"), REFUSED),
    Frame("NUL in a header", lambda: _good("X: a\0b"), REFUSED),
    Frame("folded header", lambda: _good("X: a\r\n b"), {200, 400, 0}),
    Frame("two signatures", lambda: _good("Stripe-Signature: t=1,v1=00"), {400}),
    Frame("two good signatures", lambda: _good(f"Stripe-Signature: {signed(EVENT)}"), {400}),
    Frame("a thousand headers", lambda: _good(*(f"X-{n}: y" for n in range(1_000))), REFUSED),
    Frame("a header of 100 KB", lambda: _good(f"X: {'y' * 100_000}"), REFUSED),
    Frame("an address of 100 KB", lambda: _good().replace(b"/stripe", b"/" + b"x" * 100_000), {400, 414, 0}),
    Frame("no host", lambda: _good().replace(b"Host: prorata.example\r\n", b""), {200, 400}),
    Frame("wrong protocol", lambda: _good().replace(b"HTTP/1.1", b"HTTP/9.9"), {400, 505, 0}),
    Frame("old protocol", lambda: _good().replace(b"HTTP/1.1", b"HTTP/1.0"), {200}),
    Frame(
        "no protocol",
        lambda: b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\0" * 100 + b"\r\n\r\n",
        REFUSED,
    ),
    Frame("upgrade", lambda: _good("Connection: Upgrade", "Upgrade: websocket"), {200, 400, 0}),
    Frame("expectation", lambda: _good("Expect: 100-continue"), {200}),
    Frame("impossible expectation", lambda: _good("Expect: a-miracle"), {417, 400, 0}),
    Frame("GET", lambda: _good().replace(b"POST", b"GET"), {405}),
    Frame("unknown method", lambda: _good().replace(b"POST", b"GRAB"), {405, 400, 0}),
    Frame("overridden method", lambda: _good("X-HTTP-Method-Override: DELETE"), {200}),
    Frame(
        "path above",
        lambda: _good().replace(b"/webhooks/stripe", b"/webhooks/../webhooks/stripe"),
        {200, 404},
    ),
    Frame(
        "whole address",
        lambda: _good().replace(b" /webhooks", b" http://evil.example/webhooks"),
        {200, 400, 404},
    ),
]
