"""What Prorata tells about itself: the metrics, and the catalogue of log events.

No account, customer or change id is ever a label: they go into the log lines, as fields.
"""

from __future__ import annotations

from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from sync.told import Told

# Our own registry, so that a library which registers something in the global one does not change /metrics.
REGISTRY: Final = CollectorRegistry(auto_describe=True)

# Seconds. Acknowledging and applying are fast; Stripe's answers take up to a minute.
FAST_BUCKETS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
SLOW_BUCKETS: Final = (0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0)
# Minor units. An estimate is expected to be exact; one unit is rounding, more is a fault.
DIFFERENCE_BUCKETS: Final = (0.0, 1.0, 2.0, 5.0, 10.0, 100.0, 1_000.0, 10_000.0)


def _counter(name: str, text: str, *labels: str) -> Counter:
    return Counter(name, text, labels, registry=REGISTRY)


def _gauge(name: str, text: str, *labels: str) -> Gauge:
    return Gauge(name, text, labels, registry=REGISTRY)


def _histogram(name: str, text: str, *labels: str, buckets: tuple[float, ...] = FAST_BUCKETS) -> Histogram:
    return Histogram(name, text, labels, buckets=buckets, registry=REGISTRY)


WEBHOOK_RECEIVED: Final = _counter(
    "webhook_received_total", "Webhook deliveries by event type and what became of them.", "type", "result"
)
WEBHOOK_ACK_SECONDS: Final = _histogram("webhook_ack_seconds", "From the request's first byte to our 2xx.")
HTTP_REQUEST_SECONDS: Final = _histogram(
    "http_request_seconds",
    "Answered requests by method, route template and status.",
    "method",
    "route",
    "status",
)
HTTP_UNREADABLE: Final = _counter(
    "http_unreadable_total", "What came to the HTTP port and could not be read as a request."
)
INBOX_OLDEST_SECONDS: Final = _gauge("inbox_oldest_seconds", "Age of the oldest event not applied yet.")
INBOX_DEPTH: Final = _gauge("inbox_depth", "Events in the inbox by state.", "state")
EVENT_APPLY_SECONDS: Final = _histogram(
    "event_apply_seconds", "From claiming a batch of events to its commit."
)
JOB_SECONDS: Final = _histogram(
    "job_seconds", "Run time of jobs by kind and outcome.", "kind", "outcome", buckets=SLOW_BUCKETS
)
DEAD_LETTER: Final = _counter("dead_letter_total", "Events that were buried after too many attempts.")
LOG_LINES_LOST: Final = _counter("log_lines_lost_total", "Lines of the log that could not be written.")
EVENT_QUARANTINED: Final = _counter(
    "event_quarantined_total", "Signed events of the other mode or of another account: must stay 0."
)
STRIPE_REQUEST_SECONDS: Final = _histogram(
    "stripe_request_seconds", "Calls to Stripe by operation and status.", "op", "status", buckets=SLOW_BUCKETS
)
STRIPE_RATE_WAIT_SECONDS: Final = _histogram(
    "stripe_rate_wait_seconds", "Waits for the shared budget of calls to Stripe.", buckets=SLOW_BUCKETS
)
# A gauge, because a counter's name would get `_total` at its end, and the published name has none.
STRIPE_UNKNOWN_OUTCOMES: Final = _gauge(
    "stripe_unknown_outcomes", "Calls to Stripe since the start that were sent with an effect not known then."
)
CHANGE_TOTAL: Final = _counter(
    "change_total", "Changes by kind of leg and how they ended.", "kind", "outcome"
)
CHANGE_OPEN_AGE_SECONDS: Final = _gauge("change_open_age_seconds", "Age of the oldest change still open.")
QUOTE_MISMATCH: Final = _counter("quote_mismatch_total", "Charges that differ from their quote: must stay 0.")
RENEWAL_AT_RISK: Final = _counter(
    "renewal_at_risk_total", "Looks at a promised decrease that found it in danger: must stay 0."
)
NOTICE_TOTAL: Final = _counter("notice_total", "E-mails by kind and what became of a try.", "kind", "outcome")
NOTICE_OLDEST_SECONDS: Final = _gauge("notice_oldest_seconds", "Age of the oldest e-mail that is not sent.")
CHANGE_LIMIT: Final = _counter(
    "change_limit_total",
    "Changes refused for the limits of their subscription, by us or by Stripe: the latter must stay 0.",
    "by",
)
WRITES_STOPPED: Final = _gauge("writes_stopped", "1 while the stop switch for all accounts is on.")
ACCOUNTS_HELD: Final = _gauge("accounts_held", "Accounts that are stopped or parked by themselves.", "why")
ESTIMATE_DIFFERENCE_MINOR: Final = _histogram(
    "estimate_difference_minor",
    "Distance between a quote and its estimate, in minor units.",
    buckets=DIFFERENCE_BUCKETS,
)
PRUNED_TOTAL: Final = _counter("pruned_total", "Rows that were deleted because they were too old to be kept.")
RETENTION_LAST_SUCCESS: Final = _gauge(
    "retention_last_success_timestamp", "Unix time of the last finished round of deleting what is too old."
)
DRIFT_OPEN: Final = _gauge("drift_open", "Open findings by kind.", "kind")
SWEEP_LAST_SUCCESS: Final = _gauge("sweep_last_success_timestamp", "Unix time of the last finished sweep.")
CATCH_UP_LAST_SUCCESS: Final = _gauge(
    "catch_up_last_success_timestamp", "Unix time of the last finished catch-up of events."
)
EVENT_LOOP_LAG_SECONDS: Final = _gauge("event_loop_lag_seconds", "How late the event loop runs its timers.")
PG_POOL_WAITING: Final = _gauge("pg_pool_waiting", "Tasks that wait for a database connection.")
BUILD_INFO: Final = _gauge("build_info", "Always 1; the labels tell the version.", "version", "stripe_api")


