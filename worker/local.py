"""Everything on this machine: embedded PostgreSQL, the local Stripe, and our own processes beside it.

`prorata up` and `prorata demo` stand on it. Nothing here ever talks to Stripe itself.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import socket
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

import aiohttp
import asyncpg

from worker.embedded import EmbeddedPostgres
from worker.migrate import migrate

if TYPE_CHECKING:
    from worker.config import Settings

START_SECONDS: Final = 30.0
STOP_SECONDS: Final = 25.0
# The local Stripe has no limits; a real account keeps the default.
LOCAL_RATE: Final = "500"


class LocalError(Exception):
    """A local process did not come up; the message ends with its last words."""


@dataclass(slots=True)
class Child:
    """One process of ours. Its output goes to a file, so that nothing blocks and failures can be read."""

    name: str
    process: asyncio.subprocess.Process
    log: Path

    async def stop(self) -> None:
        """End it politely, and finally by force; only ever this very process."""
        if self.process.returncode is not None:
            return
        self.process.terminate()
        try:
            await asyncio.wait_for(self.process.wait(), STOP_SECONDS)
        except TimeoutError:
            self.process.kill()
            await self.process.wait()

    def last_words(self) -> str:
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-8:])


@dataclass(slots=True)
class Local:
    """A local set-up. `environment` is what our processes, and a person's shell, need to use it."""

    folder: Path
    database_url: str
    stripe_url: str
    http_url: str
    environment: dict[str, str]
    children: list[Child] = field(default_factory=list)

    async def spawn(self, name: str, *command: str, env: Mapping[str, str] | None = None) -> Child:
        """Start `prorata <command>` with this set-up's environment."""
        log = self.folder / f"{name}.log"
        with log.open("ab") as output:
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "worker",
                *command,
                env={**_clean_environment(), **self.environment, **(env or {})},
                stdin=asyncio.subprocess.DEVNULL,
                stdout=output,
                stderr=output,
            )
        child = Child(name, process, log)
        self.children.append(child)
        return child

    async def wait_until_ready(self, child: Child) -> None:
        """Wait until the HTTP doors answer that they are ready. Raises LocalError."""
        await wait_for_http(f"{self.http_url}/readyz", child)

    async def stop(self) -> None:
        """End every process, the latest first."""
        for child in reversed(self.children):
            await child.stop()


@asynccontextmanager
async def local(settings: Settings, folder: Path, *, http: str | None = None) -> AsyncIterator[Local]:
    """A migrated database and a running local Stripe that delivers to our own address.

    The caller spawns `serve` and `work`. `http` is the address to listen on; a free port by default.
    """
    folder.mkdir(parents=True, exist_ok=True)
    async with _database(settings, folder) as database_url:
        await migrate(database_url)
        address = http or f"127.0.0.1:{free_port()}"
        stripe_url = f"http://127.0.0.1:{free_port()}"
        here = Local(folder, database_url, stripe_url, f"http://{address}", {})
        here.environment = _environment(here, address)
        try:
            await _start_stripe(here)
            yield here
        finally:
            await here.stop()


def _environment(here: Local, address: str) -> dict[str, str]:
    return {
        "DATABASE_URL": here.database_url,
        "STRIPE_API_KEY": "sk_test_local",
        "STRIPE_API_BASE": here.stripe_url,
        "STRIPE_WEBHOOK_SECRET": f"whsec_{secrets.token_hex(16)}",
        "PRORATA_HTTP": address,
        "PRORATA_BOOTSTRAP_KEY": f"prk_{secrets.token_hex(16)}",
        "PRORATA_STRIPE_RATE": LOCAL_RATE,
        "PRORATA_DATA_DIR": str(here.folder),
    }


async def _start_stripe(here: Local) -> None:
    child = await here.spawn(
        "stripe",
        "twin",
        "--port",
        str(urlsplit(here.stripe_url).port),
        "--webhook-url",
        f"{here.http_url}/webhooks/stripe",
        "--webhook-secret",
        here.environment["STRIPE_WEBHOOK_SECRET"],
    )
    await wait_for_http(f"{here.stripe_url}/_twin/clock", child)


@asynccontextmanager
async def _database(settings: Settings, folder: Path) -> AsyncIterator[str]:
    """A database on the given server, which is dropped again, or the embedded server's."""
    if settings.database_url is not None:
        async with _scratch_database(settings.database_url.get_secret_value()) as url:
            yield url
        return
    server = EmbeddedPostgres(folder)
    url = await asyncio.to_thread(server.start)
    try:
        yield url
    finally:
        await asyncio.to_thread(server.stop)


@asynccontextmanager
async def _scratch_database(server_url: str) -> AsyncIterator[str]:
    """Nobody's own tables are touched by a demonstration."""
    name = f"prorata_local_{secrets.token_hex(6)}"
    connection = await asyncpg.connect(server_url)
    try:
        await connection.execute(f"CREATE DATABASE {name}")
        yield urlsplit(server_url)._replace(path=f"/{name}").geturl()
    finally:
        with suppress(asyncpg.PostgresError):
            await connection.execute(f"DROP DATABASE {name} WITH (FORCE)")
        await connection.close()


async def wait_for_http(url: str, child: Child) -> None:
    """Poll until an address answers 200. Raises LocalError when its process ends or stays silent."""
    deadline = asyncio.get_running_loop().time() + START_SECONDS
    async with aiohttp.ClientSession() as session:
        while asyncio.get_running_loop().time() < deadline:
            if child.process.returncode is not None:
                break
            with suppress(aiohttp.ClientError):
                async with session.get(url) as answer:
                    if answer.status == 200:
                        return
            await asyncio.sleep(0.05)
    raise LocalError(f"{child.name} did not come up:\n{child.last_words()}")


def free_port() -> int:
    """A port of this machine that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _clean_environment() -> dict[str, str]:
    """The caller's environment without settings of ours or Stripe's: a demonstration never uses those."""
    ours = ("PRORATA_", "STRIPE_", "DATABASE_URL")
    return {name: value for name, value in os.environ.items() if not name.startswith(ours)}
