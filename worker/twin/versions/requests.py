"""Forms of older versions, put into the form that the pinned contract knows.

- `billing_cycle_anchor` of an update, a resume and a preview was text (`now`, `unchanged`, a timestamp in
  previews) before 2026-09-30.endive and is an object from then on; each version refuses the other's form
  (changelog "Unifies the billing cycle anchor format across Subscriptions and Invoices").
- `GET /v1/invoices/upcoming` was removed with 2025-03-31.basil; before, it is a preview whose
  `subscription_*` parameters stood beside each other instead of under `subscription_details`.
- a subscription created before 2025-09-30.clover without `billing_mode` is classic.
"""

from __future__ import annotations

import re

from worker.twin.errors import ApiError

Pairs = list[tuple[str, str]]
ENDIVE, CLOVER, BASIL = "2026-09-30", "2025-09-30", "2025-03-31"
UPCOMING = ("GET", "/v1/invoices/upcoming")
DETAILS = re.compile(r"subscription_(?!details\b)(\w+)(.*)", re.DOTALL)
ANCHORS = {
    "subscription_update": "billing_cycle_anchor",
    "subscription_resume": "billing_cycle_anchor",
    "invoice_create_preview": "subscription_details[billing_cycle_anchor]",
}


def older_path(method: str, path: str, version: str, pairs: Pairs) -> tuple[str, str, Pairs]:
    """Where a request of an older version belongs today, with its parameters."""
    if (method, path) != UPCOMING or version >= BASIL:
        return method, path, pairs
    return "POST", "/v1/invoices/create_preview", [(_under_details(name), value) for name, value in pairs]


def _under_details(name: str) -> str:
    found = DETAILS.fullmatch(name)
    return f"subscription_details[{found[1]}]{found[2]}" if found else name


def older_form(operation: str, version: str, pairs: Pairs) -> Pairs:
    """`pairs` as a client of the pinned version would have sent them."""
    if version < ENDIVE and operation in ANCHORS:
        pairs = _anchored(pairs, ANCHORS[operation])
    moded = operation != "subscription_create" or any(name.startswith("billing_mode") for name, _ in pairs)
    return pairs if moded or version >= CLOVER else [*pairs, ("billing_mode[type]", "classic")]


def _anchored(pairs: Pairs, name: str) -> Pairs:
    result: Pairs = []
    for key, value in pairs:
        if key.startswith(f"{name}["):
            allowed = "now or unchanged"
            raise ApiError(400, f"Invalid {name}: must be one of {allowed}", param=name, executed=False)
        result += _as_object(name, value) if key == name else [(key, value)]
    return result


def _as_object(name: str, value: str) -> Pairs:
    if value.isdigit() and "[" in name:
        return [(f"{name}[type]", "timestamp"), (f"{name}[timestamp]", value)]
    return [(f"{name}[type]", value)]
