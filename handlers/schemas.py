"""What callers send, as strict models: unknown members are refused, and `"8"` is not a number.

`terms` stays plain data here. The rules read it themselves, so that HTTP and the command line find the same
problems at the same pointers.
"""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, WithJsonSchema, model_validator

from sync.rules import identity

MAX_COUNT: Final = 2_147_483_647  # what PostgreSQL's integer holds
LONGEST_WAIT_SECONDS: Final = 30


def _printable(text: str) -> str:
    if not identity.is_printable(text):
        raise ValueError("text must not hold control characters")
    return text


PRINTABLE: Final = AfterValidator(_printable)
AccountId = Annotated[
    str,
    Field(min_length=1, max_length=identity.LONGEST_ID, pattern=identity.ACCOUNT_ID, examples=["acme"]),
]
UserId = Annotated[str, Field(min_length=1, max_length=identity.LONGEST_ID, examples=["user_1"]), PRINTABLE]
Email = Annotated[
    str,
    Field(max_length=identity.LONGEST_EMAIL, pattern=identity.EMAIL, examples=["ada@example.com"]),
    PRINTABLE,
]
Currency = Annotated[str, Field(pattern=r"^[a-z]{3}$", examples=["usd"])]
StripeCustomerId = Annotated[str, Field(pattern=r"^cus_[A-Za-z0-9_]{1,250}$")]
StripePaymentMethodId = Annotated[
    str, Field(pattern=r"^[a-z]{2,8}_[A-Za-z0-9_]{1,250}$", examples=["pm_card_visa"])
]
Locale = Literal["en", "fr"]
Count = Annotated[int, Field(ge=0, le=MAX_COUNT)]
Limit = Annotated[int, Field(ge=1, le=100, description="At most so many entries.")]
Cursor = Annotated[
    str | None, Field(max_length=200, description="The id of the last entry of the page before.")
]
Wait = Annotated[
    float,
    Field(
        ge=0,
        le=LONGEST_WAIT_SECONDS,
        allow_inf_nan=False,
        description="Answer when the change has come to rest, at the latest after so many seconds.",
    ),
]


class Sent(BaseModel):
    """Something that a caller sends."""

    model_config = ConfigDict(extra="forbid", frozen=True)


# What sync.rules.terms accepts; a model would invent defaults for what is not named.
PARTIAL_TERMS: Final[dict[str, Any]] = {
    "title": "PartialTerms",
    "description": "The parts of the terms that are to be different; what is not named stays as it is. A"
    " first purchase, and one after a cancellation, needs product, tier and contact_limit.",
    "type": "object",
    "additionalProperties": False,
    "properties": {
        "product": {"type": "string", "minLength": 1},
        "tier": {"type": "string", "minLength": 1},
        "contact_limit": {"type": "integer", "minimum": 1, "description": "One of the catalog's bands."},
        "seats": {"type": "integer", "minimum": 1, "description": "The total: included and extra ones."},
        "add_ons": {
            "description": "Quantities by name, 0 removes one; or a list of names, which means one of each.",
            "anyOf": [
                {"type": "object", "additionalProperties": {"type": "integer", "minimum": 0}},
                {"type": "array", "items": {"type": "string"}, "uniqueItems": True},
            ],
        },
        "interval": {"type": "string", "enum": ["month", "year"]},
    },
    "examples": [{"product": "marketing", "tier": "plus", "contact_limit": 2500, "seats": 5}],
}


# Read by sync.rules.terms itself.
TermsInput = Annotated[Any, WithJsonSchema(PARTIAL_TERMS)]


class PrimaryAdmin(Sent):
    """The one person who may change the account's billing."""

    user_id: UserId
    email: Email


class NewAccountBody(Sent):
    """An account that is to be billed. With `stripe_customer_id` an existing customer is taken over."""

    account_id: AccountId
    email: Email
    name: Annotated[str, Field(min_length=1, max_length=identity.LONGEST_NAME), PRINTABLE]
    primary_admin: PrimaryAdmin
    locale: Locale
    currency: Currency
    stripe_customer_id: StripeCustomerId | None = None
    payment_method: StripePaymentMethodId | None = None


