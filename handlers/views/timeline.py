"""The timeline of an account."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from handlers.views.base import Given, Moment


class TimelineEntry(Given):
    """An act of somebody, or a step of a change that Prorata took by itself."""

    id: str
    at: Moment
    kind: Literal["act", "step"]
    name: Annotated[str, Field(description="Such as quote.confirmed or apply.")]
    sentence: Annotated[str | None, Field(description="What an act means.")]
    actor: Annotated[
        str | None,
        Field(description="Who did it; null for a step. Who called, where somebody else did: detail.by."),
    ]
    role: str | None
    door: Annotated[str | None, Field(description="http, cli or worker; null for a step.")]
    api_key_id: str | None
    change_id: str | None
    detail: dict[str, Any]
