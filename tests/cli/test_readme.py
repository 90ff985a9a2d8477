"""The commands that README.md prints do what it says, in the order in which it prints them."""

from __future__ import annotations

import asyncio
import re
import shlex
import signal

from tests.cli.shell import ROOT, Shell
from worker.twin.server import RunningTwin

# These stay until they are told to stop.
STAYING = {("run",)}


def printed() -> list[list[str]]:
    """Every line of the README's shell blocks, as words."""
    blocks = re.findall(r"```sh\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    lines = [line for block in blocks for line in block.strip().splitlines()]
    return [shlex.split(line) for line in lines]


def test_make_targets_exist() -> None:
    """What is printed as `make something` is a target that `make help` lists."""
    makefile = (ROOT / "Makefile").read_text()
    targets = [words[1] for words in printed() if words[0] == "make"]
    assert {"demo", "test", "sandbox"} <= set(targets)
    for target in targets:
        assert re.search(rf"^{target}:.*## ", makefile, re.MULTILINE), target


async def test_commands_work_as_printed(shell: Shell, twin: RunningTwin) -> None:
    """A newcomer with a Stripe test account types them one after the other: each ends well."""
    given = [tuple(words[1:]) for words in printed() if words[0] == "prorata"]
    assert given
    for words in given:
        if words in STAYING:
            await _runs(shell, words)
        else:
            said = await shell.run(*words)
            assert said.code == 0, (words, said.out, said.err)


async def _runs(shell: Shell, words: tuple[str, ...]) -> None:
    """It comes up, says so, and goes down when it is told to."""
    process = await shell.start(*words, PRORATA_LOG_FORMAT="json")
    try:
        assert process.stderr is not None
        assert process.stdout is not None
        reading = {asyncio.create_task(_until_started(stream)) for stream in (process.stderr, process.stdout)}
        done, rest = await asyncio.wait(reading, timeout=60, return_when=asyncio.FIRST_COMPLETED)
        for task in rest:
            task.cancel()
        assert any(task.result() for task in done), words
    finally:
        process.send_signal(signal.SIGTERM)
    assert 0 == await asyncio.wait_for(process.wait(), 60)


async def _until_started(stream: asyncio.StreamReader) -> bool:
    while line := await stream.readline():
        if b"process.started" in line:
            return True
    return False
