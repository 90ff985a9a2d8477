"""`prorata keys`: API keys for the HTTP door."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from worker.cli.output import AsJson, Why, Yes, confirmed, emit_json, emit_rows, note
from worker.cli.runtime import pool_for, run_async, settings_for

if TYPE_CHECKING:
    from sync.store.api_keys import ApiKeyRow

COLUMNS = ("id", "name", "roles", "created_at", "last_used_at", "revoked_at")

keys = typer.Typer(help="API keys for the HTTP door.", no_args_is_help=True, rich_markup_mode=None)


def register(app: typer.Typer) -> None:
    """Add the group."""
    app.add_typer(keys, name="keys")


@keys.command("create")
def create(
    name: Annotated[str, typer.Argument(help="Who will use the key, for people who read the list later.")],
    role: Annotated[list[str], typer.Option(help="automation, support, finance or oncall; may be repeated.")],
    reason: Why = None,
    as_json: AsJson = False,
) -> None:
    """Make an API key and print it, once: only its hash is stored."""
    row, secret = run_async(_create(name, role, reason))
    if as_json:
        emit_json({"id": row.id, "name": row.name, "roles": list(row.roles), "key": secret})
    else:
        typer.echo(secret)
        note(f"key {row.id} for {row.name} ({', '.join(row.roles)}); it is not shown again")


@keys.command("list")
def list_keys(as_json: AsJson = False) -> None:
    """List all keys, revoked ones too. The keys themselves are not stored."""
    rows = run_async(_list())
    emit_rows([asdict(row) for row in rows], COLUMNS, as_json=as_json)


@keys.command("revoke")
def revoke(
    key_id: Annotated[str, typer.Argument(metavar="ID", help="The key's id, as listed.")],
    reason: Why = None,
    yes: Yes = False,
) -> None:
    """Make a key useless from now on."""
    if not confirmed(f"Revoke the key {key_id}?", yes=yes):
        raise typer.Exit(2)
    run_async(_revoke(key_id, reason))
    note(f"key {key_id} is revoked")


async def _create(name: str, roles: list[str], reason: str | None) -> tuple[ApiKeyRow, str]:
    from handlers.auth import hash_api_key, new_api_key
    from sync import audit_acts
    from sync.ids import new_id
    from sync.store import api_keys
    from sync.store.db import transaction

    _check_roles(roles)
    secret = new_api_key()
    async with pool_for(settings_for("keys create"), reason) as pool, transaction(pool) as conn:
        row = await api_keys.create(
            conn, key_id=new_id("key"), name=name, key_hash=hash_api_key(secret), roles=roles
        )
        await audit_acts.key_created(conn, row)
    return row, secret


async def _list() -> list[ApiKeyRow]:
    from sync.store import api_keys

    async with pool_for(settings_for("keys list")) as pool:
        return await api_keys.list_keys(pool)


async def _revoke(key_id: str, reason: str | None) -> None:
    from sync import audit_acts
    from sync.errors import Code, NotFound
    from sync.store import api_keys
    from sync.store.db import transaction

    async with pool_for(settings_for("keys revoke"), reason) as pool, transaction(pool) as conn:
        if not await api_keys.revoke(conn, key_id):
            raise NotFound(Code.NOT_FOUND, f"There is no key {key_id} in force, so nothing was done.")
        await audit_acts.key_revoked(conn, key_id)


def _check_roles(roles: list[str]) -> None:
    from handlers.auth import Role
    from sync.errors import BadInput, Code

    unknown = sorted(set(roles) - {str(role) for role in Role})
    if unknown:
        raise BadInput(
            Code.BAD_REQUEST,
            f"There is no role {', '.join(unknown)}; the roles are {', '.join(Role)}. No key was made.",
        )
