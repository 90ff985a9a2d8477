"""Reports: files for finance."""

from __future__ import annotations

from pydantic import RootModel


class ReportFile(RootModel[str]):
    """The whole report: a CSV file with a header row (RFC 4180, UTF-8), or one JSON object a line."""