class UsageBody(Sent):
    """What is in use. It leads to notices and guards decreases; it never changes what is bought."""

    contacts: Count | None = None
    seats: Count | None = None


class EstimateBody(Sent):
    """A wish to be estimated."""

    terms: TermsInput


class QuoteBody(Sent):
    """A wish to be quoted, in the name of the account's primary admin."""

    terms: TermsInput
    actor: UserId


class ActorBody(Sent):
    """In whose name this is done: the user id of the account's primary admin."""

    actor: UserId


class PaymentMethodLinkBody(Sent):
    """In whose name, and where Stripe's page leads back to."""

    actor: UserId
    return_url: Annotated[str, Field(pattern=r"^https?://[^\s]+$", max_length=2000)] | None = None


Timing = Literal["now", "renewal"]
Prose = Annotated[str, Field(min_length=1, max_length=2000)]


class ChangeRequestBody(Sent):
    """A wish that is not self-serve: other terms, or with `cancel` the end of the subscription with its
    period (`false`: taking that back)."""

    terms: TermsInput | None = None
    cancel: bool | None = None
    effective: Timing
    reason: Prose
    contact_email: Email | None = None
    actor: UserId

    @model_validator(mode="after")
    def _one_wish(self) -> Self:
        if (self.terms is None) == (self.cancel is None):
            raise ValueError("give either terms or cancel")
        return self


class ApproveBody(Sent):
    """A yes. Without `effective` it is the moment that was asked for; `actor` names the person of support."""

    actor: UserId
    effective: Timing | None = None
    note: Prose | None = None


class DeclineBody(Sent):
    """A no; the admin reads the note."""

    actor: UserId
    note: Prose


class PageQuery(Sent):
    """Which part of a list is wanted."""

    limit: Limit = 20
    starting_after: Cursor = None


class ChangesQuery(PageQuery):
    """Which changes are wanted, newest first."""

    account_id: Annotated[str | None, Field(max_length=200, description="Only those of this account.")] = None


class ChangeRequestsQuery(PageQuery):
    """Which change requests are wanted, newest first."""

    account_id: Annotated[str | None, Field(max_length=200, description="Only those of this account.")] = None
    state: Annotated[str | None, Field(max_length=40, description="Only those in this state.")] = None


class FindingsQuery(PageQuery):
    """Which findings are wanted, the youngest first."""

    account_id: Annotated[str | None, Field(max_length=200, description="Only those of this account.")] = None
    state: Annotated[str | None, Field(max_length=40, description="Only those in this state.")] = None
    kind: Annotated[str | None, Field(max_length=60, description="Only those of this kind.")] = None


Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{16}$", examples=["9f86d081884c7d65"])]


class RepairBody(Sent):
    """A repair that a person answers for. Without `side` it is the suggested one; with `dry_run` it is only
    said what would happen. What changes something is carried out only as it was shown: `expect` is the
    `digest` of the dry run."""

    actor: UserId
    reason: Prose
    side: Literal["ours", "stripe", "refresh"] | None = None
    dry_run: bool = False
    expect: Digest | None = None


class AcceptFindingBody(Sent):
    """A finding may stay as it is, and why. `expect` is the `digest` of the finding that was looked at."""

    actor: UserId
    reason: Prose
    expect: Digest


class ReportQuery(Sent):
    """Which span of a report is wanted, and in which form; days begin at midnight in the zone."""

    begin: Annotated[
        str,
        Field(
            alias="from",
            max_length=40,
            description="A day, or an instant with its zone.",
            examples=["2026-01-01"],
        ),
    ]
    end: Annotated[
        str, Field(alias="to", max_length=40, description="Right after the span.", examples=["2026-02-01"])
    ]
    zone: Annotated[
        str,
        Field(max_length=60, description="The accounts' zone, by its IANA name.", examples=["Europe/Paris"]),
    ] = "UTC"
    format: Annotated[
        str, WithJsonSchema({"type": "string", "enum": ["csv", "jsonl"], "description": "How it is written."})
    ] = "csv"


class WaitQuery(Sent):
    """How long to wait for the end of the work."""

    wait: Wait = 0


class ConfirmQuery(Sent):
    """How long to wait for the result; without it the server's own default."""

    wait: Wait | None = None
