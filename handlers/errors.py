"""Every refusal and failure as an RFC 9457 problem document: one table decides the status.

- 400: the shape is wrong: not JSON, a part missing, misspelt or of the wrong type
- 401: nobody knows who calls; 403: known, but not allowed; 404: no such thing
- 402: the payment was declined, waits for the bank, or there is no way to pay
- 409: well formed, but the present state does not allow it (account, quote, subscription, stop switch)
- 422: well formed, but the values break a rule of the catalog, the policy, the use or Stripe's own
- 429: too many; 500: our fault; 503: Stripe or the database cannot answer
- 504: it was sent, and nobody knows the outcome yet
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Final

from aiohttp import web

from sync.errors import Code, DatabaseTrouble, Problem, ProrataError
from sync.store.db import is_passing
from sync.told import Told

PROBLEM_TYPE: Final = "application/problem+json"
_MOST_PROBLEMS: Final = 100
_LONGEST_SENTENCE: Final = 1000


class DoorCode(Told):
    """Codes of problems that only exist because there is a door: plain HTTP went wrong."""

    METHOD_NOT_ALLOWED = "method_not_allowed", "This address exists, but not for this method."
    BODY_TOO_LARGE = "body_too_large", "The body of the request is larger than this door takes."
    BODY_TOO_SLOW = "body_too_slow", "The body of the request did not arrive in time."
    MEDIA_TYPE_UNSUPPORTED = "media_type_unsupported", "The body must be JSON and say so."
    TIMED_OUT = "timed_out", "The answer took too long; what was begun goes on or is undone without you."


STATUS: Final[Mapping[Code | DoorCode, int]] = {
    Code.BAD_REQUEST: 400,
    Code.IDEMPOTENCY_KEY_MISSING: 400,
    Code.UNAUTHENTICATED: 401,
    Code.PAYMENT_DECLINED: 402,
    Code.PAYMENT_ACTION_REQUIRED: 402,
    Code.PAYMENT_METHOD_MISSING: 402,
    Code.FORBIDDEN: 403,
    Code.NOT_BILLING_ADMIN: 403,
    Code.NOT_FOUND: 404,
    Code.ACCOUNT_UNKNOWN: 404,
    DoorCode.METHOD_NOT_ALLOWED: 405,
    DoorCode.BODY_TOO_SLOW: 408,
    Code.ACCOUNT_EXISTS: 409,
    Code.ACCOUNT_PARKED: 409,
    Code.WRITES_STOPPED: 409,
    Code.SUBSCRIPTION_EXISTS: 409,
    Code.TAX_LOCATION_REQUIRED: 409,
    Code.PENDING_ITEMS_WAITING: 409,
    Code.RENEWAL_UNPAID: 409,
    Code.RENEWAL_NEAR: 409,
    Code.RENEWAL_MISSED: 409,
    Code.RENEWAL_AT_RISK: 409,
    Code.REQUEST_OPEN: 409,
    Code.REQUEST_CLOSED: 409,
    Code.FINDING_CLOSED: 409,
    Code.FINDING_CHANGED: 409,
    Code.REPAIR_NEEDS_STAFF: 409,
    Code.SUBSCRIPTION_CANCELED: 409,
    Code.SUBSCRIPTION_CANCELING: 409,
    Code.SUBSCRIPTION_INCOMPLETE: 409,
    Code.SUBSCRIPTION_PAST_DUE: 409,
    Code.SUBSCRIPTION_PAUSED: 409,
    Code.SUBSCRIPTION_TRIALING: 409,
    Code.SCHEDULE_ATTACHED: 409,
    Code.PENDING_UPDATE_ATTACHED: 409,
    Code.BILLING_MODE_CLASSIC: 409,
    Code.ITEMS_CONFLICT: 409,
    Code.CHANGE_IN_PROGRESS: 409,
    Code.QUOTE_EXPIRED: 409,
    Code.QUOTE_STALE: 409,
    Code.QUOTE_USED: 409,
    Code.PRICE_CHANGED: 409,
    Code.IDEMPOTENCY_IN_PROGRESS: 409,
    DoorCode.BODY_TOO_LARGE: 413,
    DoorCode.MEDIA_TYPE_UNSUPPORTED: 415,
    Code.QUANTITY_OUT_OF_RANGE: 422,
    Code.NOT_IN_CATALOG: 422,
    Code.NOTHING_TO_CHANGE: 422,
    Code.CURRENCY_MISMATCH: 422,
    Code.IDEMPOTENCY_CONFLICT: 422,
    Code.TOO_MANY_ITEMS: 422,
    Code.NEEDS_REQUEST: 422,
    Code.REFUSED_BY_POLICY: 422,
    Code.SEATS_IN_USE: 422,
    Code.CONTACTS_IN_USE: 422,
    Code.STRIPE_REFUSED: 422,
    Code.CHANGE_LIMIT_REACHED: 429,
    Code.RATE_LIMITED: 429,
    Code.CATALOG_INVALID: 500,
    Code.POLICY_INVALID: 500,
    Code.INTERNAL_ERROR: 500,
    Code.STRIPE_UNAVAILABLE: 503,
    Code.DATABASE_UNAVAILABLE: 503,
    Code.OUTCOME_UNKNOWN: 504,
    DoorCode.TIMED_OUT: 504,
}

# How long a caller should wait before it repeats the same request, where repeating it can help.
RETRY_AFTER_SECONDS: Final[Mapping[Code | DoorCode, int]] = {
    Code.IDEMPOTENCY_IN_PROGRESS: 1,
    Code.CHANGE_IN_PROGRESS: 5,
    Code.WRITES_STOPPED: 60,
    Code.RATE_LIMITED: 1,
    Code.CHANGE_LIMIT_REACHED: 3600,
    Code.STRIPE_UNAVAILABLE: 5,
    Code.DATABASE_UNAVAILABLE: 2,
    Code.OUTCOME_UNKNOWN: 10,
    DoorCode.TIMED_OUT: 5,
}

_CODES: Final[Mapping[str, Code | DoorCode]] = {code.value: code for code in STATUS}
_OF_HTTP: Final[Mapping[int, tuple[Code | DoorCode, str]]] = {
    404: (Code.NOT_FOUND, "There is nothing at this address. GET /openapi.json lists every address."),
    405: (DoorCode.METHOD_NOT_ALLOWED, "Use one of the methods that the Allow header names."),
    408: (DoorCode.BODY_TOO_SLOW, "The body did not arrive in time, so nothing was done. Send it again."),
    413: (DoorCode.BODY_TOO_LARGE, "The body is too large, so nothing was done."),
    415: (
        DoorCode.MEDIA_TYPE_UNSUPPORTED,
        "Send JSON as `Content-Type: application/json`.",
    ),
}


@dataclass(frozen=True, slots=True)
class ProblemDocument:
    """An RFC 9457 document before it is written; `extra` are extension members of this one problem."""

    code: Code | DoorCode
    detail: str
    problems: Sequence[Problem] = ()
    retryable: bool = False
    extra: Mapping[str, object] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def status(self) -> int:
        """Return the HTTP status of this problem."""
        return STATUS[self.code]

    @property
    def all_headers(self) -> dict[str, str]:
        """Return the problem's own headers, with `Retry-After` and `WWW-Authenticate` where they belong."""
        headers = dict(self.headers)
        seconds = self.extra.get("retry_after_seconds", RETRY_AFTER_SECONDS.get(self.code))
        if self.retryable and seconds is not None:
            headers.setdefault("Retry-After", str(seconds))
        if self.status == HTTPStatus.UNAUTHORIZED:
            headers["WWW-Authenticate"] = 'Bearer realm="prorata"'
        return headers

    def to_json(self, request_id: str) -> dict[str, object]:
        """Return the document; the members of the standard win over extension members of the same name."""
        return {
            **self.extra,
            "type": f"urn:prorata:problem:{self.code}",
            "title": self.code.sentence,
            "status": self.status,
            "detail": _shortened(self.detail),
            "instance": f"urn:prorata:request:{request_id}",
            "request_id": request_id,
            "code": self.code.value,
            "errors": [_entry(problem) for problem in self.problems[:_MOST_PROBLEMS]],
            "retryable": self.retryable,
        }


