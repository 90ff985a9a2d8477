"""Every way in which Prorata says no, as one small tree of exceptions.

    ProrataError
    ├── BadInput          something is wrong with the request or with a file that was given
    ├── NotFound          the thing that was named does not exist
    ├── Refused           a rule of the business or of the policy says no
    ├── Conflict          the state moved, or another change is in progress
    ├── StripeTrouble     Stripe said no or is unavailable
    │   └── OutcomeUnknown   a call was sent and nobody knows yet whether it took effect
    └── DatabaseTrouble   PostgreSQL said no or is unavailable

Which class becomes which HTTP status and which exit code is decided at the doors, not here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from sync.told import Told


class Code(Told):
    """The stable, machine-readable names of problems; `sentence` says when each one is used."""

    # The request itself.
    BAD_REQUEST = "bad_request", "The request has a missing, misspelt or wrongly typed part."
    QUANTITY_OUT_OF_RANGE = "quantity_out_of_range", "A number is below or above what can be bought."
    NOT_IN_CATALOG = "not_in_catalog", "The catalog does not sell this, or not in this combination."
    NOTHING_TO_CHANGE = "nothing_to_change", "What was asked for is what the account already has."
    CURRENCY_MISMATCH = "currency_mismatch", "The currency is not the one of the account or is not sold."
    IDEMPOTENCY_KEY_MISSING = (
        "idempotency_key_missing",
        "Money can move here: send an Idempotency-Key.",
    )
    IDEMPOTENCY_CONFLICT = "idempotency_conflict", "This Idempotency-Key was used before with another body."
    IDEMPOTENCY_IN_PROGRESS = (
        "idempotency_in_progress",
        "A request with this Idempotency-Key is still being worked on.",
    )

    # Who asks, and about what.
    UNAUTHENTICATED = "unauthenticated", "The caller did not prove who it is."
    FORBIDDEN = "forbidden", "The caller's role does not allow this."
    NOT_BILLING_ADMIN = "not_billing_admin", "Only the account's primary admin may change its billing."
    NOT_FOUND = "not_found", "There is nothing with this id."
    ACCOUNT_UNKNOWN = "account_unknown", "There is no account with this id."
    ACCOUNT_EXISTS = "account_exists", "An account with this id or this customer exists already."

    # The state of the account and of its subscription.
    SUBSCRIPTION_EXISTS = (
        "subscription_exists",
        "The customer already has a subscription at Stripe that was not bought here.",
    )
    ACCOUNT_PARKED = "account_parked", "Billing changes of this account are stopped until staff look at it."
    WRITES_STOPPED = "writes_stopped", "The stop switch for outgoing writes is on."
    PAYMENT_METHOD_MISSING = "payment_method_missing", "The account has no usable payment method."
    TAX_LOCATION_REQUIRED = "tax_location_required", "Stripe needs the customer's address to compute tax."
    PENDING_ITEMS_WAITING = (
        "pending_items_waiting",
        "Older items wait at Stripe and would be billed together with the first purchase.",
    )
    RENEWAL_UNPAID = "renewal_unpaid", "The invoice of the current period is not paid yet."
    RENEWAL_MISSED = "renewal_missed", "The subscription renewed without the change that was promised for it."
    RENEWAL_AT_RISK = "renewal_at_risk", "Something keeps what was promised for the renewal from Stripe."
    RENEWAL_NEAR = "renewal_near", "The subscription renews within minutes."
    SUBSCRIPTION_CANCELED = "subscription_canceled", "The subscription has ended."
    SUBSCRIPTION_CANCELING = "subscription_canceling", "The subscription ends with the current period."
    SUBSCRIPTION_INCOMPLETE = "subscription_incomplete", "The subscription's first payment is still missing."
    SUBSCRIPTION_PAST_DUE = "subscription_past_due", "An earlier invoice of the subscription is unpaid."
    SUBSCRIPTION_PAUSED = "subscription_paused", "The subscription is paused at Stripe."
    SUBSCRIPTION_TRIALING = "subscription_trialing", "The subscription is in a trial."
    SCHEDULE_ATTACHED = "schedule_attached", "A schedule that is not ours drives the subscription."
    PENDING_UPDATE_ATTACHED = "pending_update_attached", "An update that is not ours waits for its payment."
    BILLING_MODE_CLASSIC = (
        "billing_mode_classic",
        "In Stripe's classic billing mode another interval starts a new period: staff must migrate it first.",
    )
    ITEMS_CONFLICT = "items_conflict", "The subscription's items at Stripe do not match the account's terms."
    TOO_MANY_ITEMS = "too_many_items", "Stripe allows at most 20 items on one subscription."

    # Change requests.
    REQUEST_OPEN = "request_open", "The account has another change request that is not decided yet."
    REQUEST_CLOSED = "request_closed", "The change request was decided, withdrawn or has expired."

    # Findings.
    FINDING_CLOSED = "finding_closed", "The finding is over, or is being repaired."
    FINDING_CHANGED = "finding_changed", "What would be done or accepted is not what was shown."
    REPAIR_NEEDS_STAFF = "repair_needs_staff", "This would move money, or needs a person to look at Stripe."

    # The rules of a change.
    NEEDS_REQUEST = "needs_request", "This is not self-serve: it goes through a change request."
    REFUSED_BY_POLICY = "refused_by_policy", "The policy does not allow this change at all."
    SEATS_IN_USE = "seats_in_use", "Fewer seats were asked for than are in use."
    CONTACTS_IN_USE = "contacts_in_use", "A lower contact limit was asked for than there are contacts."
    CHANGE_IN_PROGRESS = "change_in_progress", "Another change of this account is still open."
    CHANGE_LIMIT_REACHED = "change_limit_reached", "Too many invoiced changes of this subscription today."
    QUOTE_EXPIRED = "quote_expired", "The quote is too old to be confirmed."
    QUOTE_STALE = "quote_stale", "What the quote was computed from has moved since."
    QUOTE_USED = "quote_used", "The quote was confirmed before; a quote is used once."
    PRICE_CHANGED = "price_changed", "The price is not sold any more."

    # Payment and Stripe.
    PAYMENT_DECLINED = "payment_declined", "The payment was declined and nothing was changed."
    PAYMENT_ACTION_REQUIRED = "payment_action_required", "The bank wants the payer to confirm the payment."
    RATE_LIMITED = "rate_limited", "Too many requests; wait a little and repeat."
    STRIPE_UNAVAILABLE = "stripe_unavailable", "Stripe cannot be reached or cannot answer."
    STRIPE_REFUSED = "stripe_refused", "Stripe refused the call."
    OUTCOME_UNKNOWN = "outcome_unknown", "A call was sent to Stripe and its effect is not known yet."

    # Ours.
    CATALOG_INVALID = "catalog_invalid", "The catalog file is broken."
    POLICY_INVALID = "policy_invalid", "The policy file is broken."
    DATABASE_UNAVAILABLE = "database_unavailable", "The database cannot be reached or cannot answer."
    INTERNAL_ERROR = "internal_error", "Something unexpected happened inside Prorata."


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong: where (a JSON pointer such as `/terms/seats`), which code, and a sentence."""

    pointer: str
    code: str
    detail: str

    def to_json(self) -> dict[str, str]:
        """Return `{"pointer", "code", "detail"}`, an entry of a problem document's `errors`."""
        return {"pointer": self.pointer, "code": str(self.code), "detail": self.detail}


