"""`prorata audit`: who did what, and whether anybody changed it afterwards."""

from __future__ import annotations

import getpass
import json
from pathlib import Path

from sync.billing import Billing
from tests.cli.shell import Shell


async def test_show_tells_the_newest_first(acme: Shell, billing: Billing) -> None:
    """Of one account, or of what concerns all of them; by the command line it was this machine's user."""
    await acme.good("accounts", "park", "acme", "--reason", "looks odd", "--as", "olga")
    key = await acme.good("keys", "create", "app", "--role", "automation")
    await acme.quick("keys", "revoke", key["id"], "--reason", "it leaked", "--yes")
    shown = await acme.good("audit", "show", "acme")
    assert ("account.parked", "olga", "cli", "looks odd") == (
        *(shown[0][name] for name in ("act", "actor", "door")),
        shown[0]["detail"]["reason"],
    )
    assert getpass.getuser() == shown[0]["detail"]["by"], "whoever typed it is known, whatever name was given"
    everybody = await acme.good("audit", "show", "--limit", "2")
    assert [("key.revoked", getpass.getuser()), ("key.created", getpass.getuser())] == [
        (each["act"], each["actor"]) for each in everybody
    ]
    assert not any("by" in each["detail"] for each in everybody)
    assert ["it leaked", None] == [each["detail"].get("reason") for each in everybody]
    table = await acme.quick("audit", "show", "acme", "--limit", "1")
    assert "looks odd" in table.out
    assert ["BY", getpass.getuser()] == [line.split()[4] for line in table.out.splitlines()[:2]]
    assert f"--before {shown[0]['seq']}" in table.err
    assert 3 == (await acme.quick("audit", "show", "nobody")).code


async def test_verify_names_the_first_broken_row(acme: Shell, billing: Billing, tmp_path: Path) -> None:
    """0 while everything fits, 1 and the row once it does not; what was kept tells a rewritten chain."""
    said = await acme.quick("audit", "verify", "--json")
    assert (0, {None, "acme"}) == (said.code, {each["account_id"] for each in said.data}), said
    kept = tmp_path / "kept.json"
    kept.write_text(said.out)
    assert 0 == (await acme.quick("audit", "verify", "--against", str(kept))).code
    await billing.pool.execute(
        "ALTER TABLE audit_log DISABLE TRIGGER USER;"
        "UPDATE audit_log SET detail = '{}' WHERE chain = 'acme' AND seq = 1;"
        "ALTER TABLE audit_log ENABLE TRIGGER USER"
    )
    said = await acme.quick("audit", "verify")
    assert 1 == said.code
    assert "BROKEN: account acme, row 1: row 1 is not what was written" in said.out
    assert 1 == (await acme.quick("audit", "verify", "--account", "acme")).code
    await billing.pool.execute(
        "ALTER TABLE audit_log DISABLE TRIGGER USER; ALTER TABLE audit_head DISABLE TRIGGER USER;"
        "DELETE FROM audit_log WHERE chain = 'acme'; DELETE FROM audit_head WHERE chain = 'acme';"
    )
    assert 0 == (await acme.quick("audit", "verify")).code
    said = await acme.quick("audit", "verify", "--against", str(kept), "--json")
    [broken] = [each for each in json.loads(said.out) if each["broken"]]
    assert (1, "acme") == (said.code, broken["account_id"])
    kept.write_text("[1]")
    assert 2 == (await acme.quick("audit", "verify", "--against", str(kept))).code
