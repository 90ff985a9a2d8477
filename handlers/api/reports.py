"""Reports for finance: made in full, then sent, so that nobody ever gets a half one."""

from __future__ import annotations

import asyncio
import tempfile
from typing import IO

from handlers.errors import DoorCode
from handlers.registry import Answer, Call, Nothing
from handlers.schemas import ReportQuery
from sync.errors import Code, Conflict, Refused
from sync.reports import listing
from sync.reports.cells import Format, parse_format
from sync.reports.listing import Report
from sync.reports.span import Span, parse

# Each holds a connection, and all of them share this process with the webhooks.
REPORTS_AT_ONCE = 2
# Of the time that a handler has: the rest is for saying that it was not enough.
SHARE_OF_TIME = 0.9

_under_way: set[object] = set()


async def show(call: Call[Nothing, ReportQuery]) -> Answer:
    """Return a report as a file; the same tables give the same bytes."""
    query = call.query
    report, span, form = (
        listing.named(call.path["name"]),
        parse(query.begin, query.end, query.zone),
        parse_format(query.format),
    )
    if len(_under_way) >= REPORTS_AT_ONCE:
        detail = f"{REPORTS_AT_ONCE} reports are being made already. Nothing was read; ask again in a moment."
        raise Conflict(Code.RATE_LIMITED, detail, retryable=True)
    mark = object()
    _under_way.add(mark)
    # Its name is gone as soon as it exists: whatever happens, nothing is left behind.
    file = tempfile.TemporaryFile()  # noqa: SIM115  the answer closes it, once it is sent
    try:
        await _write(call, report, span, form, file)
    except BaseException:
        file.close()
        raise
    finally:
        _under_way.discard(mark)
    file.seek(0)
    disposition = f'attachment; filename="{_file_name(report, span)}.{form}"'
    return Answer(200, b"", form.media_type, {"Content-Disposition": disposition}, file=file)


async def _write(
    call: Call[Nothing, ReportQuery], report: Report, span: Span, form: Format, file: IO[bytes]
) -> None:
    seconds = call.settings.handler_seconds * SHARE_OF_TIME
    patience = asyncio.timeout(seconds)
    try:
        async with patience:
            await listing.write(call.billing.pool, call.billing.catalog, report, span, form, file.write)
    except TimeoutError:
        if not patience.expired():
            raise
        raise Refused(
            DoorCode.TIMED_OUT,
            f"The report was not done within {seconds:g} s and was given up; nothing is sent in part. Ask for"
            " a shorter span, or use `prorata report`, which may take longer.",
        ) from None


def _file_name(report: Report, span: Span) -> str:
    """Such as `exceptions_20260101T000000Z_20260201T000000Z`."""
    return "_".join((report.name, *(f"{each:%Y%m%dT%H%M%SZ}" for each in (span.start, span.end))))
