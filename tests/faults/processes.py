"""Children of ours for a story: started with a failpoint armed, awaited, never left behind."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from tests.flows.world import KEY, World


def environment(world: World, *failpoints: str, http: str = "127.0.0.1:0") -> dict[str, str]:
    """What `prorata work` and `prorata serve` need to join this world."""
    settings = world.settings
    assert settings.database_url is not None
    return {
        "PATH": os.environ["PATH"],
        "DATABASE_URL": settings.database_url.get_secret_value(),
        "STRIPE_API_KEY": "sk_test_story",
        "STRIPE_API_BASE": world.twin.base_url,
        "STRIPE_WEBHOOK_SECRET": settings.stripe_webhook_secrets[0].get_secret_value(),
        "PRORATA_BOOTSTRAP_KEY": KEY,
        "PRORATA_STRIPE_RATE": "1000",
        "PRORATA_HTTP": http,
        "PRORATA_FAILPOINTS": ",".join(failpoints),
        "PRORATA_LOG_FORMAT": "json",
    }


@asynccontextmanager
async def child(
    world: World, folder: Path, command: str, *failpoints: str, http: str = "127.0.0.1:0"
) -> AsyncIterator[asyncio.subprocess.Process]:
    """A running `prorata <command>`; killed at the end if it still lives."""
    with (folder / f"{command}-{'-'.join(failpoints) or 'plain'}.log").open("ab") as log:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "worker", command, env=environment(world, *failpoints, http=http),
            cwd=Path(__file__).parents[2], stdout=log, stderr=log,
        )  # fmt: skip
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def dies(process: asyncio.subprocess.Process, seconds: float = 40) -> None:
    """Wait until the child has killed itself at its failpoint."""
    assert -signal.SIGKILL == await asyncio.wait_for(process.wait(), seconds)
