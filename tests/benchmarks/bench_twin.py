"""The local Stripe by itself: its start, changes and previews a second, and the memory it needs.

`python -m tests.benchmarks.bench_twin [SUBSCRIPTIONS] [--renew]`, 300 by default; four items each, one
invoiced change each, every request with a key of its own as the SDK sends it. Rates are given twice: by the
clock on the wall, and per second of the twin's own processor time, which depends less on who else is busy.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp

from tests.twin.api import Api
from worker.local import free_port

CONNECTIONS = 8
ITEMS = 4
STARTS = 5
CARD = "pm_card_visa"
HALF_A_MONTH = 15 * 86400
PAGE = os.sysconf("SC_PAGE_SIZE")
TICKS = os.sysconf("SC_CLK_TCK")

JSON = dict[str, Any]


@dataclass(frozen=True)
class Rates:
    """How many a second by the wall, and how many per second of the twin's processor time."""

    wall: float
    processor: float

    def __str__(self) -> str:
        return f"{self.wall:,.0f}/s ({self.processor:,.0f} per processor second)"


@dataclass(frozen=True)
class Process:
    """A twin in a process of its own."""

    pid: int
    url: str
    start_seconds: float

    def resident_mb(self) -> float:
        """What of its memory is in RAM."""
        pages = int(Path(f"/proc/{self.pid}/statm").read_text(encoding="ascii").split()[1])
        return pages * PAGE / 1e6

    def processor_seconds(self) -> float:
        """The processor time it has used."""
        fields = Path(f"/proc/{self.pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICKS


@contextmanager
def process(*options: str) -> Iterator[Process]:
    """Start a twin, and end it; the start counts until it says that it listens."""
    began = time.perf_counter()
    command = [sys.executable, "-m", "worker.twin", "--port", str(free_port()), *options]
    silent = subprocess.DEVNULL
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=silent, text=True) as running:
        try:
            assert running.stdout is not None
            url = running.stdout.readline().split()[-1]
            yield Process(running.pid, url, time.perf_counter() - began)
        finally:
            running.terminate()


def start_seconds() -> float:
    """The median of a few starts."""
    starts = []
    for _ in range(STARTS):
        with process() as twin:
            starts.append(twin.start_seconds)
    return statistics.median(starts)


class Load:
    """Requests to one twin, a few at a time."""

    def __init__(self, twin: Process, api: Api) -> None:
        self.twin, self.api = twin, api
        self.subscriptions: list[JSON] = []
        self.prices: list[str] = []

    async def prepare(self) -> None:
        """Prices to subscribe to, and others to change to."""
        self.prices = [await self.api.price(1000 + 100 * n) for n in range(2 * ITEMS)]

    async def rates(self, one: Callable[[int], Awaitable[object]], count: int) -> Rates:
        """Do `one` `count` times over a few connections."""
        waiting = iter(range(count))

        async def worker() -> None:
            for number in waiting:
                await one(number)

        began, used = time.perf_counter(), self.twin.processor_seconds()
        await asyncio.gather(*(worker() for _ in range(CONNECTIONS)))
        wall, processor = time.perf_counter() - began, self.twin.processor_seconds() - used
        return Rates(count / wall, count / max(processor, 1 / TICKS))

    async def subscribe(self, number: int) -> None:
        """A customer with a card and a subscription of four items."""
        card = {"payment_method": CARD, "invoice_settings": {"default_payment_method": CARD}}
        owner = {"email": f"owner{number}@example.com", **card}
        customer = await self.api.post("/v1/customers", owner, key=f"customer-{number}")
        chosen = [{"price": price, "quantity": 5} for price in self.prices[:ITEMS]]
        params = {"customer": customer["id"], "items": chosen}
        self.subscriptions.append(await self.api.post("/v1/subscriptions", params, key=f"create-{number}"))

    def details(self, number: int) -> JSON:
        """Other quantities for all items, and another price for one."""
        listed = self.subscriptions[number]["items"]["data"]
        changed: list[JSON] = [{"id": item["id"], "quantity": 8 + place} for place, item in enumerate(listed)]
        changed[0]["price"] = self.prices[ITEMS]
        return {"items": changed, "proration_behavior": "always_invoice"}

    async def change(self, number: int) -> None:
        """An invoiced change of every item in the middle of the period."""
        subscription = self.subscriptions[number]
        await self.api.post(
            f"/v1/subscriptions/{subscription['id']}",
            {**self.details(number), "expand": ["latest_invoice"]},
            key=f"change-{number}",
        )

    async def preview(self, number: int) -> None:
        """A preview of a change."""
        chosen = number % len(self.subscriptions)
        params = {"subscription": self.subscriptions[chosen]["id"]}
        details = {"subscription_details": self.details(chosen)}
        await self.api.post("/v1/invoices/create_preview", {**params, **details}, key=f"preview-{number}")


async def measure(twin: Process, count: int, *, renew: bool) -> dict[str, Rates]:
    """Create, preview and change `count` subscriptions, printing figures as they come."""
    found: dict[str, Rates] = {}
    print(f"empty: {twin.resident_mb():,.0f} MB")
    async with aiohttp.ClientSession() as session:
        load = Load(twin, Api(twin.url, session))
        await load.prepare()
        found["creations"] = await load.rates(load.subscribe, count)
        print(f"{count} created: {found['creations']}, {twin.resident_mb():,.0f} MB")
        await load.api.control("clock", {"advance_seconds": HALF_A_MONTH})
        found["previews"] = await load.rates(load.preview, max(count, 300))
        print(f"previews: {found['previews']}")
        found["changes"] = await load.rates(load.change, count)
        print(f"{count} changed: {found['changes']}, {twin.resident_mb():,.0f} MB")
        if renew:
            await advance(load)
    return found


async def advance(load: Load) -> None:
    """Let every subscription renew at once, and its invoice be paid an hour later."""
    began = time.perf_counter()
    await load.api.control("clock", {"advance_seconds": HALF_A_MONTH + 3 * 86400})
    took = time.perf_counter() - began
    print(f"renewed: {took:,.1f} s, {load.twin.resident_mb():,.0f} MB")


def main() -> None:
    """Print every figure."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.bench_twin")
    parser.add_argument("subscriptions", type=int, nargs="?", default=300)
    parser.add_argument("--renew", action="store_true", help="renew all of them, too")
    options = parser.parse_args()
    print(f"start: median {start_seconds():.2f} s of {STARTS}")
    with process() as twin:
        asyncio.run(measure(twin, options.subscriptions, renew=options.renew))


if __name__ == "__main__":
    main()
