"""A wish: what somebody wants of an account, before it is planned and priced."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Self

from sync.rules.policy_rule import Effective
from sync.rules.terms import PartialTerms, parse_partial
from sync.store.quotes import QuoteRow


@dataclass(frozen=True, slots=True)
class Wish:
    """Other terms, or with `cancel` the end of the subscription with its period (False: not to end).

    `approved` says when support lets take effect what is by request, `request_id` which request asked.
    """

    terms: PartialTerms = field(default_factory=PartialTerms)
    cancel: bool | None = None
    approved: Effective | None = None
    request_id: str | None = None

    @classmethod
    def of_quote(cls, quote: QuoteRow) -> Self:
        """What a quote was made for, and no more: what it left as it was may have moved for a reason."""
        approved = Effective(quote.approved) if quote.approved else None
        return cls(parse_partial(quote.wish), quote.cancel, approved, quote.request_id)

    def at(self, effective: Effective) -> Self:
        """The same wish, approved for then."""
        return replace(self, approved=effective)
