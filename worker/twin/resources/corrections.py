"""Refunds, credit notes, disputes: what finance and banks do to paid invoices."""

from __future__ import annotations

from typing import Any

from worker.twin import pages
from worker.twin.billing import credit_notes, disputes, refunds
from worker.twin.billing.fields import merge_metadata
from worker.twin.errors import invalid
from worker.twin.events import snapshot
from worker.twin.store import Doc
from worker.twin.world import Call, World


def create_refund(world: World, call: Call) -> Doc:
    """`POST /v1/refunds` of a charge or of the charge behind a payment intent."""
    given = call.params
    if bool(given.get("charge")) == bool(given.get("payment_intent")):
        code = "parameters_exclusive" if given.get("charge") else "parameter_missing"
        raise invalid("One of `charge` and `payment_intent` must be provided.", "charge", code)
    charge_id = given.get("charge")
    if given.get("payment_intent"):
        intent = world.store.get("payment_intent", given["payment_intent"], "payment_intent")
        charge_id = intent["latest_charge"]
        if intent["status"] != "succeeded":
            raise invalid("This PaymentIntent does not have a successful charge to refund.", "payment_intent")
    charge = world.store.get("charge", charge_id or "", "charge")
    return refunds.give_back(world, charge, given.get("amount"), given.get("reason"), given.get("metadata"))


def update_refund(world: World, call: Call) -> Doc:
    """`POST /v1/refunds/{id}`: metadata."""
    refund = world.store.get("refund", call.id)
    before = snapshot(refund)
    merge_metadata(refund, call.params.get("metadata"))
    refunds.announce(world, refund, before)
    return refund


def cancel_refund(world: World, call: Call) -> Doc:
    """`POST /v1/refunds/{id}/cancel`: refunds to cards cannot be cancelled through the API."""
    refund = world.store.get("refund", call.id)
    if refund["status"] != "requires_action":
        raise invalid("You can only cancel refunds that require an action.", "refund")
    return refund


def create_credit_note(world: World, call: Call) -> Doc:
    """`POST /v1/credit_notes`."""
    return credit_notes.create(world, call.params)


def preview_credit_note(world: World, call: Call) -> Doc:
    """`GET /v1/credit_notes/preview`."""
    return credit_notes.draft(world, call.params, world.preview_ids)


def preview_lines(world: World, call: Call) -> Doc:
    """`GET /v1/credit_notes/preview/lines`."""
    rows = credit_notes.draft(world, call.params, world.preview_ids)["lines"]["data"]
    return pages.page(rows, call.params, "/v1/credit_notes/preview/lines")


def update_credit_note(world: World, call: Call) -> Doc:
    """`POST /v1/credit_notes/{id}`: memo and metadata."""
    return credit_notes.update(world, world.store.get("credit_note", call.id), call.params)


def void_credit_note(world: World, call: Call) -> Doc:
    """`POST /v1/credit_notes/{id}/void`."""
    return credit_notes.void(world, world.store.get("credit_note", call.id))


def list_note_lines(world: World, call: Call) -> Doc:
    """`GET /v1/credit_notes/{id}/lines`."""
    note = world.store.get("credit_note", call.id)
    return pages.page(note["lines"]["data"], call.params, f"/v1/credit_notes/{call.id}/lines")


def update_dispute(world: World, call: Call) -> Doc:
    """`POST /v1/disputes/{id}`: evidence, which goes to the bank unless `submit` is false."""
    dispute = world.store.get("dispute", call.id)
    if dispute["status"] in disputes.CLOSED:
        raise invalid("This dispute is already closed.", "dispute")
    before = snapshot(dispute)
    merge_metadata(dispute, call.params.get("metadata"))
    evidence = call.params.get("evidence") or {}
    if evidence:
        dispute["evidence"] = {**dispute["evidence"], **evidence}
        dispute["evidence_details"]["has_evidence"] = True
    submits = bool(evidence) and call.params.get("submit") is not False
    if submits:
        details = dispute["evidence_details"]
        details.update(submission_count=details["submission_count"] + 1, submission_method="manual")
    world.events.updated("charge.dispute.updated", dispute, before)
    return disputes.submit(world, dispute) if submits else dispute


def close_dispute(world: World, call: Call) -> Doc:
    """`POST /v1/disputes/{id}/close`: the account gives in, and the dispute is lost."""
    return disputes.close(world, world.store.get("dispute", call.id), "lost")


def _retrieve(kind: str) -> Any:
    return lambda world, call: world.store.get(kind, call.id)


def _find(kind: str, url: str, *names: str) -> Any:
    """A list filtered by equality of `names` and by `created`."""

    def find(world: World, call: Call) -> Doc:
        narrow = {name: call.params[name] for name in names if name in call.params}
        rows = (
            doc
            for doc in world.store[kind].newest_first(narrow, call.params.get("starting_after"))
            if all(doc[name] == value for name, value in narrow.items())
            and pages.in_range(doc["created"], call.params.get("created"))
        )
        return pages.page(rows, call.params, url)

    return find


HANDLERS = {
    "refund_create": create_refund,
    "refund_retrieve": _retrieve("refund"),
    "refund_list": _find("refund", "/v1/refunds", "charge", "payment_intent"),
    "refund_update": update_refund,
    "refund_cancel": cancel_refund,
    "credit_note_create": create_credit_note,
    "credit_note_preview": preview_credit_note,
    "credit_note_preview_lines_list": preview_lines,
    "credit_note_retrieve": _retrieve("credit_note"),
    "credit_note_update": update_credit_note,
    "credit_note_void_credit_note": void_credit_note,
    "credit_note_line_item_list": list_note_lines,
    "credit_note_list": _find("credit_note", "/v1/credit_notes", "invoice", "customer"),
    "dispute_retrieve": _retrieve("dispute"),
    "dispute_list": _find("dispute", "/v1/disputes", "charge", "payment_intent"),
    "dispute_update": update_dispute,
    "dispute_close": close_dispute,
}