class ProrataError(Exception):
    """The root of all our refusals and failures.

    `detail` is a sentence for a person: what happened, that nothing was charged where that is true, and
    what to do next. `retryable` says whether the same request may succeed later without being changed.
    `extra` holds members for the answer that only some problems have, such as `new_quote`.
    """

    def __init__(
        self,
        code: str,
        detail: str,
        problems: Iterable[Problem] = (),
        retryable: bool = False,
        extra: Mapping[str, object] | None = None,
    ) -> None:
        super().__init__(code, detail)
        self.code = code
        self.detail = detail
        self.problems = tuple(problems)
        self.retryable = retryable
        self.extra = dict(extra or {})

    def __str__(self) -> str:
        """Return `code: detail`, then one line per problem."""
        lines = [f"{self.code}: {self.detail}"]
        lines += [f"  {problem.pointer}: {problem.detail}" for problem in self.problems]
        return "\n".join(lines)


class BadInput(ProrataError):
    """Something is wrong with the request or with a file; the caller has to change it."""


class NotFound(ProrataError):
    """The thing that was named does not exist, or not for this caller."""


class Refused(ProrataError):
    """A rule of the business or of the policy says no."""


class Conflict(ProrataError):
    """The state moved since it was read, or another change is in progress."""


class StripeTrouble(ProrataError):
    """Stripe said no or is unavailable."""


class OutcomeUnknown(StripeTrouble):
    """A call was sent and its effect is not known: read back first, never repeat it blindly."""


class DatabaseTrouble(ProrataError):
    """PostgreSQL said no or is unavailable."""
