"""`prorata audit`: who did what, and the proof that nobody changed the log afterwards."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from worker.cli.exits import ExitCode, usage
from worker.cli.output import AsJson, emit_json, emit_rows, note
from worker.cli.runtime import progress_bar, run_async, with_pool

if TYPE_CHECKING:
    from sync.audit import Verdict
    from sync.rules.audit_chain import Link
    from sync.store.db import Pool

COLUMNS = ("seq", "at", "act", "actor", "by", "role", "door", "key_id", "about")
# What a line of the list says of an entry; the rest is in its JSON.
ABOUT = ("change_id", "request_id", "quote_id", "finding_id", "event_id", "api_key_id", "reason")

audit = typer.Typer(
    help="The audit log: append-only, and chained by hashes.", no_args_is_help=True, rich_markup_mode=None
)


def register(app: typer.Typer) -> None:
    """Add the group."""
    app.add_typer(audit, name="audit")


@audit.command("show")
def show(
    account_id: Annotated[
        str | None, typer.Argument(metavar="ACCOUNT", help="Without it: what concerns all accounts.")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="How many at most.")] = 50,
    before: Annotated[int | None, typer.Option(metavar="SEQ", min=1, help="Older than this row.")] = None,
    as_json: AsJson = False,
) -> None:
    """Show who did what, and by which door, newest first."""

    async def read(pool: Pool) -> tuple[list[Link], bool]:
        from sync import audit as flow

        return await flow.shown(pool, account_id, limit=limit, before=before)

    links, more = run_async(with_pool("audit show", read))
    rows = [_json(link) for link in links]
    lines = (
        rows
        if as_json
        else [row | {"about": _about(row["detail"]), "by": row["detail"].get("by")} for row in rows]
    )
    emit_rows(lines, COLUMNS, as_json=as_json)
    if more:
        note(f"there are older ones: --before {links[-1].seq}")


@audit.command("verify")
def verify(
    account: Annotated[str | None, typer.Option(help="Only this account's chain.")] = None,
    against: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="What `audit verify --json` printed earlier, kept elsewhere."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Compute every hash again; 1 if a row is broken, which is named.

    Rows that were changed, taken out, cut off or moved are found here. Whoever may rewrite whole chains is
    found with --against.
    """
    kept = _kept(against) if against else {}

    async def check(pool: Pool) -> list[Verdict]:
        from sync import audit as flow

        chains = [account] if account is not None else await flow.chains(pool, kept)
        total = await flow.count(pool) if account is None else 0
        with progress_bar("rows", total) as told:
            return await flow.verify_all(pool, chains, kept, lambda done: told(done, total))

    verdicts = run_async(with_pool("audit verify", check))
    if as_json:
        emit_json([_verdict_json(verdict) for verdict in verdicts])
    else:
        _print(verdicts)
    if any(verdict.broken for verdict in verdicts):
        raise typer.Exit(ExitCode.UNEXPECTED)


def _print(verdicts: list[Verdict]) -> None:
    for verdict in verdicts:
        if verdict.broken is not None:
            whose = f"account {verdict.account_id}" if verdict.account_id is not None else "all accounts"
            typer.echo(f"BROKEN: {whose}, row {verdict.broken.seq}: {verdict.broken.why}")
    broken, rows = sum(bool(each.broken) for each in verdicts), sum(each.rows for each in verdicts)
    said = f"{broken} broken" if broken else "intact"
    typer.echo(f"{len(verdicts)} chains with {rows} rows that fit: {said}")


def _kept(path: Path) -> dict[str | None, tuple[int, bytes]]:
    """The heads that an earlier verification printed. Raises a usage error for anything else."""
    import json

    try:
        rows = [row for row in json.loads(path.read_text()) if row["hash"]]
        return {row["account_id"]: (int(row["rows"]), bytes.fromhex(row["hash"])) for row in rows}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise usage(f"--against {path}: it is not what `audit verify --json` prints ({error})") from error


def _json(link: Link) -> dict[str, Any]:
    entry = link.entry
    return {
        "seq": link.seq,
        "account_id": entry.account_id,
        "at": entry.at,
        "act": entry.act,
        "actor": entry.actor,
        "role": entry.role,
        "door": entry.door,
        "key_id": entry.key_id,
        "detail": entry.detail,
        "hash": link.hash.hex(),
    }


def _about(detail: dict[str, Any]) -> str:
    return " ".join(str(detail[name]) for name in ABOUT if detail.get(name))


def _verdict_json(verdict: Verdict) -> dict[str, Any]:
    broken = verdict.broken
    return {
        "account_id": verdict.account_id,
        "rows": verdict.rows,
        "hash": verdict.last.hash.hex() if verdict.rows else None,
        "broken": {"seq": broken.seq, "why": broken.why} if broken else None,
    }
