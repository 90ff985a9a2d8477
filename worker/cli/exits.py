"""Exit codes, and the one message that a person or a script gets for each kind of failure."""

from __future__ import annotations

import json
import sys
from enum import IntEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sync.errors import BadInput


class ExitCode(IntEnum):
    """What the command's exit code tells a script."""

    DONE = 0
    UNEXPECTED = 1
    USAGE = 2
    NOT_FOUND = 3
    REFUSED = 4
    CONFLICT = 5
    STRIPE = 6
    DATABASE = 7
    DRIFT = 8
    UNKNOWN_OUTCOME = 9
    INTERRUPTED = 130


def usage(detail: str) -> BadInput:
    """The refusal of a value on the command line: code 2, in the same form as every other message."""
    from sync.errors import BadInput, Code

    return BadInput(Code.BAD_REQUEST, f"{detail}. Nothing was done.")


def explain(error: Exception, *, as_json: bool = False) -> ExitCode:
    """Print one message about a failure on stderr and return the exit code that belongs to it.

    With `as_json` the message is one JSON object `{code, detail, errors, retryable}`, with what belongs to
    this problem alone, such as `new_quote`.
    """
    document = _document(error)
    code = exit_code(error)
    if as_json:
        print(json.dumps(document), file=sys.stderr)
    else:
        _print_text(document)
    if code is ExitCode.UNEXPECTED and not as_json:
        _print_origin(error)
    return code


def exit_code(error: Exception) -> ExitCode:
    """Return the exit code for an exception: the first class in the table that fits."""
    return next((code for kind, code in _table() if isinstance(error, kind)), ExitCode.UNEXPECTED)


def _table() -> list[tuple[type[BaseException], ExitCode]]:
    # Imported here: a failure is rare, and `prorata --help` must not pay for it.
    import asyncpg

    from sync import errors
    from worker.config import ConfigError
    from worker.embedded import EmbeddedPostgresError

    return [
        (ConfigError, ExitCode.USAGE),
        (errors.BadInput, ExitCode.USAGE),
        (errors.NotFound, ExitCode.NOT_FOUND),
        (errors.Refused, ExitCode.REFUSED),
        (errors.Conflict, ExitCode.CONFLICT),
        (errors.OutcomeUnknown, ExitCode.UNKNOWN_OUTCOME),
        (errors.StripeTrouble, ExitCode.STRIPE),
        (errors.DatabaseTrouble, ExitCode.DATABASE),
        # A commit that was not answered.
        (asyncpg.StatementCompletionUnknownError, ExitCode.UNKNOWN_OUTCOME),
        (asyncpg.PostgresError, ExitCode.DATABASE),
        (asyncpg.InterfaceError, ExitCode.DATABASE),
        (asyncpg.InternalClientError, ExitCode.DATABASE),
        (EmbeddedPostgresError, ExitCode.DATABASE),
        (TimeoutError, ExitCode.UNKNOWN_OUTCOME),
        # Our own doors to Stripe and PostgreSQL translate theirs, so what is left is a port or a file.
        (OSError, ExitCode.UNEXPECTED),
    ]


def _document(error: Exception) -> dict[str, object]:
    from sync.errors import ProrataError
    from worker.config import ConfigError
    from worker.log_cleaning import clean_text

    if isinstance(error, ProrataError):
        return {
            "code": str(error.code),
            "detail": error.detail,
            "errors": [problem.to_json() for problem in error.problems],
            "retryable": error.retryable,
            **error.extra,
        }
    if isinstance(error, ConfigError):
        problems = [{"pointer": "", "code": "config_invalid", "detail": text} for text in error.problems]
        detail = "the environment has problems"
        return {"code": "config_invalid", "detail": detail, "errors": problems, "retryable": False}
    reason = clean_text(str(error)) or type(error).__name__
    code, detail, is_retryable = _said(error, reason)
    return {"code": code, "detail": detail, "errors": [], "retryable": is_retryable}


def _said(error: Exception, reason: str) -> tuple[str, str, bool]:
    """The code of somebody else's exception, a sentence, and whether the same command may succeed later."""
    from sync.store.db import Failure, classify

    code = exit_code(error)
    if code not in (ExitCode.DATABASE, ExitCode.UNKNOWN_OUTCOME):
        return "internal_error", reason, False
    if _schema_is_missing(error):
        detail = f"The database is not on this release's schema ({reason}). Run `prorata migrate`."
        return "migrations_pending", detail, False
    match classify(error):
        case Failure.UNAVAILABLE:
            what = f"The database does not answer ({reason}), so we cannot say what became of this command."
        case Failure.RETRY:
            what = f"The database was busy with others ({reason}), so the last step was not done."
        case _:
            return "database_unavailable", reason, False
    return "database_unavailable", f"{what} Repeat the same command: nothing is ever charged twice.", True


def _schema_is_missing(error: Exception) -> bool:
    import asyncpg

    missing = (asyncpg.UndefinedTableError, asyncpg.UndefinedColumnError, asyncpg.UndefinedFunctionError)
    return isinstance(error, (*missing, asyncpg.InvalidSchemaNameError))


def _print_text(document: dict[str, object]) -> None:
    print(f"prorata: {document['code']}: {document['detail']}", file=sys.stderr)
    problems = document["errors"]
    for problem in problems if isinstance(problems, list) else []:
        pointer = f"{problem['pointer']}: " if problem["pointer"] else ""
        print(f"  {pointer}{problem['detail']}", file=sys.stderr)
    _print_new_quote(document.get("new_quote"))


def _print_new_quote(quote: object) -> None:
    """A stale quote comes with a fresh one: show it, so that the admin can decide at once."""
    from worker.cli.render import quote_text

    if isinstance(quote, dict):
        print(f"\n{quote_text(quote)}", file=sys.stderr)


def _print_origin(error: Exception) -> None:
    """Say where an unexpected error comes from: without local variables, which may hold secrets."""
    from worker.log_cleaning import error_fields

    fields = error_fields(error)
    print(f"  {fields['error_class']} in {' < '.join(reversed(fields['trace'][-3:]))}", file=sys.stderr)
