"""`prorata prune`: says what would go, and deletes it only when asked to."""

from __future__ import annotations

from datetime import UTC, datetime

from handlers import inbox
from sync.billing import Billing
from sync.store import retention as store
from tests.cli.conftest import billing, shell
from tests.cli.shell import Shell

__all__ = ["billing", "shell"]


async def test_dry_run_says_what_would_go_and_yes_lets_it_go(shell: Shell, billing: Billing) -> None:
    """Both print the same table; without a terminal and without --yes nothing is deleted."""
    await inbox.ensure_partitions(billing.pool, datetime(2025, 1, 1, tzinfo=UTC), 1)
    created = int(datetime(2025, 1, 5, tzinfo=UTC).timestamp())
    await inbox.insert(billing.pool, [inbox.InboxEvent("evt_1", created, "invoice.paid", b"{}")])
    planned = await shell.good("prune", "--dry-run")
    assert "1 of its events still wait" in planned[0]["kept"]
    await billing.pool.execute("UPDATE inbox SET state = 'ignored', finished_at = now()")
    planned = await shell.good("prune", "--dry-run")
    assert ("events of 2025-01", 1, None) == tuple(planned[0][name] for name in ("what", "rows", "kept"))
    refused = await shell.quick("prune")
    assert (2, True) == (refused.code, "--yes" in refused.err)
    assert "inbox_2025_01" in await store.partitions(billing.pool)
    done = await shell.good("prune", "--yes")
    assert [(each["what"], each["rows"]) for each in planned] == [
        (each["what"], each["rows"]) for each in done
    ]
    assert "inbox_2025_01" not in await store.partitions(billing.pool)
    assert "nothing is too old" in (await shell.quick("prune", "--yes")).err


async def test_settings_below_what_is_safe_are_refused(shell: Shell) -> None:
    """Said at the start, with the other problems of the environment."""
    shell.environment["PRORATA_KEEP_EVENTS_DAYS"] = "20"
    said = await shell.quick("prune", "--dry-run")
    assert (2, True) == (said.code, "PRORATA_KEEP_EVENTS_DAYS" in said.err)
