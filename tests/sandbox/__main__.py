"""`make sandbox`: every probe against a Stripe sandbox and against a fresh twin, and where they differ.

The key is taken from STRIPE_SANDBOX_KEY (a test key: `sk_test_...` or `rk_test_...`); `--base URL --key KEY`
asks another stand-in instead. Exit code: 0 no difference (or no key: nothing is asked), 1 differences,
2 the run was not possible.
"""

from __future__ import annotations

import argparse
import asyncio
import fcntl
import hashlib
import os
import secrets
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.progress import Progress

import tests.sandbox.probes  # noqa: F401  # importing registers them
from tests.sandbox.lab import Session
from tests.sandbox.probe import PROBES, Probe
from tests.sandbox.report import Report
from tests.sandbox.run import run
from worker.twin.server import TwinSettings, start

KEY = "STRIPE_SANDBOX_KEY"
NO_KEY = (
    f"There is no {KEY}, so nothing was compared with Stripe. Set it to a test key (sk_test_ or rk_test_)"
    " of a sandbox that may be filled with test objects, and run this again."
)


class CannotRunError(Exception):
    """The run is not possible; the text is for the person who started it."""


def check_key(key: str) -> None:
    """Only test keys pass, before anything is sent."""
    if key.startswith(("sk_live_", "rk_live_")):
        raise CannotRunError(
            "This is a LIVE key. The probes create subscriptions and charge cards: nothing was sent."
        )
    if not key.startswith(("sk_test_", "rk_test_")):
        raise CannotRunError(
            "This is no secret test key of Stripe: it has to begin with sk_test_ or rk_test_."
        )


@contextmanager
def only_run(target: str) -> Iterator[None]:
    """Refuse a second run against one target from this machine: the two would share a rate limit."""
    # A lock file belongs to who made it: another user of this machine could not even open it.
    name = hashlib.sha256(f"{os.getuid()} {target}".encode()).hexdigest()[:12]
    path = Path(tempfile.gettempdir()) / f"prorata-sandbox-{name}.lock"
    with path.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise CannotRunError(f"Another run against {target} is under way ({path}).") from None
        yield


async def compare(key: str, base: str | None, probes: list[Probe], console: Console) -> Report:
    """Run the probes against the target, then against a fresh twin."""
    run_id = secrets.token_hex(4)
    target = base or "Stripe"
    twin = await start(TwinSettings())
    try:
        with Progress(console=console, transient=True) as bar:
            task = bar.add_task(target, total=2 * len(probes))

            def tick(name: str) -> None:
                bar.update(task, advance=1, description=name)

            theirs = await run(Session(key, base, run_id), probes, tick)
            ours = await run(Session(f"{key[:8]}twin", twin.base_url, run_id), probes, tick)
    finally:
        await twin.close()
    return Report(target, ours, theirs)


def main(arguments: list[str] | None = None) -> int:
    """Read the command line, run, print; the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.sandbox", description=__doc__)
    parser.add_argument("--key", default=os.environ.get(KEY), help=f"instead of {KEY}")
    parser.add_argument("--base", help="the address of a stand-in, instead of Stripe's")
    parser.add_argument("--only", nargs="+", metavar="PROBE", choices=sorted(PROBES), help="some probes only")
    parser.add_argument("--json", action="store_true", help="print everything that was seen, as JSON")
    given = parser.parse_args(arguments)
    if not given.key:
        print(NO_KEY)
        return 0
    probes = [p for p in PROBES.values() if not given.only or p.name in given.only]
    try:
        check_key(given.key)
        with only_run(given.base or "Stripe"):
            report = asyncio.run(compare(given.key, given.base, probes, Console(stderr=True)))
    except CannotRunError as error:
        print(error, file=sys.stderr)
        return 2
    if given.json:
        print(report.as_json())
    else:
        report.show(Console(width=None if sys.stdout.isatty() else 140))
    return 1 if report.differences else 0


if __name__ == "__main__":
    sys.exit(main())
