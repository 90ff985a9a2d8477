"""From a request to the pairs of its form, or Stripe's 400: nothing that a client sends is a 500.

`/v1/` takes urlencoded forms; a JSON body there is refused. `/v2/` takes JSON, which becomes the same pairs.
The SDK's asynchronous `fetch_event` and `fetch_related_object` (16.1.0) send their telemetry as a parameter
`usage`; it is dropped when their header `Stripe-Request-Trigger` is there (Stripe's answer to it is unknown).
"""

from __future__ import annotations

import re
from urllib.parse import parse_qsl

import msgspec
from aiohttp import web

from worker.twin import forms
from worker.twin.errors import ApiError

Pairs = list[tuple[str, str]]
FORM = "application/x-www-form-urlencoded"
BROKEN_PERCENT = re.compile(r"%(?![0-9a-fA-F]{2})")
MAX_PAIRS = 10_000


async def pairs_of(request: web.Request) -> Pairs:
    """The parameters of a request, wherever its method puts them."""
    query = _parsed(request.rel_url.raw_query_string)
    if "Stripe-Request-Trigger" in request.headers:
        query = [pair for pair in query if not pair[0].startswith("usage[")]
    if request.method not in ("POST", "DELETE"):
        return query
    raw = await _read(request)
    if not raw:
        return query
    if request.path.startswith("/v2/"):
        return query + _json(raw)
    if request.method == "POST" and request.content_type not in (FORM, "application/octet-stream"):
        raise _refused(
            "Invalid request (check that your POST content type is application/x-www-form-urlencoded)."
            " If you have any questions, we can help at https://support.stripe.com/."
        )
    try:
        return query + _parsed(raw.decode())
    except UnicodeDecodeError:
        raise _refused("Invalid request: the body is not valid UTF-8.") from None


async def _read(request: web.Request) -> bytes:
    try:
        return await request.read()
    except web.HTTPRequestEntityTooLarge:
        raise ApiError(413, "Request entity too large.", executed=False) from None


def _parsed(text: str) -> Pairs:
    """Empty values are kept (they mean "unset"); a percent sign needs two digits, and bytes must be UTF-8."""
    if BROKEN_PERCENT.search(text):
        raise _refused("Invalid request: malformed percent-encoding.")
    try:
        pairs = parse_qsl(text, keep_blank_values=True, errors="strict", max_num_fields=MAX_PAIRS)
    except UnicodeDecodeError:
        raise _refused("Invalid request: a parameter is not valid UTF-8.") from None
    except ValueError:
        raise _refused(f"Invalid request: more than {MAX_PAIRS} parameters.") from None
    if any("\x00" in name or "\x00" in value for name, value in pairs):
        raise _refused("Invalid string: null bytes are not allowed.")
    return pairs


def _json(raw: bytes) -> Pairs:
    try:
        body = msgspec.json.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise _refused("Invalid request: the body is not valid JSON.") from None
    if not isinstance(body, dict):
        raise _refused("Invalid request: the body must be a JSON object.")
    return forms.flatten(body)


def _refused(text: str) -> ApiError:
    return ApiError(400, text, executed=False)