# No names and no traceback: what a caller is told when we do not know what happened.
INTERNAL: Final = ProblemDocument(
    Code.INTERNAL_ERROR,
    "Something unexpected happened here, and it was logged. Repeat the request with the same"
    " Idempotency-Key, or send us the request id.",
)
_DATABASE_AWAY: Final = ProblemDocument(
    Code.DATABASE_UNAVAILABLE,
    "The database cannot answer right now, so we cannot say what became of this request. Repeat it in a"
    " moment, with the same Idempotency-Key: nothing is ever charged twice.",
    retryable=True,
)


def document_of(error: BaseException) -> ProblemDocument:
    """Return the problem document of any exception that can reach a door."""
    match error:
        case DatabaseTrouble():
            # Its own sentence names the server and belongs into our log, not into an answer.
            return _DATABASE_AWAY
        case ProrataError():
            return _of_ours(error)
        case web.HTTPException():
            return _of_http(error)
    return _DATABASE_AWAY if is_passing(error) else INTERNAL


def code_of(value: str) -> Code | DoorCode:
    """Return the code with this name; one that nobody declared is our own mistake, not the caller's."""
    return _CODES.get(value, Code.INTERNAL_ERROR)


def _of_ours(error: ProrataError) -> ProblemDocument:
    code = code_of(error.code)
    return ProblemDocument(code, error.detail, error.problems, error.retryable, error.extra)


def _of_http(error: web.HTTPException) -> ProblemDocument:
    code, detail = _OF_HTTP.get(error.status, (Code.BAD_REQUEST, "The request could not be read."))
    allow = error.headers.get("Allow")
    return ProblemDocument(code, detail, headers={"Allow": allow} if allow else {})


def _entry(problem: Problem) -> dict[str, str]:
    return {key: _shortened(text) for key, text in problem.to_json().items()}


def _shortened(text: str) -> str:
    """Cut a sentence that quotes the caller's own text: an answer must not grow with the question."""
    return text if len(text) <= _LONGEST_SENTENCE else text[: _LONGEST_SENTENCE - 1] + "…"
