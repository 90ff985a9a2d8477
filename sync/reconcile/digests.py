"""A few letters that stand for what was read or shown: another one when anything of it is something else."""

from __future__ import annotations

import hashlib
from typing import Any

import msgspec


def digest(what: Any) -> str:
    """The digest of anything that is JSON, or a struct; the order of members says nothing."""
    return hashlib.sha256(msgspec.json.encode(what, order="deterministic")).hexdigest()[:16]
