"""Reports over 10,000 accounts with 100,000 invoice lines: how long, and how much memory."""

from __future__ import annotations

import asyncio
import hashlib
import time
from pathlib import Path

import pytest

from sync.store.db import Pool
from tests.benchmarks.reports import LINES_OF_AN_ACCOUNT, fill
from tests.cli.shell import Shell

pytestmark = pytest.mark.benchmark

ACCOUNTS = 10_000
SECONDS_MOST, MEGABYTES_MOST = 20, 300
SPAN = ("--from", "2026-01-01", "--to", "2027-01-01")


@pytest.mark.parametrize("form", ["csv", "jsonl"])
async def test_whole_year(pool: Pool, database_url: str, tmp_path: Path, form: str) -> None:
    """The command, start to end, twice: the same bytes, in time, in little memory."""
    await fill(pool, ACCOUNTS)
    shell = Shell(tmp_path, {"DATABASE_URL": database_url})
    digests = set()
    for name in ("proration-audit", "proration-audit", "exceptions", "change-register"):
        began = time.perf_counter()
        peak = await peak_megabytes(shell, name, form, tmp_path / "out")
        seconds = time.perf_counter() - began
        raw = (tmp_path / "out").read_bytes()
        print(f"\n{name} {form}: {seconds:.1f} s, {peak:.0f} MB at most, {len(raw) / 1e6:.1f} MB of file")
        assert seconds < SECONDS_MOST
        assert peak < MEGABYTES_MOST
        if name == "proration-audit":
            digests.add(hashlib.sha256(raw).hexdigest())
            assert ACCOUNTS * LINES_OF_AN_ACCOUNT + (form == "csv") == raw.count(b"\n")
    assert 1 == len(digests)


async def peak_megabytes(shell: Shell, name: str, form: str, output: Path) -> float:
    """Run the report as a process of its own, and return the most memory that it had."""
    check = () if name == "change-register" else ("--check",)
    words = ("report", name, *SPAN, "--format", form, "--output", str(output), *check)
    process = await shell.start(*words)
    assert process.stderr is not None
    most = 0.0
    while process.returncode is None:
        most = max(most, _megabytes(process.pid))
        await asyncio.sleep(0.05)
    assert 0 == process.returncode, await process.stderr.read()
    return most


def _megabytes(pid: int) -> float:
    """The high-water mark that the system keeps for a process; 0 once it is gone."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except (FileNotFoundError, ProcessLookupError):
        return 0.0
    found = [line.split()[1] for line in lines if line.startswith("VmHWM")]
    return int(found[0]) / 1024 if found else 0.0
