"""An explanation of the policy as text for people."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from worker.cli.render import field_line, terms_text

if TYPE_CHECKING:
    from sync.rules.planner import Decided
    from sync.rules.policy_explain import Explanation

_OUTCOMES: Final = {
    "now": "the admin confirms it, and it takes effect now",
    "at_renewal": "the admin confirms it, and it takes effect at the next renewal",
    "now_and_at_renewal": "the admin confirms it: one part takes effect now, the other at the next renewal",
    "by_request": "a quote refuses it; it goes through a change request that support decides",
    "refused": "it is refused, whoever asks",
    "nothing_to_change": "nothing would change",
}
_DECISIONS: Final = {
    "self_serve_now": "self-serve, now",
    "self_serve_at_renewal": "self-serve, at the next renewal",
    "by_request": "by request",
    "refused": "refused",
}
_MOMENTS: Final = {"now": "now", "renewal": "at the next renewal"}


def explanation_text(found: Explanation) -> str:
    """Each difference with its decision and reason, then what becomes of the whole."""
    told = [
        field_line("from", terms_text(found.current.to_json() if found.current else None)),
        field_line("to", terms_text(found.wanted.to_json())),
    ]
    for part in found.plan.differences:
        told += ["", *_part(part)]
    told += ["", *(field_line("refused because", problem.detail) for problem in found.plan.refusals)]
    if found.plan.now:
        told.append(field_line("would buy now", terms_text(found.plan.now.to_json())))
    if found.plan.at_renewal:
        told.append(field_line("after renewal", terms_text(found.plan.at_renewal.to_json())))
    return "\n".join([*told, field_line("summary", _OUTCOMES[found.outcome])])


def _part(part: Decided) -> list[str]:
    difference, rule = part.difference, part.rule
    what = f"add-on {difference.add_on}" if difference.add_on else str(difference.dimension)
    before = "nothing" if difference.before is None else difference.before
    return [
        f"{what}: {before} -> {difference.after}  ({difference.direction})",
        field_line("  decision", _DECISIONS[rule.decision]),
        field_line("  when", _when(part)),
        field_line("  proration", rule.proration_behavior),
        field_line("  payment", rule.payment_behavior or "nothing is invoiced"),
        field_line("  why", rule.reason),
    ]


def _when(part: Decided) -> str:
    if part.effective is not None:
        return _MOMENTS[part.effective]
    moments = [_MOMENTS[moment] for moment in part.rule.on_approval]
    return f"once support approves: {' or '.join(moments)}" if moments else "never"
