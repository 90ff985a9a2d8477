"""The command and the HTTP door: the same bytes, the same refusals, never half a file."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import pytest
import pytest_asyncio

from handlers.api import reports
from tests.cli.shell import Said, Shell
from tests.flows.world import KEY, World, whole_world
from tests.reports.conftest import caught_up
from tests.support import postgres

pytestmark = pytest.mark.asyncio(loop_scope="module")

YEARS = ("--from", "2000-01-01", "--to", "2100-01-01")
QUERY = "from=2000-01-01&to=2100-01-01"


@dataclass
class Doors:
    """One purchase, and both doors to its reports."""

    world: World
    shell: Shell

    async def get(self, path: str) -> tuple[int, bytes, dict[str, str]]:
        """Ask over HTTP."""
        url = f"{self.world.running.http_url}/v1/reports/{path}"
        async with self.world.client.get(url, headers={"Authorization": f"Bearer {KEY}"}) as answer:
            return answer.status, await answer.read(), dict(answer.headers)

    async def run(self, *words: str) -> Said:
        """Ask on the command line."""
        return await self.shell.quick("report", *words)

    async def execute(self, sql: str) -> None:
        """Write to the tables past everything else."""
        await self.world.billing.pool.execute(sql)


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def doors(template_database: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Doors]:
    """A world whose account is named like a formula."""
    async with postgres.fresh_database(template_database) as url, whole_world(url) as world:
        await world.buy(account_id="=acme")
        await caught_up(world)
        yield Doors(world, Shell(tmp_path_factory.mktemp("shell"), {"DATABASE_URL": url}))


@pytest.mark.parametrize("name", ["proration-audit", "change-register", "exceptions"])
@pytest.mark.parametrize(
    ("form", "media_type"), [("csv", "text/csv"), ("jsonl", "application/x-ndjson")], ids=["csv", "jsonl"]
)
async def test_both_doors_and_a_second_run_give_the_same_bytes(
    doors: Doors, name: str, form: str, media_type: str
) -> None:
    """Byte by byte, with the right content type and a name for the file."""
    said = await doors.run(name, *YEARS, "--format", form)
    again = await doors.run(name, *YEARS, "--format", form)
    status, raw, headers = await doors.get(f"{name}?{QUERY}&format={form}")

    assert (0, 200) == (said.code, status), said.err
    assert said.out.encode() == again.out.encode() == raw
    assert headers["Content-Type"].startswith(media_type)
    assert f'filename="{name}_20000101T000000Z_21000101T000000Z.{form}"' in headers["Content-Disposition"]
    assert str(len(raw)) == headers["Content-Length"]
    if form == "csv":
        assert raw.startswith(b"schema,")
        assert raw.endswith(b"\r\n")
        assert b",=acme" not in raw


async def test_report_goes_to_a_file_only_when_it_is_done(doors: Doors) -> None:
    """The same bytes as on stdout, and nothing besides the file."""
    target = doors.shell.folder / "january.csv"
    said = await doors.run("proration-audit", *YEARS, "--output", "january.csv")

    assert (0, "", "") == (said.code, said.out, said.err)
    assert target.read_bytes() == (await doors.get(f"proration-audit?{QUERY}"))[1]
    assert [target] == list(doors.shell.folder.iterdir())
    target.unlink()
    refused = await doors.run("proration-audit", *YEARS, "--output", "nowhere/january.csv")
    assert (2, []) == (refused.code, list(doors.shell.folder.iterdir()))


async def test_span_decides_what_is_in_it(doors: Doors) -> None:
    """An empty span is a header and nothing else."""
    said = await doors.run("proration-audit", "--from", "2001-01-01", "--to", "2001-02-01")

    assert 1 == len(said.out.splitlines())
    assert "" == (await doors.run("exceptions", *YEARS, "--json")).out


@pytest.mark.parametrize(
    ("words", "query", "code", "status", "says"),
    [
        (("mrr", *YEARS), f"mrr?{QUERY}", 3, 404, "there are proration-audit"),
        (("exceptions", *YEARS, "--format", "xlsx"), f"exceptions?{QUERY}&format=xlsx", 2, 400, "csv, jsonl"),
        (("exceptions", "--from", "2026-01-01"), "exceptions?from=2026-01-01", 2, 400, "to: this is needed"),
        (
            ("exceptions", "--from", "x", "--to", "2026-01-01"),
            "exceptions?from=x&to=2026-01-01",
            2,
            400,
            "'x'",
        ),
        (
            ("exceptions", "--from", "2026-01-02", "--to", "2026-01-01"),
            "exceptions?from=2026-01-02&to=2026-01-01",
            2,
            400,
            "must be later",
        ),
        (("exceptions", *YEARS, "--zone", "x"), f"exceptions?{QUERY}&zone=x", 2, 400, "such as Europe/Paris"),
        (("exceptions", *YEARS, "--month", "x"), f"exceptions?{QUERY}&month=x", 2, 400, "month"),
    ],
)
async def test_refusals_say_what_is_wrong(
    doors: Doors, words: tuple[str, ...], query: str, code: int, status: int, says: str
) -> None:
    """The same at both doors, and nothing on stdout."""
    said = await doors.run(*words)
    answered, raw, _ = await doors.get(query)

    assert (code, status, "") == (said.code, answered, said.out)
    assert says in said.err
    assert says in raw.decode()
    assert b"Traceback" not in raw


async def test_days_are_those_of_the_accounts_zone(doors: Doors) -> None:
    """The same at both doors, and each row names the zone that its day is of."""
    said = await doors.run("proration-audit", *YEARS, "--zone", "Pacific/Kiritimati", "--json")
    status, raw, _ = await doors.get(f"proration-audit?{QUERY}&zone=Pacific/Kiritimati&format=jsonl")
    row = json.loads(raw.splitlines()[0])
    created = datetime.fromisoformat(row["invoice_created_at"])

    assert (0, 200, raw) == (said.code, status, said.out.encode())
    assert ("Pacific/Kiritimati", str((created + timedelta(hours=14)).date())) == (
        row["zone"],
        row["date_local"],
    )
    assert row["date_local"][:7] == row["period"]


async def test_list_says_what_each_report_holds(doors: Doors) -> None:
    """For people and for programs, without a database."""
    said = await Shell(doors.shell.folder).quick("report", "--list")
    listed = (await Shell(doors.shell.folder).quick("report", "--list", "--json")).data

    assert 0 == said.code
    assert ["proration-audit", "change-register", "exceptions"] == [each["name"] for each in listed]
    assert all(column["says"] in said.out for each in listed for column in each["columns"])
    header = (await doors.run("exceptions", *YEARS)).out.splitlines()[0]
    assert header.split(",") == [column["name"] for column in listed[2]["columns"]]


async def test_check_compares_lines_with_invoices(doors: Doors) -> None:
    """0 while they add up, 8 when a line or an invoice was changed; the report itself is the same."""
    good = await doors.run("proration-audit", *YEARS, "--check", "--json")
    plain = await doors.run("exceptions", *YEARS, "--check")
    await doors.execute("UPDATE stripe_invoice_line SET amount_minor = amount_minor + 1 WHERE position = 0")
    bad = await doors.run("proration-audit", *YEARS, "--check")
    await doors.execute("UPDATE stripe_invoice_line SET amount_minor = amount_minor - 1 WHERE position = 0")

    assert (0, 0, 8) == (good.code, plain.code, bad.code)
    assert '"ok": true' in good.err
    assert "control totals: all equal" in plain.err
    assert "usd: 3 lines, 6901 minor units; 1 invoices, subtotal 6900" in bad.err
    assert "its lines do not add up" in bad.err
    assert "rounding" in bad.out
    assert 2 == (await doors.run("change-register", *YEARS, "--check")).code


async def test_reader_that_stops_early_is_no_traceback(doors: Doors) -> None:
    """`prorata report ... | head -1` ends quietly."""
    process = await doors.shell.start("report", "proration-audit", *YEARS)
    assert process.stdout is not None
    process.stdout._transport.close()  # type: ignore[attr-defined]
    _, err = await asyncio.wait_for(process.communicate(), 60)

    assert b"" == err


async def test_few_reports_are_made_at_once(doors: Doors, monkeypatch: pytest.MonkeyPatch) -> None:
    """One more is told to wait, and keeps no place."""
    monkeypatch.setattr(reports, "REPORTS_AT_ONCE", 0)
    status, raw, headers = await doors.get(f"exceptions?{QUERY}")

    assert (429, "1") == (status, headers["Retry-After"])
    assert b"Nothing was read" in raw
    assert not reports._under_way


async def test_report_that_takes_too_long_is_given_up_in_whole(
    doors: Doors, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not half a file with status 200, but a problem that says what to do."""
    monkeypatch.setattr(reports, "SHARE_OF_TIME", 0)
    status, raw, _ = await doors.get(f"exceptions?{QUERY}")

    assert 504 == status
    assert b"shorter span" in raw


async def test_nothing_stays_behind(doors: Doors, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A served report leaves no file, and no open one."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    before = entries(Path("/proc/self/fd"))
    for _ in range(20):
        assert 200 == (await doors.get(f"exceptions?{QUERY}"))[0]

    assert 0 == entries(tmp_path)
    assert entries(Path("/proc/self/fd")) < before + 15


def entries(folder: Path) -> int:
    """How many things are in it."""
    return len(list(folder.iterdir()))
