"""The story of an id as text: whose it is, where its changes stand, then one line a happening."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from sync.rules.money import format_minor
from worker.cli.render import field_line, terms_text


def story_text(story: dict[str, Any]) -> str:
    """The answer of `sync.story.tell` for a terminal; times are UTC."""
    account = story["account"]
    lines = [field_line("account", f"{account['id']} ({account['name']})")]
    lines.append(field_line("customer", account["stripe_customer_id"] or "-"))
    lines.append(field_line("subscription", account["stripe_subscription_id"] or "-"))
    if account["parked_reason"]:
        lines.append(field_line("PARKED", account["parked_reason"]))
    if story["about"]:
        lines += ["", *_ABOUT[story["kind"]](story["id"], story["about"])]
    for change in story["changes"]:
        lines += ["", *_change_lines(change, account["currency"])]
    lines.append("")
    lines += [_happening_line(each, account["currency"]) for each in story["story"]] or [
        "nothing has happened"
    ]
    return "\n".join(lines)


def _charge_lines(charge_id: str, charge: dict[str, Any]) -> list[str]:
    """What became of the money, and what it was for."""
    money = f"{_money(charge['amount_minor'], charge['currency'])} {charge['status']}"
    if charge["failure_code"]:
        money += f" ({charge['failure_code']})"
    if charge["amount_refunded_minor"]:
        money += f", {_money(charge['amount_refunded_minor'], charge['currency'])} REFUNDED"
    if charge["disputed"]:
        money += ", DISPUTED"
    return [
        field_line("charge", f"{charge_id} of {moment(charge['created_at'])}"),
        field_line("money", money),
        field_line("paid by", charge["stripe_payment_intent_id"] or "-"),
        field_line("invoice", charge["stripe_invoice_id"] or "-"),
    ]


def _intent_lines(intent_id: str, intent: dict[str, Any]) -> list[str]:
    """What is to be collected, and each attempt."""
    failed = f" ({intent['failure_code']})" if intent["failure_code"] else ""
    money = f"{_money(intent['amount_minor'], intent['currency'])} {intent['status']}{failed}"
    return [
        field_line("payment intent", f"{intent_id} of {moment(intent['created_at'])}"),
        field_line("money", money),
        field_line("charges", ", ".join(intent["stripe_charge_ids"]) or "-"),
        field_line("invoice", intent["stripe_invoice_id"] or "-"),
    ]


def _schedule_lines(schedule_id: str, schedule: dict[str, Any]) -> list[str]:
    """Each item of each phase, and what comes after the last one."""
    lines = [
        field_line("schedule", f"{schedule_id} {schedule['status']}, at its end: {schedule['end_behavior']}"),
        field_line("it drives", schedule["stripe_subscription_id"] or "-"),
    ]
    for item in schedule["items"]:
        quantity = f"{item['quantity']} x " if item["quantity"] is not None else ""
        what = f"{quantity}{item['lookup_key'] or item['stripe_price_id']}"
        lines.append(field_line(f"phase {item['phase'] + 1}", f"from {moment(item['start_at'])}: {what}"))
    return lines


_ABOUT: dict[str, Callable[[str, dict[str, Any]], list[str]]] = {
    "charge": _charge_lines,
    "payment_intent": _intent_lines,
    "schedule": _schedule_lines,
}


def _change_lines(change: dict[str, Any], currency: str) -> list[str]:
    """Where one leg stands and whether its money is right."""
    lines = [field_line("change", f"{change['change_id']} ({change['leg'].replace('_', ' ')})")]
    reason = f": {change['reason']}" if change["reason"] else ""
    lines.append(field_line("state", f"{change['state']}{reason}"))
    quoted, charged = (_money(change[name], currency) for name in ("quoted_minor", "charged_minor"))
    money = f"{quoted} quoted, {charged} charged"
    if change["difference_minor"]:
        money += f", DIFFERENCE {_money(change['difference_minor'], currency)}"
    lines.append(field_line("money", money))
    if change["unknown_since"]:
        lines.append(field_line("OUTCOME UNKNOWN", f"since {moment(change['unknown_since'])}"))
    if change["ended_at"] is None:
        lines.append(
            field_line("next try", f"{moment(change['next_attempt_at'])} (tried {change['attempts']} times)")
        )
    return lines


def _happening_line(happening: dict[str, Any], currency: str) -> str:
    tell = _TELLERS[happening["what"]]
    return f"{moment(happening['at'])}  {happening['what']:<5}  {tell(happening, currency)}"


def _quote(happening: dict[str, Any], currency: str) -> str:
    detail = happening["detail"]
    if detail["refusals"]:
        said = f"refused: {detail['refusals'][0]['code']}"
    else:
        said = f"{happening['state']}: {_money(detail['due_today_minor'], detail['currency'])} today"
    terms = f" for {terms_text(detail['terms'])}" if detail["terms"] else ""
    return f"{happening['id']} {said}{terms}, by {detail['actor']}"


def _call(happening: dict[str, Any], currency: str) -> str:
    detail = happening["detail"]
    answer = f"-> {detail['http_status']}" if detail["http_status"] else f"({happening['state']}, no answer)"
    request = f" {detail['stripe_request_id']}" if detail["stripe_request_id"] else ""
    error = f" {detail['error_code']}" if detail["error_code"] else ""
    sends = f", sent {detail['sends']} times" if detail["sends"] > 1 else ""
    return f"{detail['method']} {detail['path']} {answer}{error}{request}{sends}, key {happening['id']}"


def _step(happening: dict[str, Any], currency: str) -> str:
    detail = happening["detail"]
    facts = ", ".join(f"{name} {value}" for name, value in detail["detail"].items() if value is not None)
    return f"{detail['step']} -> {happening['state']}{f' ({facts})' if facts else ''}"


def _event(happening: dict[str, Any], currency: str) -> str:
    detail = happening["detail"]
    tried = f" after {detail['attempts']} tries" if detail["attempts"] else ""
    told = happening["state"] in ("buried", "ignored") or detail["attempts"]
    error = f"{tried}: {detail['last_error']}" if told and detail["last_error"] else ""
    return (
        f"{detail['type']} about {detail['object_id'] or '-'}: {happening['state']}{error}, {happening['id']}"
    )


def _hold(happening: dict[str, Any], currency: str) -> str:
    detail = happening["detail"]
    return f"{happening['state']} {happening['id']}, by {detail['actor']}: {detail['reason']}"


_TELLERS: dict[str, Callable[[dict[str, Any], str], str]] = {
    "quote": _quote,
    "call": _call,
    "step": _step,
    "event": _event,
    "hold": _hold,
}


def moment(value: datetime | str) -> str:
    """A moment to the millisecond, in UTC: the order of things within a second matters here."""
    at = datetime.fromisoformat(value) if isinstance(value, str) else value
    return at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S.%f")[:-3]


def _money(minor: int | None, currency: str) -> str:
    return "-" if minor is None else format_minor(minor, currency)
