"""Addresses of mail: one person each, and nothing that could be read as a header or a second address."""

from __future__ import annotations

import re
from email.headerregistry import Address
from typing import Final

# Letters of all languages are allowed (RFC 6531); quoted names and comments are not.
_SPECIAL: Final = r"""[^\s@<>(),:;"\\\[\]\x00-\x20\x7f-\x9f]+"""
_BARE: Final = re.compile(f"({_SPECIAL})@({_SPECIAL})")
_NAMED: Final = re.compile(r'"?([^<>"]*)"?\s*<([^<>]+)>')


class BadAddress(Exception):
    """No mail can be addressed to this; the text says why and names nobody."""


def bare_address(text: str) -> Address:
    """An address by itself, as it is said to a mail server. Raises BadAddress."""
    found = _BARE.fullmatch(text)
    if found is None:
        raise BadAddress("it is not one bare address")
    return Address(username=found[1], domain=found[2])


def address_of(text: str) -> Address:
    """`ada@acme.example`, or `Ada <ada@acme.example>`. Raises BadAddress."""
    if not text.isprintable():
        raise BadAddress("it has control characters")
    named = _NAMED.fullmatch(text)
    if named is None:
        return bare_address(text)
    found = bare_address(named[2])
    return Address(display_name=named[1].strip(), username=found.username, domain=found.domain)
