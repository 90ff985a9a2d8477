"""Connections of strangers, before there is a request: how long they may take, and what nonsense is told.

aiohttp limits the body only as far as a handler does, and counts half a head as an idle connection. An idle
one is kept for as long as load balancers keep theirs, so the head gets a limit of its own: a client that
sends a byte now and then is cut off by the clock, not by its silence. And what is no HTTP at all is neither
a fault of ours, worth a line with a traceback, nor a reason to tell which versions we run.
"""

from __future__ import annotations

import asyncio
from typing import Any, Final

from aiohttp import web
from aiohttp.web_exceptions import HTTPBadRequest

from handlers.context import REQUEST_ID_HEADER, new_request_id
from handlers.errors import document_of
from handlers.middleware import SECURITY_HEADERS
from handlers.registry import Answer
from sync.telemetry import HTTP_UNREADABLE

HEAD_SECONDS: Final = 10.0
# A load balancer's own is 60 s by default; the side that keeps it for longer never cuts a request off.
IDLE_SECONDS: Final = 75.0
# How long the rest of a refused body is read, so that the sender gets to see the refusal.
LINGER_SECONDS: Final = 2.0


class Runner(web.AppRunner):
    """Serves an application to clients of any patience."""

    def __init__(
        self, app: web.Application, *, shutdown_timeout: float, head_seconds: float = HEAD_SECONDS
    ) -> None:
        super().__init__(
            app,
            access_log=None,
            shutdown_timeout=shutdown_timeout,
            keepalive_timeout=IDLE_SECONDS,
            lingering_time=LINGER_SECONDS,
        )
        self._head_seconds = head_seconds

    async def _make_server(self) -> _Server:
        made = await super()._make_server()
        return _Server(made, self._head_seconds)


class _Server(web.Server):
    def __init__(self, like: web.Server, head_seconds: float) -> None:
        super().__init__(like.request_handler, request_factory=like.request_factory, **like._kwargs)
        self._head_seconds = head_seconds

    def __call__(self) -> _Connection:
        return _Connection(self, self._head_seconds, self._kwargs)


class _Connection(web.RequestHandler):
    __slots__ = ("_head_seconds", "_head_timer")

    def __init__(self, server: web.Server, head_seconds: float, settings: dict[str, Any]) -> None:
        super().__init__(server, loop=asyncio.get_running_loop(), **settings)
        self._head_seconds = head_seconds
        self._head_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._begin_head()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if not self._is_waiting_for_a_request():
            self._end_head()
        elif self._head_timer is None:
            self._begin_head()

    def connection_lost(self, exc: BaseException | None) -> None:
        self._end_head()
        super().connection_lost(exc)

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Answer what could not be read as a request; nothing of it is repeated."""
        if status != HTTPBadRequest.status_code:
            return super().handle_error(request, status, exc, message)
        HTTP_UNREADABLE.inc()
        request_id = new_request_id()
        response = Answer.problem(document_of(HTTPBadRequest()), request_id).response()
        response.headers.update({**SECURITY_HEADERS, REQUEST_ID_HEADER: request_id})
        response.force_close()
        return response

    def log_exception(self, *args: Any, **kw: Any) -> None:
        """Log a failure of aiohttp's own; the rest of a body that cannot be unpacked is none."""
        if isinstance(kw.get("exc_info"), web.RequestPayloadError):
            HTTP_UNREADABLE.inc()
            return
        super().log_exception(*args, **kw)

    def _begin_head(self) -> None:
        self._head_timer = asyncio.get_running_loop().call_later(self._head_seconds, self._cut_off)

    def _end_head(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _cut_off(self) -> None:
        self._head_timer = None
        if self._is_waiting_for_a_request():
            self.force_close()

    def _is_waiting_for_a_request(self) -> bool:
        """Whether the connection's own task sleeps until a head is complete."""
        return self._waiter is not None and not self._waiter.done()
