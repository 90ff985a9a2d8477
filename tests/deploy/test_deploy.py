"""Files for Docker and systemd, the example environment and the runbooks name what exists."""

from __future__ import annotations

import configparser
import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.deploy.commands import command_paths
from worker.config import Settings, known_variables
from worker.config_rules import STRIPE_API_BASE

ROOT = Path(__file__).parent.parent.parent
DEPLOY = ROOT / "deploy"
UNITS = sorted((DEPLOY / "systemd").glob("*.service"))
RUNBOOKS = sorted((DEPLOY / "runbooks").glob("*.md"))
HARDENING = {
    "NoNewPrivileges": "yes",
    "ProtectSystem": "strict",
    "ProtectHome": "yes",
    "PrivateTmp": "yes",
    "CapabilityBoundingSet": "",
    "SystemCallFilter": "@system-service",
}
RUNBOOK_PARTS = ["What users see", "Confirm", "Fix", "How to know that it worked", "Undo", "Who to tell"]


def example() -> dict[str, str]:
    """Return the variables of env.example with their values."""
    lines = (DEPLOY / "env.example").read_text().splitlines()
    return dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))


def compose() -> dict[str, Any]:
    """Return the parsed compose file."""
    parsed: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
    return parsed


def dockerfile() -> str:
    """Return the Dockerfile with its continued lines joined."""
    return (DEPLOY / "Dockerfile").read_text().replace("\\\n", " ")


def unit(path: Path) -> dict[str, dict[str, str]]:
    """Return a systemd unit; a key that is given twice keeps its first value."""
    parser = configparser.ConfigParser(strict=False, interpolation=None)
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    seen: set[tuple[str, str]] = set()
    section, lines = "", []
    for line in path.read_text().splitlines():
        section = line if line.startswith("[") else section
        key = (section, line.split("=")[0])
        if line.startswith("[") or key not in seen:
            lines.append(line)
        seen.add(key)
    parser.read_string("\n".join(lines))
    return {name: dict(parser[name]) for name in parser.sections()}


def test_example_has_every_variable() -> None:
    """No variable is missing from the example, and none is there that nobody reads."""
    assert list(example()) == [name for name in example() if name in known_variables()]
    assert sorted(example()) == sorted(known_variables())


def test_example_explains_every_variable() -> None:
    """Above each variable stands a sentence."""
    lines = (DEPLOY / "env.example").read_text().splitlines()

    for number, line in enumerate(lines):
        if "=" in line and not line.startswith("#"):
            assert lines[number - 1].startswith("#"), line


def test_example_starts_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    """Copied without an edit, it is right and gives the defaults."""
    for name, value in example().items():
        monkeypatch.setenv(name, value)

    assert Settings.for_command("demo").stripe_api_base == STRIPE_API_BASE
    assert Settings.for_command("demo").warnings == ()


def test_dockerfile_copies_what_exists() -> None:
    """Every file that goes into the image is in the tree."""
    sources = [
        source
        for line in re.findall(r"^COPY (?!--from)(.+)$", dockerfile(), re.MULTILINE)
        for source in line.split()[:-1]
    ]

    assert sources
    assert [source for source in sources if not (ROOT / source).exists()] == []


def test_dockerfile_lets_everything_through() -> None:
    """What is copied is not kept from the builder by the ignore file."""
    allowed = (DEPLOY / "Dockerfile.dockerignore").read_text().splitlines()
    copied = re.findall(r"^COPY (?!--from)(.+)$", dockerfile(), re.MULTILINE)

    for line in copied:
        for source in line.split()[:-1]:
            assert f"!{source.split('/')[0]}" in allowed


def test_image_is_locked_and_not_root() -> None:
    """Every package is checked against its hash, and the process is nobody special."""
    installs = [line for line in re.split(r"&&|\n", dockerfile()) if "pip install" in line]

    assert all("--require-hashes" in line or "/wheel/" in line for line in installs)
    assert re.search(r"^USER \d+$", dockerfile(), re.MULTILINE)
    assert "/livez" in dockerfile()


