"""How long the command takes to answer, and `prorata serve` to listen: medians of ten, and where it goes.

Run it alone: `python -m tests.benchmarks.bench_start`. It needs nothing that listens.
"""

from __future__ import annotations

import asyncio
import os
import resource
import statistics
import subprocess
import sys
import time

from tests.support import postgres
from worker.local import free_port

RUNS = 10
HELP_SECONDS = 0.4
SERVE_SECONDS = 1.5
SLOWEST = 8


def environment(database_url: str, port: int) -> dict[str, str]:
    """What `prorata serve` needs; Stripe is not asked at the start."""
    return {
        **os.environ,
        "DATABASE_URL": database_url,
        "STRIPE_API_KEY": "sk_test_bench",
        "STRIPE_API_BASE": "http://127.0.0.1:1",
        "PRORATA_HTTP": f"127.0.0.1:{port}",
    }


def help_seconds() -> float:
    """One `prorata --help`, from start to end."""
    began = time.perf_counter()
    subprocess.run([sys.executable, "-m", "worker", "--help"], check=True, capture_output=True)
    return time.perf_counter() - began


def serve_seconds(database_url: str) -> float:
    """One `prorata serve`, from start until its port takes a connection."""
    port = free_port()
    began = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-m", "worker", "serve"],
        env=environment(database_url, port),
        stderr=subprocess.PIPE,
    )
    try:
        asyncio.run(_until_open(port, process))
        return time.perf_counter() - began
    finally:
        process.terminate()
        _, said = process.communicate()
        if process.returncode != 0:
            print(said.decode(), file=sys.stderr)


async def _until_open(port: int, process: subprocess.Popen[bytes]) -> None:
    while process.poll() is None:
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            await asyncio.sleep(0.005)
        else:
            writer.close()
            return
    raise RuntimeError("serve ended before it listened")


def slowest_imports(module: str) -> list[str]:
    """The packages that cost most when this module is imported, in milliseconds with all they bring along."""
    command = [sys.executable, "-X", "importtime", "-c", f"import {module}"]
    lines = subprocess.run(command, check=True, capture_output=True, text=True).stderr.splitlines()
    rows = [line.removeprefix("import time:").split("|") for line in lines if line.count("|") == 2]
    found = [(int(row[1]) // 1000, row[2].strip()) for row in rows if row[1].strip().isdigit()]
    top = sorted((row for row in found if "." not in row[1]), reverse=True)[:SLOWEST]
    return [f"{milliseconds} ms {name}" for milliseconds, name in top]


async def _measure_serve() -> list[float]:
    async with postgres.fresh_database(postgres.template_name()) as url:
        return [await asyncio.to_thread(serve_seconds, url) for _ in range(RUNS)]


def main() -> int:
    """Print both medians and what the start is made of; 1 when one is over its limit."""
    postgres.begin_run()
    try:
        postgres.template_url()
        helps = [help_seconds() for _ in range(RUNS)]
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        serves = asyncio.run(_measure_serve())
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
    finally:
        postgres.end_run()
    for name, times, limit in (("--help", helps, HELP_SECONDS), ("serve", serves, SERVE_SECONDS)):
        print(
            f"prorata {name:<7} median {statistics.median(times):.3f} s, "
            f"{min(times):.3f} to {max(times):.3f} s, limit {limit} s"
        )
    # What the clock says depends on who else is busy here; this does not.
    cpu = (after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime) / RUNS
    print(f"prorata serve   uses {cpu:.3f} s of a processor from start to end")
    print("imports of worker.app:", ", ".join(slowest_imports("worker.app")))
    return int(statistics.median(helps) > HELP_SECONDS or statistics.median(serves) > SERVE_SECONDS)


if __name__ == "__main__":
    sys.exit(main())
