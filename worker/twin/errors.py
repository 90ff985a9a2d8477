"""Stripe's error answers.

    ApiError    one answer: HTTP status and `{"error": {...}}`

Shapes: Stripe docs "Errors"; the decline body as recorded from real Stripe (pay-rails/pay,
2025-10-29.clover).
"""

from __future__ import annotations

from typing import Any

DECLINE_MESSAGES = {
    "insufficient_funds": "Your card has insufficient funds.",
    "expired_card": "Your card has expired.",
    "incorrect_cvc": "Your card's security code is incorrect.",
    "processing_error": "An error occurred while processing your card. Try again in a little bit.",
    "card_velocity_exceeded": "Your card was declined for making repeated attempts too frequently.",
}
OWN_CODES = {"expired_card", "incorrect_cvc", "processing_error"}


class ApiError(Exception):
    """An error as Stripe answers it. `executed`: the request had begun to execute, so it is replayed."""

    def __init__(
        self,
        status: int,
        message: str,
        *,
        kind: str = "invalid_request_error",
        code: str | None = None,
        param: str | None = None,
        executed: bool = True,
        **extra: Any,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.executed = executed
        self.headers: dict[str, str] = {}
        self.error: dict[str, Any] = {"message": message, "type": kind}
        if code:
            self.error["code"] = code
            self.error["doc_url"] = "https://stripe.com/docs/error-codes/" + code.replace("_", "-")
        if param:
            self.error["param"] = param
        self.error.update({name: value for name, value in extra.items() if value is not None})

    @property
    def body(self) -> dict[str, Any]:
        """The JSON answer."""
        return {"error": self.error}

    def logged(self, request_id: str, now: int) -> dict[str, Any]:
        """The JSON answer with the request's page in the dashboard; a refused key or a lock has none."""
        if not request_id or self.status == 401 or self.headers.get("Request-Id") == "":
            return self.body
        url = f"https://dashboard.stripe.com/test/logs/{request_id}?t={now}"
        return {"error": {**self.error, "request_log_url": url}}


def invalid(message: str, param: str | None = None, code: str | None = None) -> ApiError:
    """400 for a business rule: the request was well formed."""
    return ApiError(400, message, code=code, param=param)


def missing(kind: str, object_id: str, param: str = "id", status: int = 404) -> ApiError:
    """`resource_missing`: 404, but 400 for a price inside `items` (both recorded from real Stripe)."""
    return ApiError(status, f"No such {kind}: '{object_id}'", code="resource_missing", param=param)


def lock_timeout() -> ApiError:
    """429 while another request works on the same objects: no rate limit, so no reason, and no request id."""
    text = (
        "This object cannot be accessed right now because another API request or Stripe process is currently"
        " accessing it. If you see this error intermittently, retry the request. If you see this error"
        " frequently and are making multiple concurrent requests to a single object, make your requests"
        " serially or at a lower rate. For more details, see"
        " https://stripe.com/docs/rate-limits#object-lock-timeouts."
    )
    error = ApiError(429, text, code="lock_timeout", executed=False)
    error.headers.update({"Stripe-Should-Retry": "true", "Request-Id": ""})
    return error


def decline_details(reason: str) -> dict[str, Any]:
    """`code`, `decline_code` and `message` of a declined card."""
    code = reason if reason in OWN_CODES else "card_declined"
    message = DECLINE_MESSAGES.get(reason, "Your card was declined.")
    return {"code": code, "decline_code": reason, "message": message, "advice_code": "try_again_later"}


def card_declined(reason: str, payment_intent: dict[str, Any] | None = None) -> ApiError:
    """402 for a charge that the bank refused."""
    details = decline_details(reason)
    message = details.pop("message")
    return ApiError(402, message, kind="card_error", param="", payment_intent=payment_intent, **details)


def action_required(code: str, payment_intent: dict[str, Any] | None = None) -> ApiError:
    """402 for a payment that waits for the customer (3-D Secure)."""
    message = (
        "Payment for this subscription requires additional user action before it can be completed"
        " successfully. Payment can be completed using the PaymentIntent associated with"
        " `subscription.latest_invoice`."
    )
    return ApiError(402, message, kind="card_error", code=code, payment_intent=payment_intent)


def no_payment_method() -> ApiError:
    """400 recorded from real Stripe for a customer without any way to pay."""
    return ApiError(
        400,
        "This customer has no attached payment source or default payment method. "
        "Please consider adding a default payment method.",
        code="resource_missing",
    )
