"""The reports that there are, and how one is written."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

from sync.errors import Code, NotFound
from sync.reports import change_register, exceptions, proration_audit
from sync.reports.audited import Progress
from sync.reports.cells import Column, Encoder, Format, Row
from sync.reports.span import Span
from sync.reports.totals import Totals
from sync.rules.catalog import Catalog
from sync.store import reports as store
from sync.store.db import Connection, Pool

Rows = Callable[[Connection, Catalog, Span, Totals, Progress], AsyncIterator[list[Row]]]


@dataclass(frozen=True, slots=True)
class Report:
    """One report. `schema` grows a number whenever its columns change; `totals`: it lists invoice lines."""

    name: str
    version: int
    says: str
    columns: Sequence[Column]
    rows: Rows
    totals: bool

    @property
    def schema(self) -> str:
        return f"{self.name}/{self.version}"

    def to_json(self) -> dict[str, Any]:
        """What it is and what its columns say."""
        first = {"name": "schema", "kind": "text", "says": f"{self.schema}: the report and its version."}
        columns = [{"name": each.name, "kind": each.kind.value, "says": each.says} for each in self.columns]
        return {"name": self.name, "version": self.version, "says": self.says, "columns": [first, *columns]}


_MODULES: Final = (
    (proration_audit, True),
    (change_register, False),
    (exceptions, True),
)
REPORTS: Final[Mapping[str, Report]] = MappingProxyType(
    {
        module.NAME: Report(module.NAME, module.VERSION, module.SAYS, module.COLUMNS, module.rows, totals)
        for module, totals in _MODULES
    }
)
_COUNTS: Final = {module.NAME: module.count for module, _ in _MODULES}


def named(name: str) -> Report:
    """The report of this name. Raises NotFound naming those that there are."""
    if name not in REPORTS:
        known = ", ".join(REPORTS)
        raise NotFound(
            Code.NOT_FOUND, f"There is no report {name[:40]!r}; there are {known}. Nothing was read."
        )
    return REPORTS[name]


def nobody(done: int) -> None:
    """Nobody watches the progress."""


async def write(
    pool: Pool,
    catalog: Catalog,
    report: Report,
    span: Span,
    form: Format,
    out: Callable[[bytes], object],
    *,
    watch: Callable[[int], Progress] | None = None,
) -> dict[str, Any] | None:
    """Write a report, part by part, from one snapshot of the tables; returns its control totals.

    Equal tables give equal bytes. `watch` gets the number of rows of input, and returns what to call with
    how many more are done. The totals are None for a report that lists no invoice lines.
    """
    encoder, totals = Encoder(form, report.schema, report.columns), Totals()
    async with store.snapshot(pool) as conn:
        progress = watch(await _COUNTS[report.name](conn, span)) if watch else nobody
        out(encoder.head())
        async for rows in report.rows(conn, catalog, span, totals, progress):
            out(encoder.rows(rows))
        if not report.totals:
            return None
        return totals.verdict(await store.invoice_totals(conn, span.start_unix, span.end_unix))
