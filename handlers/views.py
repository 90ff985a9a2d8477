"""What callers get, as models: OpenAPI describes answers with them, and tests hold real answers to them."""

from __future__ import annotations

from typing import Annotated, Any, Generic, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, WithJsonSchema

Moment = Annotated[str, WithJsonSchema({"type": "string", "format": "date-time"})]
Day = Annotated[str, Field(description="A date or a moment, ISO 8601, UTC.")]


class Given(BaseModel):
    """Something that a caller gets."""

    model_config = ConfigDict(extra="forbid")


class Amount(Given):
    """An amount in the currency's minor unit, such as cents."""

    amount_minor: int
    currency: str


class Terms(Given):
    """Everything that an account bought."""

    product: str
    tier: str
    contact_limit: int
    seats: Annotated[int, Field(description="The total: included seats and extra ones.")]
    add_ons: dict[str, int]
    interval: Literal["month", "year"]


class ProblemEntry(Given):
    """One thing that is wrong, and where: a JSON pointer into the body, or `?name` for a parameter."""

    pointer: str
    code: str
    detail: str


class Problem(BaseModel):
    """RFC 9457. `code` is stable; `retryable` says whether the same request may succeed later."""

    model_config = ConfigDict(extra="allow")

    type: str
    title: str
    status: int
    detail: str
    instance: str
    request_id: str
    code: str
    errors: list[ProblemEntry]
    retryable: bool


# ---- quotes


class Period(Given):
    """From when to when a line is for, in Unix seconds."""

    start: int
    end: int


class QuoteLine(Given):
    """One line of the invoice that the change makes."""

    description: str
    amount_minor: int
    currency: str
    quantity: int | None
    price_lookup_key: str | None
    period: Period | None
    kind: Literal["credit", "charge", "pending", "tax", "discount", "balance"]


class Recurring(Given):
    """What repeats, and how often."""

    amount: Amount
    interval: Literal["month", "year"]


class NextInvoice(Given):
    """The next invoice as it will be if nothing else changes."""

    amount: Amount
    on: Moment
    why: str


class Quote(Given):
    """The price of a change today and from now on. A quote that was refused has no amounts."""

    id: str
    account_id: str
    current: Terms | None
    now: Terms | None
    at_renewal: Terms | None
    self_serve: bool
    refusals: list[ProblemEntry]
    due_today: Annotated[Amount | None, Field(description="What is really collected today.")]
    to_balance: Annotated[
        Amount | None, Field(description="What moves on the customer's balance; negative is credit gained.")
    ]
    due_today_lines: list[QuoteLine]
    from_now_on: Recurring | None
    next_invoice: NextInvoice | None
    estimate_difference_minor: int | None
    proration_date: Annotated[int | None, Field(description="Stripe's pinned instant, in Unix seconds.")]
    expires_at: Moment
    created_at: Moment
    fingerprint: str


# ---- changes


class NowLeg(Given):
    """What happens at once, and what it cost."""

    state: str
    reason: str | None
    detail: str | None
    terms: Terms
    quoted: Amount | None
    charged: Amount | None
    difference_minor: int | None
    stripe_invoice_id: str | None
    hosted_invoice_url: str | None
    payable_until: Moment | None


class RenewalLeg(Given):
    """What happens at the next renewal."""

    state: str
    effective_on: Day | None
    terms: Terms


class Step(Given):
    """One step of a change's story."""

    at: Moment
    leg: str
    step: str
    state: str
    detail: dict[str, Any]


class Change(Given):
    """A confirmed quote. `state` is the open leg's, or the last one's."""

    id: str
    quote_id: str
    account_id: str
    actor: str
    now: NowLeg | None
    at_renewal: RenewalLeg | None
    state: str
    stripe_subscription_id: str | None
    created_at: Moment
    settled_at: Moment | None
    steps: list[Step]


class EndedChange(Problem, Change):
    """A change that ended without effect, as a problem document with the change's own members."""

    model_config = ConfigDict(extra="allow")


# ---- lists and health

ItemT = TypeVar("ItemT", bound=BaseModel)


class Page(Given, Generic[ItemT]):
    """One page of a list; `has_more` says whether there is another after the last entry."""

    data: list[ItemT]
    has_more: bool


class Live(Given):
    """The process is alive."""

    status: Literal["ok"]


class Ready(Given):
    """Whether requests can be served, and why not."""

    status: Literal["ok", "unready"]
    checks: dict[str, str]
    inbox_oldest_seconds: float | None


# ---- the catalog

Names = Annotated[dict[str, str], Field(description="By language: en, fr.")]


class NamedTier(Given):
    """A commercial level."""

    id: str
    name: Names


class BandPrice(Given):
    """What a contact limit costs per interval."""

    contact_limit: int
    amount: Amount


class TierPrices(Given):
    """What a tier costs per interval."""

    interval: Literal["month", "year"]
    currency: str
    base: Amount
    extra_seat: Amount
    contacts: list[BandPrice]


class ProductTier(Given):
    """A tier as it is sold in one product."""

    id: str
    name: Names
    seats_included: int
    add_ons: list[str]
    prices: list[TierPrices]


class Product(Given):
    """A product; a bundle includes others."""

    id: str
    name: Names
    includes: list[str]
    tiers: list[ProductTier]


class AddOnPrice(Given):
    """What one piece of an add-on costs per interval."""

    interval: Literal["month", "year"]
    currency: str
    amount: Amount


class AddOn(Given):
    """An optional extra, and where it can be bought."""

    id: str
    name: Names
    products: list[str]
    tiers: list[str]
    max_quantity: int
    prices: list[AddOnPrice]


class Catalog(Given):
    """Everything that is sold; amounts are for one unit and one interval."""

    currencies: list[str]
    intervals: list[Literal["month", "year"]]
    contact_limits: list[int]
    seats_max: int
    tiers: list[NamedTier]
    products: list[Product]
    add_ons: list[AddOn]


# ---- accounts


class Admin(Given):
    """The one person who may change the account's billing."""

    user_id: str
    email: str


class Usage(Given):
    """What is in use, as far as we were told."""

    contacts: int | None
    seats: int | None


class OpenLeg(Given):
    """A part of a change that is not over."""

    change_id: str
    leg: Literal["now", "at_renewal"]
    state: str
    terms: Terms


class PaymentMethod(Given):
    """Whether Stripe has something to charge; null until we know."""

    present: bool | None


class Parked(Given):
    """Since when and why the account's billing changes are stopped."""

    at: Moment
    reason: str


class Account(Given):
    """An account: what it bought, what it may use, what it uses, what comes next."""

    account_id: str
    email: str
    name: str
    locale: Literal["en", "fr"]
    currency: str
    primary_admin: Admin
    stripe_customer_id: str | None
    stripe_subscription_id: str | None
    subscription_status: str | None
    terms: Terms | None
    terms_after_renewal: Terms | None
    entitled: Annotated[Terms | None, Field(description="What may be used now: paid for and in force.")]
    usage: Usage
    next_invoice: NextInvoice | None
    open_legs: list[OpenLeg]
    findings: list[dict[str, Any]]
    payment_method: PaymentMethod
    parked: Parked | None
    created_at: Moment


class Invoice(Given):
    """An invoice of Stripe's, as we last heard of it."""

    id: str


class Estimate(Given):
    """About what a change costs. Only a quote is a promise."""

    account_id: str
