"""What callers get, as models: OpenAPI describes answers with them, and tests hold real answers to them."""

from handlers.views.accounts import Account, Invoice, Link
from handlers.views.base import Page, Problem
from handlers.views.catalog import Catalog
from handlers.views.change_requests import ChangeRequest
from handlers.views.changes import Change, EndedChange
from handlers.views.health import Live, Ready
from handlers.views.quotes import Estimate, Quote

__all__ = [
    "Account",
    "Catalog",
    "Change",
    "ChangeRequest",
    "EndedChange",
    "Estimate",
    "Invoice",
    "Link",
    "Live",
    "Page",
    "Problem",
    "Quote",
    "Ready",
]
