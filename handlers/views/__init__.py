"""What callers get, as models: OpenAPI describes answers with them, and tests hold real answers to them."""

from handlers.views.accounts import Account, Invoice, Link
from handlers.views.base import Page, Problem
from handlers.views.catalog import Catalog
from handlers.views.change_requests import ChangeRequest
from handlers.views.changes import Change, EndedChange
from handlers.views.findings import Finding, FindingWithDryRun
from handlers.views.health import Live, Ready
from handlers.views.quotes import Estimate, Quote
from handlers.views.reports import ReportFile
from handlers.views.timeline import TimelineEntry

__all__ = [
    "Account",
    "Catalog",
    "Change",
    "ChangeRequest",
    "EndedChange",
    "Estimate",
    "Finding",
    "FindingWithDryRun",
    "Invoice",
    "Link",
    "Live",
    "Page",
    "Problem",
    "Quote",
    "Ready",
    "ReportFile",
    "TimelineEntry",
]
