"""Findings: what is wrong between terms, our copy and Stripe, and what was done about it."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from handlers.views.base import Given, Moment, ProblemEntry, Terms

SideName = Literal["ours", "stripe", "refresh", "staff"]


class Suggestion(Given):
    """What to do: whose state should win, in one sentence, and which sides may be asked for."""

    side: SideName
    what: str
    sides: list[Literal["ours", "stripe", "refresh"]]


class RepairCall(Given):
    """A write to Stripe, exactly as it would leave."""

    method: Literal["POST"]
    path: str
    body: dict[str, Any]


class TermsMove(Given):
    """What is bought, before and after."""

    before: Terms | None
    after: Terms | None


class RepairDryRun(Given):
    """What a repair would do now. Nothing is stored, sent or charged."""

    side: SideName
    what: str
    calls: list[RepairCall]
    terms: TermsMove | None
    warnings: list[str]
    refusal: ProblemEntry | None
    digest: Annotated[
        str | None, Field(description="What `expect` of the repair names; null where it is refused.")
    ]


class Repair(Given):
    """One repair that somebody asked for; without an outcome it is under way."""

    id: str
    side: Literal["ours", "stripe", "refresh"]
    actor: str
    reason: str
    outcome: Literal["repaired", "failed"] | None
    detail: str | None
    created_at: Moment
    ended_at: Moment | None


class Finding(Given):
    """One disagreement, however often it was seen."""

    id: str
    kind: str
    severity: Literal["notice", "warning", "critical"]
    says: Annotated[str, Field(description="The kind in one sentence.")]
    account_id: str | None
    object_id: Annotated[str, Field(description="Stripe's id of the object that it is about.")]
    about: Annotated[str | None, Field(description="The part of the object: an item, a part of the terms.")]
    expected: Any
    found: Any
    digest: Annotated[str, Field(description="What `expect` of an acceptance names.")]
    state: Literal["open", "accepted", "repairing", "repaired", "gone"]
    first_seen_at: Moment
    last_seen_at: Moment
    times_seen: int
    age_seconds: int
    suggestion: Suggestion
    decided_by: str | None
    reason: str | None
    decided_at: Moment | None
    closed_at: Moment | None
    repairs: list[Repair]


class FindingWithDryRun(Finding):
    """One disagreement; while it is open, with a dry run of the suggested repair."""

    dry_run: RepairDryRun | None
