"""Who is calling: a bearer token becomes a principal with roles, or a refusal.

API keys are `prk_` and 43 characters from 32 random bytes. Only their SHA-256 is stored: the token has full
entropy, so a slow password hash would protect nothing. Identity tokens of a host application will become
principals of another kind with an account of their own; that is why `Principal` has room for one.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from sync.errors import Code, ProrataError
from sync.store import api_keys
from sync.store.db import Pool

TOKEN_PREFIX: Final = "prk_"  # noqa: S105  the public mark of our keys, so that scanners can find leaked ones
_BEARER: Final = re.compile(r"bearer +([!-~]{1,4096})", re.IGNORECASE)


class Role(StrEnum):
    """What a caller is trusted with."""

    AUTOMATION = "automation"
    """The product's back end and scripts: quotes and confirms in the name of a named admin."""
    SUPPORT = "support"
    """People who help customers: they read and quote, and never confirm."""
    FINANCE = "finance"
    """People who check what was billed: they read."""
    ONCALL = "oncall"
    """People who keep it running: they read."""


EVERYBODY: Final = frozenset(Role)


class PrincipalKind(StrEnum):
    """How a caller proved who it is."""

    API_KEY = "api_key"
    """A key from the table of API keys."""
    BOOTSTRAP = "bootstrap"
    """The key of the environment, which has every role."""


@dataclass(frozen=True, slots=True)
class Principal:
    """A caller that proved who it is. `account_id` None means that it may see every account."""

    kind: PrincipalKind
    id: str
    roles: frozenset[Role]
    account_id: str | None = None

    @property
    def name(self) -> str:
        """Return the one name that logs and stored answers use for this caller."""
        return f"{self.kind}:{self.id}"


class Unauthenticated(ProrataError):
    """Nobody knows who is calling (401)."""


class Forbidden(ProrataError):
    """The caller is known, and its roles do not allow this (403)."""


def new_api_key() -> str:
    """Return a fresh key. It is shown once and stored nowhere."""
    return TOKEN_PREFIX + secrets.token_urlsafe(32)


def hash_api_key(token: str) -> bytes:
    """Return what is stored of a key: its SHA-256, 32 bytes."""
    return hashlib.sha256(token.encode()).digest()


class Authenticator:
    """Turns an `Authorization` header into a principal."""

    def __init__(self, pool: Pool, bootstrap_key: str | None) -> None:
        self._pool = pool
        self._bootstrap_hash = hash_api_key(bootstrap_key) if bootstrap_key else None

    async def principal(self, header: str | None) -> Principal:
        """Return who sent this header. Raises `Unauthenticated`.

        Tokens are compared by their hashes, so the time it takes says nothing about any key.
        """
        token_hash = hash_api_key(_token(header))
        row = await api_keys.find(self._pool, token_hash)
        if row is not None:
            return Principal(PrincipalKind.API_KEY, row.id, frozenset(map(Role, row.roles)))
        if self._bootstrap_hash and hmac.compare_digest(token_hash, self._bootstrap_hash):
            return Principal(PrincipalKind.BOOTSTRAP, "bootstrap", EVERYBODY)
        raise Unauthenticated(
            Code.UNAUTHENTICATED,
            "This API key is unknown or was revoked, so nothing was done. Use a key that is in force.",
        )


def require_role(principal: Principal, allowed: frozenset[Role]) -> None:
    """Raise `Forbidden` unless the principal has one of these roles."""
    if principal.roles & allowed:
        return
    needed = " or ".join(sorted(allowed))
    raise Forbidden(
        Code.FORBIDDEN, f"This needs the role {needed}, which the key does not have. Nothing was done."
    )


def _token(header: str | None) -> str:
    if header is None:
        raise Unauthenticated(
            Code.UNAUTHENTICATED,
            "The request has no Authorization header, so nothing was done."
            " Send `Authorization: Bearer prk_...`.",
        )
    match = _BEARER.fullmatch(header.strip())
    if match is None:
        raise Unauthenticated(
            Code.UNAUTHENTICATED,
            "The Authorization header is not `Bearer` and one token, so nothing was done.",
        )
    return match[1]
