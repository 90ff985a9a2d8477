"""The whole HTTP surface on one screen, and the application that serves it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from aiohttp import web

from handlers import health, views
from handlers.api import (
    accounts,
    catalog,
    change_requests,
    changes,
    estimates,
    findings,
    quotes,
    reports,
    timeline,
)
from handlers.auth import EVERYBODY, Role
from handlers.errors import PROBLEM_TYPE
from handlers.health import READY, AskReady
from handlers.intake import Intake
from handlers.openapi import serve_document
from handlers.registry import JSON_TYPE, Door, HttpSettings, Idempotency, Route
from handlers.server import assemble
from handlers.strangers import Strangers
from handlers.webhooks import INTAKE, STRANGERS, WEBHOOK_SECRETS, stripe_webhook
from sync.billing import Billing
from sync.errors import Code as C

AUTOMATION: Final = frozenset({Role.AUTOMATION})
SUPPORT: Final = frozenset({Role.SUPPORT})
WATCH: Final = frozenset({Role.SUPPORT, Role.ONCALL})
READERS: Final = frozenset({Role.FINANCE, Role.ONCALL, Role.SUPPORT})
QUOTERS: Final = frozenset({Role.AUTOMATION, Role.SUPPORT})
OPTIONAL, LIVE = Idempotency.OPTIONAL, Idempotency.REQUIRED_LIVE

TERMS: Final = (C.NOT_IN_CATALOG, C.QUANTITY_OUT_OF_RANGE)
ACTOR: Final = (C.NOT_BILLING_ADMIN, C.ACCOUNT_PARKED, C.CHANGE_IN_PROGRESS)
STRIPE: Final = (C.STRIPE_UNAVAILABLE, C.STRIPE_REFUSED, C.RATE_LIMITED)
STATE: Final = (
    C.PAYMENT_METHOD_MISSING, C.TAX_LOCATION_REQUIRED, C.RENEWAL_UNPAID, C.SUBSCRIPTION_CANCELED,
    C.SUBSCRIPTION_CANCELING, C.SUBSCRIPTION_INCOMPLETE, C.SUBSCRIPTION_PAST_DUE, C.SUBSCRIPTION_PAUSED,
    C.SUBSCRIPTION_TRIALING, C.SCHEDULE_ATTACHED, C.PENDING_UPDATE_ATTACHED, C.BILLING_MODE_CLASSIC,
    C.ITEMS_CONFLICT,
    C.TOO_MANY_ITEMS, C.WRITES_STOPPED, C.CHANGE_LIMIT_REACHED, C.PRICE_CHANGED, C.SUBSCRIPTION_EXISTS,
    C.PENDING_ITEMS_WAITING, C.RENEWAL_NEAR,
)  # fmt: skip
RULES: Final = (
    C.NEEDS_REQUEST, C.REFUSED_BY_POLICY, C.SEATS_IN_USE, C.CONTACTS_IN_USE, C.NOTHING_TO_CHANGE,
)  # fmt: skip
QUOTED: Final = (
    C.QUOTE_EXPIRED, C.QUOTE_STALE, C.QUOTE_USED, C.PAYMENT_DECLINED, C.PAYMENT_ACTION_REQUIRED,
    C.OUTCOME_UNKNOWN,
)  # fmt: skip

REQUEST: Final = "/v1/change-requests/{request_id}"
FINDING: Final = "/v1/findings/{finding_id}"
ACCOUNT: Final = "/v1/accounts/{account_id}"
UNKNOWN: Final = (C.ACCOUNT_UNKNOWN,)

ROUTES: Final[tuple[Route, ...]] = (
    Route("GET", "/v1/catalog", catalog.show, "What is sold, and for how much",
          {200: views.Catalog}, EVERYBODY),
    Route("GET", "/v1/accounts", accounts.list_all, "List accounts",
          {200: views.Page[views.Account]}, EVERYBODY),
    Route("POST", "/v1/accounts", accounts.create, "Create an account, or take over a customer of Stripe",
          {200: views.Account}, AUTOMATION,
          (C.ACCOUNT_EXISTS, C.SUBSCRIPTION_EXISTS, C.CURRENCY_MISMATCH, C.NOT_FOUND, C.PAYMENT_DECLINED,
           C.OUTCOME_UNKNOWN, C.WRITES_STOPPED, *STRIPE), OPTIONAL),
    Route("GET", ACCOUNT, accounts.show, "Show an account: terms, use, next invoice, open changes, findings",
          {200: views.Account}, EVERYBODY, UNKNOWN),
    Route("PUT", f"{ACCOUNT}/primary-admin", accounts.set_primary_admin, "Name the primary admin",
          {200: views.Account}, AUTOMATION, UNKNOWN),
    Route("PUT", f"{ACCOUNT}/usage", accounts.set_usage, "Tell what is in use; never changes what is bought",
          {200: views.Account}, AUTOMATION, (*UNKNOWN, C.QUANTITY_OUT_OF_RANGE)),
    Route("GET", f"{ACCOUNT}/invoices", accounts.list_invoices, "List an account's invoices",
          {200: views.Page[views.Invoice]}, EVERYBODY, UNKNOWN),
    Route("GET", f"{ACCOUNT}/timeline", timeline.list_entries,
          "List what happened to an account, newest first",
          {200: views.Page[views.TimelineEntry]}, EVERYBODY, UNKNOWN),
    Route("POST", f"{ACCOUNT}/payment-method-link", accounts.link_payment_method,
          "Link to Stripe's page for the payment method", {200: views.Link}, AUTOMATION,
          (*UNKNOWN, *ACTOR, *STRIPE), OPTIONAL),
    Route("POST", f"{ACCOUNT}/estimates", estimates.create, "Estimate a change at once, without Stripe",
          {200: views.Estimate}, QUOTERS, (*UNKNOWN, *TERMS, *RULES, C.CURRENCY_MISMATCH)),
    Route("POST", f"{ACCOUNT}/quotes", quotes.create, "Quote a change: what it charges, to the cent",
          {200: views.Quote}, QUOTERS, (*UNKNOWN, *ACTOR, *TERMS, *STATE, *RULES, *STRIPE), OPTIONAL),
    Route("GET", "/v1/quotes/{quote_id}", quotes.show, "Show a quote",
          {200: views.Quote}, EVERYBODY, (C.NOT_FOUND,)),
    Route("POST", "/v1/quotes/{quote_id}/confirm", quotes.confirm, "Confirm a quote: charge exactly that",
          {200: views.Change, 202: views.Change, 402: views.EndedChange, 409: views.EndedChange}, AUTOMATION,
          (C.NOT_FOUND, *ACTOR, *QUOTED, *STATE, *RULES, *TERMS, *STRIPE), LIVE),
    Route("GET", "/v1/changes", changes.list_all, "List changes, newest first",
          {200: views.Page[views.Change]}, EVERYBODY),
    Route("GET", "/v1/changes/{change_id}", changes.show, "Show a change, and wait for it with ?wait=",
          {200: views.Change}, EVERYBODY, (C.NOT_FOUND,)),
    Route("POST", "/v1/changes/{change_id}/withdraw", changes.withdraw, "Withdraw what is still open",
          {200: views.Change, 202: views.Change}, AUTOMATION, (C.NOT_FOUND, *ACTOR, *STRIPE), OPTIONAL),
    Route("POST", f"{ACCOUNT}/change-requests", change_requests.submit, "Ask support for a change",
          {201: views.ChangeRequest}, QUOTERS,
          (*UNKNOWN, *TERMS, C.NOT_BILLING_ADMIN, C.REQUEST_OPEN, C.NOTHING_TO_CHANGE,
           C.SUBSCRIPTION_CANCELED), OPTIONAL),
    Route("GET", "/v1/change-requests", change_requests.list_all, "List change requests, newest first",
          {200: views.Page[views.ChangeRequest]}, EVERYBODY),
    Route("GET", REQUEST, change_requests.show, "Show a change request, with a dry run of both timings",
          {200: views.ChangeRequest}, EVERYBODY, (C.NOT_FOUND, *STRIPE)),
    Route("POST", f"{REQUEST}/approve", change_requests.approve, "Approve: carry it out, or ask the admin",
          {200: views.ChangeRequest}, SUPPORT,
          (C.NOT_FOUND, C.REQUEST_CLOSED, C.QUOTE_STALE, C.QUOTE_EXPIRED, *ACTOR, *TERMS, *STATE, *RULES,
           *STRIPE), OPTIONAL),
    Route("POST", f"{REQUEST}/decline", change_requests.decline, "Decline, with a reason for the admin",
          {200: views.ChangeRequest}, SUPPORT, (C.NOT_FOUND, C.REQUEST_CLOSED), OPTIONAL),
    Route("POST", f"{REQUEST}/withdraw", change_requests.withdraw, "Take a change request back",
          {200: views.ChangeRequest}, AUTOMATION, (C.NOT_FOUND, C.REQUEST_CLOSED, C.NOT_BILLING_ADMIN),
          OPTIONAL),
    Route("GET", "/v1/findings", findings.list_all, "List what drifted apart, the youngest first",
          {200: views.Page[views.Finding]}, EVERYBODY),
    Route("GET", FINDING, findings.show, "Show a finding, with a dry run of the suggested repair",
          {200: views.FindingWithDryRun}, EVERYBODY, (C.NOT_FOUND,)),
    Route("POST", f"{FINDING}/repair", findings.repair, "Repair a finding, without charge or credit",
          {200: views.FindingWithDryRun, 202: views.FindingWithDryRun}, WATCH,
          (C.NOT_FOUND, C.FINDING_CLOSED, C.FINDING_CHANGED, C.REPAIR_NEEDS_STAFF, C.CHANGE_IN_PROGRESS,
           C.RENEWAL_NEAR, C.WRITES_STOPPED, C.ACCOUNT_PARKED, C.ITEMS_CONFLICT, *STRIPE), OPTIONAL),
    Route("POST", f"{FINDING}/accept", findings.accept, "Let a finding stay for as long as it stays the same",
          {200: views.Finding}, WATCH, (C.NOT_FOUND, C.FINDING_CLOSED, C.FINDING_CHANGED), OPTIONAL),
    Route("GET", "/v1/reports/{name}", reports.show, "Read a report for finance, as CSV or JSON lines",
          {200: views.ReportFile}, READERS, (C.NOT_FOUND, C.RATE_LIMITED),
          media_types=("text/csv", "application/x-ndjson")),
)  # fmt: skip

DOORS: Final[tuple[Door, ...]] = (
    Door("POST", "/webhooks/stripe", stripe_webhook, "Take in an event of Stripe's, signed by Stripe",
         {200: ("Stored now or before.", JSON_TYPE, None), 400: ("Not signed by Stripe.", JSON_TYPE, None),
          404: ("No secret is configured.", PROBLEM_TYPE, views.Problem),
          408: ("It did not arrive in time.", JSON_TYPE, None), 413: ("It is too large.", JSON_TYPE, None),
          503: ("Not stored; deliver it again.", JSON_TYPE, None)}),
    Door("GET", "/livez", health.livez, "Is the process alive",
         {200: ("It is.", JSON_TYPE, views.Live)}),
    Door("GET", "/readyz", health.readyz, "Can requests be served",
         {200: ("They can.", JSON_TYPE, views.Ready),
          503: ("They cannot.", JSON_TYPE, views.Ready)}),
    Door("GET", "/metrics", health.metrics, "The metrics of this process, for Prometheus",
         {200: ("Prometheus's text format.", "text/plain", None)}),
    Door("GET", "/openapi.json", serve_document, "This description",
         {200: ("OpenAPI 3.1.", JSON_TYPE, None)}),
)  # fmt: skip


def build_app(
    billing: Billing,
    *,
    intake: Intake,
    webhook_secrets: Sequence[str],
    ready: AskReady,
    bootstrap_key: str | None = None,
    settings: HttpSettings | None = None,
) -> web.Application:
    """Return the application with every route. Nothing is opened or started here.

    Without `webhook_secrets` the webhook route answers 404. `ready` is asked by GET /readyz.
    """
    app = assemble(billing, ROUTES, DOORS, bootstrap_key=bootstrap_key, settings=settings)
    app[READY] = ready
    app[INTAKE] = intake
    app[WEBHOOK_SECRETS] = tuple(webhook_secrets)
    app[STRANGERS] = Strangers()
    return app
