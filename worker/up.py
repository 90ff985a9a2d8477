"""`prorata up`: everything running on this machine until it is stopped; what was made is there the next time.

The data folder keeps PostgreSQL's data, the local Stripe's state and the keys, so that accounts stay linked
to customers that exist.
"""

from __future__ import annotations

import asyncio
import fcntl
import json
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Final

import aiohttp

from sync import clock
from sync.store import accounts as account_store
from sync.store.db import create_pool
from worker.local import Child, Local, LocalError, Secrets, local
from worker.local_database import embedded, set_aside
from worker.local_doors import Doors, doors
from worker.migrate import migrate

if TYPE_CHECKING:
    from worker.config import Settings

Say = Callable[[str], None]

STRIPE_PORT: Final = 12111
SECRETS_FILE: Final = "local.json"
STRIPE_FILE: Final = "stripe.json"
LOCK_FILE: Final = "up.lock"
LOGS: Final = "logs"
SAVE_SECONDS: Final = 2.0
PAGE: Final = 500


@asynccontextmanager
async def running(settings: Settings, say: Say) -> AsyncIterator[Local]:
    """Start everything and push the catalog; all of it is stopped afterwards. `say` tells a person something.

    Raises LocalError when something does not come up, or when DATABASE_URL's database belongs elsewhere.
    """
    folder = settings.data_dir.absolute()
    (folder / LOGS).mkdir(parents=True, exist_ok=True)
    with _alone(folder):
        _require_free(settings)
        async with _database(settings, folder) as database_url:
            await migrate(database_url)
            async with (
                local(
                    database_url,
                    folder / LOGS,
                    http=settings.http,
                    stripe_port=STRIPE_PORT,
                    known=_known_secrets(settings, folder),
                    without=(),
                ) as here,
                doors(here) as knock,
            ):
                await _start(settings, here, knock, folder, say)
                saving = asyncio.create_task(_keep_saving(knock))
                try:
                    yield here
                finally:
                    saving.cancel()
                    with suppress(asyncio.CancelledError):
                        await saving


async def until_one_ends(here: Local) -> None:
    """Wait for as long as every process runs. Raises LocalError with the last words of the first to end."""
    waiting: dict[asyncio.Task[int], Child] = {
        asyncio.create_task(child.process.wait()): child for child in here.children
    }
    try:
        ended, _ = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in waiting:
            task.cancel()
    child = waiting[ended.pop()]
    raise LocalError(f"{child.name} ended by itself; the end of {child.log}:\n{child.last_words()}")


async def _start(settings: Settings, here: Local, knock: Doors, folder: Path, say: Say) -> None:
    stripe = await here.start_stripe("--persist", str(folder / STRIPE_FILE))
    await here.wait_for_stripe(stripe)
    strangers = await _strangers(here, knock)
    if strangers:
        await _start_afresh(settings, here, knock, folder, strangers, say)
    await _forget_old_addresses(here, knock)
    run = await here.spawn("run", "run")
    await here.wait_for_doors(run)
    code, _ = await here.run("catalog", "push", "--yes", "--json")
    if code != 0:
        raise LocalError(f"prorata catalog push ended with exit code {code}")


# ---- the data folder


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Two sets of processes on one folder would overwrite each other's state."""
    with (folder / LOCK_FILE).open("ab") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise LocalError(f"`prorata up` runs already for {folder}") from None
        yield


def _known_secrets(settings: Settings, folder: Path) -> Secrets:
    """The keys of the last time, so that a shell that was set up stays so; a given key goes first."""
    path = folder / SECRETS_FILE
    if not path.exists():
        path.touch(mode=0o600)
        path.write_text(json.dumps(asdict(Secrets())))
    kept = json.loads(path.read_text())
    if settings.bootstrap_key is not None:
        kept["bootstrap_key"] = settings.bootstrap_key.get_secret_value()
    return Secrets(**kept)


@asynccontextmanager
async def _database(settings: Settings, folder: Path) -> AsyncIterator[str]:
    if settings.database_url is not None:
        yield settings.database_url.get_secret_value()
        return
    async with embedded(folder, durable=True) as url:
        yield url


def _require_free(settings: Settings) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((settings.http_host, settings.http_port))
        except OSError as error:
            raise LocalError(
                f"{settings.http} cannot be used ({error}); set PRORATA_HTTP to another"
            ) from error


# ---- our database and the local Stripe belong together


async def _start_afresh(
    settings: Settings, here: Local, knock: Doors, folder: Path, strangers: list[str], say: Say
) -> None:
    """An account whose customer the local Stripe does not know could only fail, so both begin afresh.

    It happens when the local Stripe's file was deleted. A database that was given is never touched.
    """
    reason = (
        f"the local Stripe does not know the customers of {len(strangers)} accounts, such as {strangers[0]}"
    )
    if settings.database_url is not None:
        raise LocalError(
            f"{reason}: the database of DATABASE_URL belongs to another Stripe. Nothing was changed; give an "
            "empty database, or none for an embedded one"
        )
    stamp = f"{clock.wall():%Y%m%d_%H%M%S}"
    await set_aside(here.database_url, f"prorata_{stamp}")
    await migrate(here.database_url)
    file = folder / STRIPE_FILE
    if file.exists():
        file.rename(file.with_name(f"stripe_{stamp}.json"))
    await knock.control("POST", "reset")
    say(f"prorata: {reason}, so both begin afresh; what was there is kept as database prorata_{stamp}")


async def _strangers(here: Local, knock: Doors) -> list[str]:
    """The accounts that are linked to customers or subscriptions that the local Stripe does not have."""
    known = {each["id"] for each in await knock.stripe_list("customers")}
    known |= {each["id"] for each in await knock.stripe_list("subscriptions", status="all")}
    found: list[str] = []
    pool = await create_pool(here.database_url, max_size=1, application_name="prorata-up")
    try:
        after: str | None = None
        while rows := await account_store.page(pool, PAGE, after):
            after = rows[-1].id
            found += [
                row.id
                for row in rows
                if not known.issuperset(filter(None, (row.stripe_customer_id, row.stripe_subscription_id)))
            ]
    finally:
        await pool.close()
    return found


async def _forget_old_addresses(here: Local, knock: Doors) -> None:
    """Our own webhook addresses of earlier starts would be tried for ever."""
    path = "/webhooks/stripe"
    for endpoint in await knock.stripe_list("webhook_endpoints"):
        if endpoint["url"].endswith(path) and endpoint["url"] != f"{here.http_url}{path}":
            await knock.stripe("DELETE", f"webhook_endpoints/{endpoint['id']}")


async def _keep_saving(knock: Doors) -> None:
    """Save the local Stripe whenever something happened there: it saves itself only when it ends in order."""
    saved: object = None
    while True:
        await asyncio.sleep(SAVE_SECONDS)
        with suppress(aiohttp.ClientError, TimeoutError):
            newest = (await knock.stripe("GET", "events", limit=1))["data"]
            if newest != saved:
                await knock.control("POST", "save")
                saved = newest
