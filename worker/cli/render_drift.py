"""Findings as text for people: what is wrong, since when, and the exact calls that would put it right."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from worker.cli.output import emit_rows
from worker.cli.render import field_line, terms_text

COLUMNS = ("id", "kind", "severity", "account_id", "object_id", "about", "state", "age", "suggestion")
_DAY, _HOUR, _MINUTE = 86_400, 3_600, 60
_FIELDS = (
    ("account", "account_id"),
    ("about", "about"),
    ("decided by", "decided_by"),
    ("because", "reason"),
    ("decided", "decided_at"),
    ("over", "closed_at"),
)


def emit_list(findings: Iterable[dict[str, Any]]) -> None:
    """Print a line for each on stdout."""
    emit_rows([_row(each) for each in findings], COLUMNS, as_json=False)


def _row(finding: dict[str, Any]) -> dict[str, Any]:
    age, side = age_text(finding["age_seconds"]), finding["suggestion"]["side"]
    return {**finding, "age": age, "suggestion": side}


def age_text(seconds: int) -> str:
    """How long, in the largest unit: `3d`, `5h`, `12m`, `40s`."""
    for unit, name in ((_DAY, "d"), (_HOUR, "h"), (_MINUTE, "m")):
        if seconds >= unit:
            return f"{seconds // unit}{name}"
    return f"{seconds}s"


def finding_text(finding: dict[str, Any]) -> str:
    """A finding with what was expected and found, what is suggested, and what was done."""
    lines = [
        field_line("finding", f"{finding['id']} ({finding['state']})"),
        field_line("kind", f"{finding['kind']} ({finding['severity']}): {finding['says']}"),
        field_line("object", finding["object_id"]),
    ]
    lines += [field_line(label, str(finding[name])) for label, name in _FIELDS if finding[name]]
    lines += [
        field_line("expected", _value(finding["expected"])),
        field_line("found", _value(finding["found"])),
        field_line("digest", finding["digest"]),
        field_line("first seen", f"{finding['first_seen_at']} ({age_text(finding['age_seconds'])} ago)"),
        field_line("last seen", f"{finding['last_seen_at']} ({finding['times_seen']} times)"),
        field_line("suggested", f"{finding['suggestion']['side']}: {finding['suggestion']['what']}"),
        field_line("may win", ", ".join(finding["suggestion"]["sides"])),
    ]
    for each in finding["repairs"]:
        outcome = each["outcome"] or "under way"
        done = f"{each['side']} by {each['actor']} at {each['created_at']}: {outcome}. {each['detail'] or ''}"
        lines.append(field_line("repair", done.rstrip()))
    if finding.get("dry_run"):
        lines += ["", dry_run_text(finding["dry_run"])]
    return "\n".join(lines)


def dry_run_text(run: dict[str, Any]) -> str:
    """What a repair would do, call by call; nothing of it has happened."""
    if run["refusal"]:
        return field_line("no repair", f"{run['refusal']['code']}: {run['what']}")
    lines = [field_line("dry run", f"{run['side']}: {run['what']}")]
    for call in run["calls"]:
        lines.append(field_line("would send", f"{call['method']} {call['path']}"))
        lines += [f"    {line}" for line in json.dumps(call["body"], indent=2).splitlines()]
    if run["terms"]:
        for label, name in (("bought so far", "before"), ("bought then", "after")):
            terms = run["terms"][name]
            lines.append(field_line(label, terms_text(terms) if terms else "not known"))
    if not run["calls"] and not run["terms"]:
        lines.append(field_line("would send", "nothing"))
    lines += [field_line("note", warning) for warning in run["warnings"]]
    lines.append(field_line("digest", run["digest"]))
    return "\n".join(lines)


def _value(value: Any) -> str:
    return "nothing" if value is None else json.dumps(value, sort_keys=True)
