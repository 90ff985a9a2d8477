"""`prorata report`: files for finance, the same bytes as over HTTP."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Annotated, Any

import typer

from worker.cli.exits import ExitCode, usage
from worker.cli.output import AsJson, emit_json, note
from worker.cli.runtime import progress_bar, run_async, with_billing

if TYPE_CHECKING:
    from sync.billing import Billing
    from sync.reports.listing import Report


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("report")(report)


def report(
    name: Annotated[
        str | None, typer.Argument(metavar="NAME", help="Such as proration-audit; --list says what there is.")
    ] = None,
    begin: Annotated[
        str | None, typer.Option("--from", metavar="WHEN", help="First day, or instant, of the span.")
    ] = None,
    end: Annotated[
        str | None,
        typer.Option("--to", metavar="WHEN", help="Right after the span: 2026-02-01 ends January."),
    ] = None,
    zone: Annotated[
        str, typer.Option(metavar="NAME", help="Days begin at midnight there, such as Europe/Paris.")
    ] = "UTC",
    form: Annotated[str, typer.Option("--format", help="csv or jsonl.")] = "csv",
    output: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write there, once all of it is done; else to stdout.")
    ] = None,
    check: Annotated[
        bool,
        typer.Option(
            "--check", help="Print control totals to stderr; exits 8 when lines and invoices differ."
        ),
    ] = False,
    listed: Annotated[bool, typer.Option("--list", help="Say what each report holds, and end.")] = False,
    as_json: AsJson = False,
) -> None:
    """Write a report for finance. The same data gives the same bytes.

    proration-audit: each invoice line, expected against invoiced, with a reason for every difference.
    change-register: each part of each change, with who, when, before, after and what it cost.
    exceptions: findings of the reconciliation, and invoice lines that are not as expected.

    Days begin at midnight in UTC, or in --zone. With --json the report is JSON lines, and the control totals
    are JSON.
    """
    if listed:
        _list(as_json=as_json)
        return
    from sync.reports import cells, listing, span

    wanted = listing.named(_given(name))
    if check and not wanted.totals:
        raise usage(f"--check: {wanted.name} lists no invoice lines, so it has no control totals")
    between, written = span.parse(begin, end, zone), cells.parse_format("jsonl" if as_json else form)

    async def write(billing: Billing) -> dict[str, Any] | None:
        with _target(output) as out, progress_bar(wanted.name, 0) as bar:
            return await listing.write(
                billing.pool, billing.catalog, wanted, between, written, out.write, watch=_watching(bar)
            )

    with _until_nobody_reads():
        totals = run_async(with_billing("report", write))
    if check and totals is not None:
        _print_totals(totals, as_json=as_json)
        raise typer.Exit(ExitCode.DONE if totals["ok"] else ExitCode.DRIFT)


def _given(name: str | None) -> str:
    if name is None:
        raise usage("say which report: `prorata report --list` says what there is")
    return name


def _list(*, as_json: bool) -> None:
    from sync.reports.listing import REPORTS

    if as_json:
        emit_json([each.to_json() for each in REPORTS.values()])
        return
    for each in REPORTS.values():
        typer.echo(_description(each))


def _description(each: Report) -> str:
    columns = each.to_json()["columns"]
    width = max(len(column["name"]) for column in columns)
    lines = [f"  {column['name']:{width}}  {column['says']}" for column in columns]
    return "\n".join((f"{each.name}  {each.says}", *lines, ""))


@contextmanager
def _target(output: Path | None) -> Iterator[IO[bytes]]:
    """Where the bytes go. A file appears under its name only when all of it is there."""
    if output is None:
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    if output.is_dir() or not output.parent.is_dir():
        raise usage(f"--output {output}: this must be a file in a folder that exists")
    with tempfile.NamedTemporaryFile(dir=output.parent, prefix=f".{output.name}.", delete=False) as file:
        try:
            yield file
            file.flush()
            Path(file.name).replace(output)
        except BaseException:
            Path(file.name).unlink(missing_ok=True)
            raise


@contextmanager
def _until_nobody_reads() -> Iterator[None]:
    """End the command quietly when whoever read stdout has seen enough."""
    try:
        yield
    except BrokenPipeError:
        # Python must not fail again when it empties its buffers.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise typer.Exit(ExitCode.UNEXPECTED) from None


def _watching(bar: Callable[[int, int], None]) -> Callable[[int], Callable[[int], None]]:
    """What the report calls with its size, and then with how much more is done."""
    done = 0

    def watch(total: int) -> Callable[[int], None]:
        def more(count: int) -> None:
            nonlocal done
            done += count
            bar(done, total)

        return more

    return watch


def _print_totals(totals: dict[str, Any], *, as_json: bool) -> None:
    """On stderr: stdout is the report."""
    if as_json:
        import json

        note(json.dumps(totals))
        return
    for each in totals["currencies"]:
        lines, invoices = each["lines"], each["invoices"]
        note(
            f"{each['currency']}: {lines['lines']} lines, {lines['amount_minor']} minor units; "
            f"{invoices['invoices']} invoices, subtotal {invoices['subtotal_minor']}, total "
            f"{invoices['total_minor']}; expected {lines['expected_minor']}, difference "
            f"{lines['diff_minor']}: {'equal' if each['ok'] else 'NOT EQUAL'}"
        )
    for invoice_id in totals["for_instance"]:
        note(f"{invoice_id}: its lines do not add up to its own amounts")
    note("control totals: all equal" if totals["ok"] else "control totals: NOT EQUAL")
