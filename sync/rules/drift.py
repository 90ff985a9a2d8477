"""Drift: intent, mirror and Stripe disagree. Every kind of disagreement, and what one looks like."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Self


class Severity(StrEnum):
    """How soon somebody should look."""

    NOTICE = "notice"  # good to know; no money and no account is in danger
    WARNING = "warning"  # it stands in the way of changes, or may cost somebody something later
    CRITICAL = "critical"  # something else is billed than was bought, or is about to be


class FindingKind(StrEnum):
    """What is wrong; `sentence` says it, `severity` how soon somebody should look."""

    severity: Severity
    sentence: str

    def __new__(cls, value: str, severity: Severity = Severity.NOTICE, sentence: str = "") -> Self:
        """Make the member equal to its name and hang both on it; looked up by its name it has them."""
        member = str.__new__(cls, value)
        member._value_ = value
        member.severity = severity
        member.sentence = sentence
        return member

    # The items against what was bought.
    MISSING_ITEM = (
        "missing_item",
        Severity.CRITICAL,
        "A part of what was bought has no item on the subscription.",
    )
    EXTRA_ITEM = (
        "extra_item",
        Severity.CRITICAL,
        "The subscription bills something of the catalog that was not bought.",
    )
    DUPLICATE_ITEM = (
        "duplicate_item",
        Severity.CRITICAL,
        "Two items of the subscription stand for the same part of what was bought.",
    )
    WRONG_PRICE = (
        "wrong_price",
        Severity.CRITICAL,
        "An item has the price of another product, tier or contact limit than was bought.",
    )
    WRONG_QUANTITY = (
        "wrong_quantity",
        Severity.CRITICAL,
        "An item has another quantity than was bought.",
    )
    WRONG_INTERVAL = (
        "wrong_interval",
        Severity.CRITICAL,
        "The items renew in another interval than was bought.",
    )
    NOT_IN_CATALOG = (
        "not_in_catalog",
        Severity.NOTICE,
        "The subscription has an item that the catalog does not know; it is left alone.",
    )
    TERMS_NOT_IN_CATALOG = (
        "terms_not_in_catalog",
        Severity.WARNING,
        "What was bought is not in the catalog any more, so the items cannot be judged.",
    )

    # The subscription as a whole.
    TERMS_MISSING = (
        "terms_missing",
        Severity.CRITICAL,
        "The account's subscription is billed, but what was bought is not known here.",
    )
    STATUS_DIFFERS = (
        "status_differs",
        Severity.WARNING,
        "What was bought is in force, but the subscription was ended at Stripe at once.",
    )
    SUBSCRIPTION_MISSING = (
        "subscription_missing",
        Severity.CRITICAL,
        "Stripe does not know the account's subscription.",
    )
    SECOND_SUBSCRIPTION = (
        "second_subscription",
        Severity.CRITICAL,
        "The account's customer has another living subscription at Stripe.",
    )
    CUSTOMER_MISSING = (
        "customer_missing",
        Severity.CRITICAL,
        "The account's customer was deleted at Stripe, or never existed there.",
    )

    # What other people attached, and what is promised.
    SCHEDULE_FOREIGN = (
        "schedule_foreign",
        Severity.WARNING,
        "A schedule that was not made here drives the customer's subscription, or will begin one.",
    )
    SCHEDULE_LEFT_OVER = (
        "schedule_left_over",
        Severity.WARNING,
        "A schedule made here drives the subscription although nothing is promised for the renewal.",
    )
    RENEWAL_LEG_MISSING = (
        "renewal_leg_missing",
        Severity.CRITICAL,
        "A decrease is promised for the renewal, and no schedule at Stripe carries it.",
    )
    PENDING_UPDATE_FOREIGN = (
        "pending_update_foreign",
        Severity.WARNING,
        "An update that was not made here waits for its payment at Stripe.",
    )

    # Money, our copy, and Stripe's settings.
    INVOICE_UNEXPLAINED = (
        "invoice_unexplained",
        Severity.WARNING,
        "An invoice comes neither from a change made here, nor from a renewal or the first purchase.",
    )
    MIRROR_STALE = (
        "mirror_stale",
        Severity.NOTICE,
        "Our copy of an object was out of date and no event was on its way; it was read again.",
    )
    PORTAL_ALLOWS_UPDATES = (
        "portal_allows_updates",
        Severity.WARNING,
        "Stripe's customer portal lets customers change subscriptions past this application.",
    )


@dataclass(frozen=True, slots=True)
class Difference:
    """One disagreement. `expected` is what we meant and `found` what Stripe has, as JSON (None: nothing).

    `object_id` is Stripe's: the subscription, schedule, invoice, customer or portal configuration. `about`
    is the part of it: a part of the terms (`seats`, `addon:sms`), an item's id, or empty.
    """

    kind: FindingKind
    object_id: str
    about: str = ""
    account_id: str | None = None
    expected: Any = None
    found: Any = None

    @property
    def key(self) -> tuple[str, str, str]:
        """What makes it the same disagreement when it is seen again."""
        return (str(self.kind), self.object_id, self.about)
