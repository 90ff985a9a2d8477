"""The command itself: puts the groups together and turns whatever goes wrong into one message and a code."""

from __future__ import annotations

import sys

import typer

from worker.cli import (
    accounts,
    adopt,
    audit,
    backfill,
    catalog,
    catch_up,
    changes,
    dead,
    doctor,
    drift,
    events,
    keys,
    local,
    migrate,
    notices,
    policy,
    portal,
    processes,
    prune,
    reconcile,
    report,
    requests,
    resolve,
    show,
    switches,
    twin,
    version,
)
from worker.cli.exits import explain

app = typer.Typer(
    name="prorata",
    help=(
        "Keeps what a SaaS account bought and what Stripe bills the same thing, with exact proration.\n\n"
        "Exit codes: 0 done, 1 unexpected, 2 usage, 3 not found, 4 refused by rule, 5 conflict or stale, "
        "6 Stripe error, 7 database error, 8 drift found, 9 time-out or outcome unknown, 130 interrupted."
    ),
    no_args_is_help=True,
    # Drawing boxes costs 0.2 s at every start, and scripts read this too.
    rich_markup_mode=None,
    # Our own messages; a traceback of typer's would print local variables, and so secrets.
    pretty_exceptions_enable=False,
)

# Each group adds its own commands, so that a new group is one line here.
for group in (
    local, processes, doctor, catalog, policy, accounts, changes, resolve, requests, drift, show, events,
    dead, catch_up, reconcile, adopt, backfill, notices, audit, prune, twin, migrate, keys, switches, portal,
    report, version,
):  # fmt: skip
    group.register(app)


def run(arguments: list[str] | None = None) -> int:
    """Run one command and return its exit code; messages go to stderr."""
    given = sys.argv[1:] if arguments is None else arguments
    try:
        app(args=given, prog_name="prorata")
    except SystemExit as ended:
        return ended.code if isinstance(ended.code, int) else 1
    except KeyboardInterrupt:
        return 130
    except Exception as error:  # the last resort: every failure ends in a message and a code
        return int(explain(error, as_json="--json" in given))
    return 0
