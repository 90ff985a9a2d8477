"""A road to PostgreSQL that can be slow, closed, or cut at a chosen byte: what networks do."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from urllib.parse import urlsplit, urlunsplit


class Proxy:
    """Forwards to a server. `url` is the address of the road; its faults are set while it is in use."""

    def __init__(self, target_url: str) -> None:
        self._target = urlsplit(target_url)
        self._server: asyncio.Server | None = None
        self._port = 0
        self._roads: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        # Every message to the server waits for so long.
        self.delay_seconds = 0.0
        # The first message that holds these bytes cuts its connection.
        self.cut_at: bytes | None = None
        # Whether the server still gets that message, so that only its answer is lost.
        self.cut_answer = False
        self.cuts = 0
        # The first message that holds these bytes makes the whole road silent: nothing is carried to the
        # server any more, and nothing is refused, until `speaks` is set again.
        self.silent_at: bytes | None = None
        self.speaks = asyncio.Event()
        self.speaks.set()

    @property
    def url(self) -> str:
        """The database's address through here."""
        user = self._target.netloc.rpartition("@")[0]
        return urlunsplit(self._target._replace(netloc=f"{user}@127.0.0.1:{self._port}"))

    async def open(self) -> None:
        """Listen, on the same port as before."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self._port)
        self._port = self._server.sockets[0].getsockname()[1]

    async def close(self) -> None:
        """Refuse new connections and cut those that there are."""
        if self._server is not None:
            self._server.close()
            self._server = None
        self.cut_all()
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def cut_all(self) -> None:
        """Cut every connection at once."""
        for road in list(self._roads):
            road.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is not None:
            self._tasks.add(task)
        host, port = self._target.hostname or "127.0.0.1", self._target.port or 5432
        with suppress(OSError):
            to_server = await asyncio.open_connection(host, port)
            self._roads |= {writer, to_server[1]}
            await self._carry(reader, writer, *to_server)
        writer.transport.abort()
        if task is not None:
            self._tasks.discard(task)

    async def _carry(
        self,
        from_client: asyncio.StreamReader,
        to_client: asyncio.StreamWriter,
        from_server: asyncio.StreamReader,
        to_server: asyncio.StreamWriter,
    ) -> None:
        """Carry both ways until one side ends; then both end."""
        lost = asyncio.Event()
        ways = [
            asyncio.create_task(self._ask(from_client, to_server, lost)),
            asyncio.create_task(self._answer(from_server, to_client, lost)),
        ]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way in ways:
                way.cancel()
            for road in (to_client, to_server):
                road.transport.abort()
                self._roads.discard(road)

    async def _ask(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, lost: asyncio.Event
    ) -> None:
        with suppress(OSError):
            while data := await reader.read(65_536):
                await asyncio.sleep(self.delay_seconds)
                if self.silent_at is not None and self.silent_at in data:
                    self.silent_at = None
                    self.speaks.clear()
                await self.speaks.wait()
                if self.cut_at is not None and self.cut_at in data:
                    self.cut_at, self.cuts = None, self.cuts + 1
                    if not self.cut_answer:
                        return
                    lost.set()
                writer.write(data)
                await writer.drain()

    async def _answer(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, lost: asyncio.Event
    ) -> None:
        with suppress(OSError):
            while data := await reader.read(65_536):
                if lost.is_set():
                    return
                writer.write(data)
                await writer.drain()


@asynccontextmanager
async def road_to(url: str) -> AsyncIterator[Proxy]:
    """An open road to a database."""
    proxy = Proxy(url)
    await proxy.open()
    try:
        yield proxy
    finally:
        await proxy.close()
