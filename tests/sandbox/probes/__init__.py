"""The probes, one module for each subject; importing this package registers them all."""

from tests.sandbox.probes import (
    balance,
    creation,
    discounts,
    events,
    payments,
    pending,
    previews,
    prorations,
    requests,
    schedules,
    updates,
)

__all__ = [
    "balance",
    "creation",
    "discounts",
    "events",
    "payments",
    "pending",
    "previews",
    "prorations",
    "requests",
    "schedules",
    "updates",
]
