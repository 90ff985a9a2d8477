"""What an account's id, a user's id and an address look like, whichever door they come in through.

An account's id is a part of addresses, so one that does not fit here could never be asked for again.
"""

from __future__ import annotations

import re
from typing import Final

LONGEST_ID: Final = 200
LONGEST_NAME: Final = 200
LONGEST_EMAIL: Final = 320
# Visible ASCII without a slash, and something to read in it.
ACCOUNT_ID: Final = r"^[!-.0-~]*[A-Za-z0-9][!-.0-~]*$"
EMAIL: Final = r"^[^\s@]+@[^\s@]+$"


def is_account_id(text: str) -> bool:
    """Say whether the API can address an account by this id."""
    return len(text) <= LONGEST_ID and re.fullmatch(ACCOUNT_ID, text) is not None


def is_user_id(text: str) -> bool:
    """Say whether this may name a person of the host application."""
    return 0 < len(text) <= LONGEST_ID and is_printable(text)


def is_email(text: str) -> bool:
    """Say whether mail could be sent there, as far as the form tells."""
    return len(text) <= LONGEST_EMAIL and re.fullmatch(EMAIL, text) is not None and is_printable(text)


def is_printable(text: str) -> bool:
    """Say whether a text is free of control characters."""
    return not any(_is_control(character) for character in text)


def printable(text: str) -> str:
    """Return the text with spaces in the place of its control characters."""
    return "".join(" " if _is_control(character) else character for character in text)


def _is_control(character: str) -> bool:
    return ord(character) < 32 or ord(character) == 127
