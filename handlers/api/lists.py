"""How every list is answered."""

from __future__ import annotations

from collections.abc import Sequence

from handlers.registry import Answer


def page(found: tuple[Sequence[dict[str, object]], bool]) -> Answer:
    """Return one page of a list: `{"data": [...], "has_more": bool}`."""
    entries, has_more = found
    return Answer.json({"data": list(entries), "has_more": has_more})
