"""A small world of invoices at the local Stripe, and reports of it as rows."""

from __future__ import annotations

import io
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from sync.billing import Billing
from sync.reports import listing
from sync.reports.cells import Format
from sync.reports.span import Span, parse
from tests.flows.world import ADMIN, World, whole_world

WHOLE = parse("2000-01-01", "2100-01-01")


@dataclass(slots=True)
class Told:
    """A report as bytes and as rows, with its control totals."""

    raw: bytes
    totals: dict[str, Any] | None
    rows: list[dict[str, Any]] = field(default_factory=list)

    def where(self, **wanted: Any) -> list[dict[str, Any]]:
        """The rows with these values."""
        return [row for row in self.rows if all(row[name] == value for name, value in wanted.items())]

    def reasons(self) -> dict[str, int]:
        """How often each reason occurs, empty ones left out."""
        given = [row["reason"] for row in self.rows if row["reason"]]
        return {reason: given.count(reason) for reason in sorted(set(given))}


async def told(billing: Billing, name: str, span: Span = WHOLE, form: Format = Format.JSONL) -> Told:
    """Make a report."""
    out = io.BytesIO()
    report = listing.named(name)
    totals = await listing.write(billing.pool, billing.catalog, report, span, form, out.write)
    raw = out.getvalue()
    rows = [json.loads(line) for line in raw.splitlines()] if form is Format.JSONL else []
    return Told(raw, totals, rows)


async def audited(world: World) -> Told:
    """The proration audit of everything, once the mirror has everything."""
    await caught_up(world)
    return await told(world.billing, "proration-audit")


async def caught_up(world: World) -> None:
    """Wait until our copies of invoices and of what pays them are those of the local Stripe."""

    async def same() -> bool:
        held = await world.billing.pool.fetch(
            "SELECT id, status, total_minor, post_payment_credit_minor FROM stripe_invoice"
        )
        have = {row[0]: tuple(row)[1:] for row in held}
        invoices = (await world.stripe("GET", "/v1/invoices", limit=100))["data"]
        refunded = await world.billing.pool.fetch(
            "SELECT id, amount_refunded_minor, disputed FROM stripe_charge"
        )
        charges = (await world.stripe("GET", "/v1/charges", limit=100))["data"]
        credited = "post_payment_credit_notes_amount"
        return have == {
            each["id"]: (each["status"], each["total"], each[credited]) for each in invoices
        } and {row["id"]: (row["amount_refunded_minor"], row["disputed"]) for row in refunded} == {
            each["id"]: (each["amount_refunded"], each["disputed"]) for each in charges
        }

    await world.eventually(same)
    await world.eventually(world.is_up_to_date)


async def approved(world: World, wish: dict[str, Any]) -> dict[str, Any]:
    """Support is asked, and says yes; returns the change request."""
    said = await world.call("POST", "/v1/accounts/acme/change-requests", {**wish, "actor": ADMIN})
    assert said.status == 201, said.body
    done = await world.call("POST", f"/v1/change-requests/{said.body['id']}/approve", {"actor": "sam"})
    assert done.status == 200, done.body
    return done.body


@pytest.fixture
async def world(database_url: str) -> AsyncIterator[World]:
    """Our process, a fresh database and a fresh local Stripe."""
    async with whole_world(database_url) as made:
        yield made