def test_image_starts_a_command_that_exists() -> None:
    """The image's own command, and those of the compose file, are in the CLI."""
    default = re.search(r"^CMD (\[.+\])$", dockerfile(), re.MULTILINE)
    services = compose()["services"].values()
    assert default is not None

    commands = [json.loads(default[1]), *(service["command"] for service in services if "command" in service)]
    assert [command for command in commands if tuple(command) not in command_paths()] == []


def test_compose_migrates_before_it_serves() -> None:
    """Nothing works on a database that is not migrated yet."""
    services = compose()["services"]

    for name in ("serve", "work"):
        assert services[name]["depends_on"] == {"migrate": {"condition": "service_completed_successfully"}}
    assert services["migrate"]["depends_on"] == {"postgres": {"condition": "service_healthy"}}


def test_compose_opens_no_door_to_the_network() -> None:
    """What is published is published on this machine alone."""
    ports = [port for service in compose()["services"].values() for port in service.get("ports", [])]

    assert ports
    assert all(port.startswith("127.0.0.1:") for port in ports)


def test_compose_has_no_secret_of_its_own() -> None:
    """Passwords come from outside, and are demanded where they are missing."""
    text = (DEPLOY / "compose.yaml").read_text()

    assert "${POSTGRES_PASSWORD:?" in text
    assert not re.search(r"(sk|rk)_(test|live)_|whsec_", text)


@pytest.mark.parametrize("path", UNITS, ids=lambda path: path.stem)
def test_unit_starts_a_command_that_exists(path: Path) -> None:
    """A unit's command is one of the CLI."""
    program, *arguments = unit(path)["Service"]["ExecStart"].split()

    assert program == "/opt/prorata/bin/prorata"
    assert tuple(arguments) in command_paths()


@pytest.mark.parametrize("path", UNITS, ids=lambda path: path.stem)
def test_unit_is_hardened(path: Path) -> None:
    """A unit may read its files, talk to the network, and nothing more."""
    service = unit(path)["Service"]

    assert {name: service.get(name) for name in HARDENING} == HARDENING


def test_services_wait_for_the_migration() -> None:
    """The long-running units need the one that migrates."""
    for name in ("serve", "work"):
        assert (
            unit(DEPLOY / f"systemd/prorata-{name}.service")["Unit"]["Requires"] == "prorata-migrate.service"
        )


@pytest.mark.parametrize("path", RUNBOOKS, ids=lambda path: path.stem)
def test_runbook_has_the_form(path: Path) -> None:
    """On-call reads the same parts in the same order: money first, at most five steps, the dry run early."""
    text = path.read_text()
    steps = re.findall(r"^(\d)\. ", text, re.MULTILINE)

    assert re.match(r"# [A-Z][A-Za-z]+\n\n\*\*Is money at risk\?\*\*", text)
    assert re.findall(r"^## (.+)$", text, re.MULTILINE) == RUNBOOK_PARTS
    assert steps == [str(number) for number in range(1, len(steps) + 1)]
    assert 1 <= len(steps) <= 5
    changing = [
        line for line in text.splitlines() if re.match(r"\d\. `prorata \w+ (retry|repair|resolve)", line)
    ]
    assert not changing or "--dry-run" in changing[0]


@pytest.mark.parametrize("path", RUNBOOKS, ids=lambda path: path.stem)
def test_runbook_commands_exist(path: Path) -> None:
    """Every command works as printed."""
    printed = re.findall(r"`prorata ([a-z -]+)", path.read_text())
    paths = command_paths()

    unknown = [text for text in printed if not any(_begins(text.split(), known) for known in paths)]
    assert printed
    assert unknown == []


def _begins(words: list[str], known: tuple[str, ...]) -> bool:
    return tuple(words[: len(known)]) == known
