"""Everything on this machine: the local Stripe, and our own processes beside it, on a database.

`prorata up` and `prorata demo` stand on it. Nothing here ever talks to Stripe itself.
"""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Final
from urllib.parse import urlsplit

from worker import local_process
from worker.config import environment_without
from worker.local_process import Child, LocalError, wait_for_http
from worker.ports import free_port

__all__ = ["Child", "Local", "LocalError", "Secrets", "free_port", "local"]

# The local Stripe has no limits; a real account keeps the default.
RATE: Final = "500"
STRIPE_KEY: Final = "sk_test_local"


@dataclass(frozen=True, slots=True)
class Secrets:
    """What a local set-up signs and proves itself with."""

    bootstrap_key: str = field(default_factory=lambda: f"prk_{secrets.token_hex(16)}", repr=False)
    webhook_secret: str = field(default_factory=lambda: f"whsec_{secrets.token_hex(16)}", repr=False)
    session_secret: str = field(default_factory=lambda: secrets.token_hex(16), repr=False)


@dataclass(slots=True)
class Local:
    """A local set-up. `logs` is the folder of its processes' logs; `inherited` is left of our environment."""

    database_url: str
    stripe_url: str
    http_url: str
    logs: Path
    secrets: Secrets
    inherited: Mapping[str, str]
    children: list[Child] = field(default_factory=list)

    @property
    def settings(self) -> dict[str, str]:
        """The variables that our processes are started with."""
        return {
            "DATABASE_URL": self.database_url,
            "STRIPE_API_KEY": STRIPE_KEY,
            "STRIPE_API_BASE": self.stripe_url,
            "STRIPE_WEBHOOK_SECRET": self.secrets.webhook_secret,
            "PRORATA_HTTP": urlsplit(self.http_url).netloc,
            "PRORATA_BOOTSTRAP_KEY": self.secrets.bootstrap_key,
            "PRORATA_SESSION_SECRET": self.secrets.session_secret,
            "PRORATA_STRIPE_RATE": RATE,
        }

    @property
    def environment(self) -> dict[str, str]:
        """The whole environment of our processes."""
        return {**self.inherited, **self.settings}

    async def spawn(self, name: str, *command: str, env: Mapping[str, str] | None = None) -> Child:
        """Start `prorata <command>` in the background; its log is called after `name`."""
        environment = {**self.environment, **(env or {})}
        child = await local_process.start(
            name, command, environment=environment, log=self.logs / f"{name}.log"
        )
        self.children.append(child)
        return child

    async def run(self, *command: str, stderr: IO[bytes] | None = None) -> tuple[int, bytes]:
        """Run `prorata <command>` to its end; returns exit code and stdout. Its stderr is ours by default."""
        return await local_process.run(command, environment=self.environment, stderr=stderr)

    async def start_stripe(self, *options: str) -> Child:
        """Start the local Stripe, which delivers to our own address; see `wait_for_stripe`."""
        port = str(urlsplit(self.stripe_url).port)
        hook = f"{self.http_url}/webhooks/stripe"
        return await self.spawn("stripe", "twin", "--port", port, "--webhook-url", hook, *options)

    async def wait_for_stripe(self, child: Child) -> None:
        """Wait until the local Stripe answers. Raises LocalError."""
        await wait_for_http(f"{self.stripe_url}/_twin/clock", child)

    async def wait_for_doors(self, child: Child) -> None:
        """Wait until our HTTP doors say that they are ready. Raises LocalError."""
        await wait_for_http(f"{self.http_url}/readyz", child)

    async def stop(self) -> None:
        """End every process, the latest first."""
        for child in reversed(self.children):
            await child.stop()


@asynccontextmanager
async def local(
    database_url: str,
    logs: Path,
    *,
    http: str | None = None,
    stripe_port: int = 0,
    known: Secrets | None = None,
    without: Sequence[str] = ("PRORATA_",),
) -> AsyncIterator[Local]:
    """A set-up in which nothing runs yet; whatever is started in it is stopped at the end.

    `http` is the address of our doors, `stripe_port` the wished port of the local Stripe; both are free ones
    by default. `without` are prefixes of variables that are not handed down: Stripe's and the database's
    never are.
    """
    here = Local(
        database_url=database_url,
        stripe_url=f"http://127.0.0.1:{free_port(stripe_port)}",
        http_url=f"http://{http or f'127.0.0.1:{free_port()}'}",
        logs=logs,
        secrets=known or Secrets(),
        inherited=environment_without("STRIPE_", "DATABASE_URL", *without),
    )
    try:
        yield here
    finally:
        await here.stop()
