"""Change requests as text for people: what is asked for, what is lost, and what either timing would cost."""

from __future__ import annotations

from typing import Any

from worker.cli.render import field_line, money_text, terms_text

_TIMINGS = {"now": "if approved now", "renewal": "if at renewal"}
_FIELDS = (
    ("asked by", "actor"),
    ("because", "reason"),
    ("reach them at", "contact_email"),
    ("decided by", "decided_by"),
    ("for", "decided_effective"),
    ("note", "note"),
    ("change", "change_id"),
    ("open until", "expires_at"),
)


def wish_text(request: dict[str, Any]) -> str:
    """What is asked for, on one line."""
    if request["cancel"] is not None:
        return "to end with the period" if request["cancel"] else "to stay"
    parts = []
    for name, value in (request["terms"] or {}).items():
        many = [f"{each}={count}" for each, count in value.items()] if isinstance(value, dict) else None
        parts += many if many is not None else [f"{name}={value}"]
    return " ".join(parts)


def request_text(request: dict[str, Any]) -> str:
    """A request with what is lost, both dry runs while it waits, and what became of it."""
    lines = [
        field_line("request", request["id"]),
        field_line("account", request["account_id"]),
        field_line("state", request["state"]),
        field_line("wants", f"{wish_text(request)}, {_when(request['effective'])}"),
    ]
    lines += [field_line(label, str(request[name])) for label, name in _FIELDS if request[name]]
    for loss in request["losses"]:
        lines.append(field_line("LOSES", f"{loss['dimension']}: {loss['before']} -> {loss['after']}"))
    for timing, run in (request["dry_run"] or {}).items():
        lines += ["", *_run(_TIMINGS[timing], run)]
    if request["quote"]:
        lines += ["", field_line("the admin's quote", request["quote"]["id"])]
        lines += _run("to be confirmed", request["quote"])
    if request["change"]:
        lines += ["", field_line("became", f"{request['change']['id']} ({request['change']['state']})")]
    return "\n".join(lines)


def outcome_text(request: dict[str, Any], effective: str) -> str:
    """What an approval for this timing would do, in one sentence."""
    run = (request["dry_run"] or {}).get(str(effective)) or request["quote"]
    if run is None:
        return "It is open."
    if run["refusals"]:
        return f"It would be refused: {run['refusals'][0]['detail']}"
    due, balance = run["due_today"], run["to_balance"]
    if due and due["amount_minor"]:
        return f"The admin would be asked to confirm {money_text(due)}."
    if balance and balance["amount_minor"]:
        return f"It would happen now, and move {money_text(balance)} on the customer's balance."
    return f"It would happen {_when(str(effective))}, and cost nothing today."


def _run(title: str, run: dict[str, Any]) -> list[str]:
    if run["refusals"]:
        return [field_line(title, f"REFUSED {each['code']}: {each['detail']}") for each in run["refusals"]]
    lines = [field_line(title, f"{money_text(run['due_today'])} charged today")]
    if run["to_balance"] and run["to_balance"]["amount_minor"]:
        lines.append(field_line("", f"{money_text(run['to_balance'])} to the balance"))
    for label, name in (("would buy", "now"), ("after renewal", "at_renewal")):
        if run[name]:
            lines.append(field_line(label, terms_text(run[name])))
    if run["from_now_on"]:
        each = run["from_now_on"]
        lines.append(field_line("total from now on", f"{money_text(each['amount'])} per {each['interval']}"))
    if run["next_invoice"]:
        each = run["next_invoice"]
        lines.append(field_line("next invoice", f"{money_text(each['amount'])} on {each['on'][:10]}"))
    return lines


def _when(effective: str) -> str:
    return "at the renewal" if effective == "renewal" else "now"
