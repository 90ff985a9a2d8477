"""What answers of every kind are made of: amounts, terms, problems, pages."""

from __future__ import annotations

from typing import Annotated, Generic, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, WithJsonSchema

ItemT = TypeVar("ItemT", bound=BaseModel)


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


class Page(Given, Generic[ItemT]):
    """One page of a list; `has_more` says whether there is another after the last entry."""

    data: list[ItemT]
    has_more: bool
