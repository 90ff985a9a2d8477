"""Ids of our own objects: a prefix that tells the kind, then a part that sorts by time."""

from __future__ import annotations

import secrets

from sync import clock

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"  # Crockford's base 32: no i, l, o, u to misread


def new_id(prefix: str) -> str:
    """A fresh id such as `chg_01kb3v9x2m8e6t4q7r5w0ynfgh`: 48 bits of milliseconds, 82 random bits."""
    number = (int(clock.wall().timestamp() * 1000) << 82) | secrets.randbits(82)
    digits = [_ALPHABET[(number >> shift) & 31] for shift in range(125, -1, -5)]
    return f"{prefix}_{''.join(digits)}"