class LogEvent(Told):
    """Every name a log line may have: `noun.verb_past`; `sentence` says what happened, for the reader."""

    # The process.
    PROCESS_STARTED = "process.started", "A command came up and is ready to work."
    PROCESS_STOPPED = "process.stopped", "A command went down after finishing what it had begun."
    CONFIG_WARNED = "config.warned", "The environment has something odd that is no reason to refuse."
    MIGRATION_APPLIED = "migration.applied", "The database was brought one migration further."
    POSTGRES_STARTED = "postgres.started", "The embedded PostgreSQL takes connections."
    POSTGRES_STOPPED = "postgres.stopped", "The embedded PostgreSQL was shut down."

    # The doors.
    REQUEST_ANSWERED = "request.answered", "An HTTP request was answered."
    REQUEST_FAILED = "request.failed", "An HTTP request ended in an error that nobody foresaw."
    IDEMPOTENCY_NOT_STORED = (
        "idempotency.not_stored",
        "An answer could not be kept for a replay of its request.",
    )
    ANSWER_FORGOTTEN = (
        "answer.forgotten",
        "An answer could not be stored under its Idempotency-Key, which is free again after its lease.",
    )
    API_KEY_CREATED = "api_key.created", "An API key was made."
    API_KEY_REVOKED = "api_key.revoked", "An API key was made useless."

    # Events from Stripe.
    INBOX_ACCEPTED = "inbox.accepted", "A signed event was stored and acknowledged."
    INBOX_REFUSED = "inbox.refused", "A delivery was not signed by Stripe, or could not be stored now."
    INBOX_IGNORED = "inbox.ignored", "A signed event is of no use to us and was finished as it is."
    INBOX_RETRIED = "inbox.retried", "A batch failed and is tried again in smaller parts."
    INBOX_HALTED = (
        "inbox.halted",
        "No event can be applied until a person puts the database right; none is lost.",
    )
    INBOX_BURIED = "inbox.buried", "An event failed too often and waits for a person."
    INBOX_REPLAYED = "inbox.replayed", "A person asked for an event to be applied again."
    BATCH_APPLIED = "batch.applied", "A batch of events was written into the mirror."
    OBJECT_DOUBTED = (
        "object.doubted",
        "An event left doubt about its order, so the object is read from Stripe.",
    )
    OBJECT_REFRESHED = "object.refreshed", "An object was read from Stripe and written into the mirror."

    # Quotes and changes.
    QUOTE_CREATED = "quote.created", "A change was priced by Stripe and stored."
    QUOTE_REFUSED = (
        "quote.refused",
        "A quote could not be confirmed, because something moved or a rule says no.",
    )
    QUOTE_MISMATCHED = (
        "quote.mismatched",
        "Stripe charged something else than was quoted: the account is parked.",
    )
    CHANGE_CONFIRMED = "change.confirmed", "A person or a system said yes to a quote."
    CHANGE_APPLIED = "change.applied", "Stripe has the change, and it is paid where it costs something."
    CHANGE_SETTLED = "change.settled", "The charge was compared with the quote and the change is over."
    CHANGE_AWAITED = "change.awaited", "A change waits for the payer's bank."
    CHANGE_DECLINED = "change.declined", "The payment was declined and nothing changed."
    CHANGE_FAILED = "change.failed", "A change ended without an effect."
    CHANGE_EXPIRED = "change.expired", "A change ran out of time without an effect."
    CHANGE_WITHDRAWN = "change.withdrawn", "A change was taken back before it took effect."
    CHANGE_SCHEDULED = "change.scheduled", "A decrease was promised for the next renewal."
    RENEWAL_AT_RISK = (
        "renewal.at_risk",
        "A promise for the renewal cannot be written to Stripe now.",
    )
    RENEWAL_MENDED = "renewal.mended", "A schedule had lost its promise, and gets it again."
    RENEWAL_MISSED = "renewal.missed", "A subscription renewed without the decrease that was promised."
    CHANGE_HELD = "change.held", "A change waits, because writes are stopped or its account is parked."
    CHANGE_LIMITED = (
        "change.limited",
        "Stripe's limit of a subscription was reached, although our fuse is lower.",
    )
    CHANGE_RESUMED = "change.resumed", "A change that another process left behind was taken up again."
    REQUEST_OPENED = "change_request.opened", "Somebody asked for a change that is not self-serve."
    REQUEST_DECIDED = (
        "change_request.decided",
        "A change request was decided, taken back, or has expired.",
    )
    USAGE_CROSSED = "usage.crossed", "What an account uses reached 80, 90 or 100 % of what it bought."
    ACCOUNT_PARKED = "account.parked", "Billing changes of an account were stopped until staff look at it."
    ACCOUNT_UNPARKED = "account.unparked", "Billing changes of an account were allowed again."
    WRITES_STOPPED = "writes.stopped", "The stop switch for outgoing writes was turned on."
    WRITES_ALLOWED = "writes.allowed", "The stop switch for outgoing writes was turned off."

    # Stripe.
    STRIPE_CALLED = "stripe.called", "A call to Stripe was answered."
    STRIPE_RETRIED = "stripe.retried", "A call to Stripe failed in a way that is worth another try."
    STRIPE_DENIED = "stripe.denied", "Stripe does not accept our API key, or it lacks a permission."
    STRIPE_KEY_REUSED = (
        "stripe_key.reused",
        "An Idempotency-Key of ours was used with another body before: a defect, and nothing was sent again.",
    )
    STRIPE_UNKNOWN = "stripe.unknown", "A call to Stripe was sent and its effect is not known."

    # Jobs and the truth.
    JOB_FINISHED = "job.finished", "A job did what it was for."
    JOB_FAILED = "job.failed", "A job failed; it is tried again where that is worth it."
    CATCH_UP_FINISHED = "catch_up.finished", "Events that were not delivered were fetched from Stripe's list."
    SUBSCRIPTION_ADOPTED = "subscription.adopted", "An existing subscription was taken over as terms."
    ADOPTION_FINISHED = "adoption.finished", "Existing subscriptions were looked at to be taken over."
    BACKFILL_FINISHED = "backfill.finished", "The mirror was filled from Stripe's lists."
    CATCH_UP_LATE = "catch_up.late", "Stripe's list of events was not read to its end for too long."
    SWEEP_LATE = "sweep.late", "Nobody has compared everything at Stripe with what we meant for too long."
    SWEEP_FINISHED = "sweep.finished", "Every subscription was compared with what we meant."
    SWEEP_INCOMPLETE = "sweep.incomplete", "A sweep came to its end and could not judge everything."
    DRIFT_FOUND = "drift.found", "Intent, mirror and Stripe disagree, or do so in another way than before."
    DRIFT_REPAIRED = "drift.repaired", "A disagreement was repaired without moving money."
    DRIFT_REPAIR_FAILED = "drift.repair_failed", "A repair had no effect; the disagreement stays open."
    DRIFT_ACCEPTED = "drift.accepted", "A person said that a disagreement may stay as it is."
    DRIFT_CLOSED = "drift.closed", "A disagreement went away or was accepted."
    NOTICE_SENT = "notice.sent", "A message that was owed was handed over."
    NOTICE_FAILED = "notice.failed", "A message that was owed could not be handed over."
    DATA_PRUNED = "data.pruned", "Rows were deleted because they were too old to be kept."
    DATA_KEPT = "data.kept", "Something is too old to be kept, and stays for a reason."
