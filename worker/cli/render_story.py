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
    for change in story["changes"]:
        lines += ["", *_change_lines(change, account["currency"])]
    lines.append("")
    lines += [_happening_line(each, account["currency"]) for each in story["story"]] or [
        "nothing has happened"
    ]
    return "\n".join(lines)


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


_TELLERS: dict[str, Callable[[dict[str, Any], str], str]] = {
    "quote": _quote,
    "call": _call,
    "step": _step,
    "event": _event,
}


def moment(value: datetime | str) -> str:
    """A moment to the millisecond, in UTC: the order of things within a second matters here."""
    at = datetime.fromisoformat(value) if isinstance(value, str) else value
    return at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S.%f")[:-3]


def _money(minor: int | None, currency: str) -> str:
    return "-" if minor is None else format_minor(minor, currency)
