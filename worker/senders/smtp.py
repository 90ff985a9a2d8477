"""The mail server: its address, a connection to it, and what its refusals mean.

A password never crosses a network in the clear: outside of this machine a login needs TLS.
"""

from __future__ import annotations

import asyncio
import re
import ssl
from contextlib import suppress
from dataclasses import dataclass, field
from email.headerregistry import Address
from typing import TYPE_CHECKING, Final, Self
from urllib.parse import unquote, urlsplit

import aiosmtplib

from sync.notices import Trouble
from worker.config_rules import LOOPBACK
from worker.senders.addresses import address_of

if TYPE_CHECKING:
    from worker.config import Settings

SUBMISSION_PORT: Final = 587
TLS_PORT: Final = 465
# 530 asks for a login first, and an enhanced status 5.7 is about policy, such as relaying: the operator's
# to put right, not a fault of the address.
_OURS: Final = re.compile(r"5\.7\.\d+\b")
_LOGIN_FIRST: Final = 530
# Whatever goes wrong between us and the server; ValueError is an address that cannot be said to it.
MAIL_ERRORS: Final = (aiosmtplib.SMTPException, OSError, TimeoutError, ValueError)


@dataclass(frozen=True, slots=True)
class MailServer:
    """Where e-mails are handed over. `tls` from the first byte; otherwise STARTTLS where it is offered."""

    host: str
    port: int
    tls: bool
    domain: str
    username: str | None = None
    password: str | None = field(default=None, repr=False)

    @classmethod
    def parse(cls, url: str, domain: str) -> Self:
        """From `smtp://user:password@host:port` or `smtps://...`; `domain` is what we call ourselves."""
        parts = urlsplit(url)
        tls = parts.scheme == "smtps"
        return cls(
            host=parts.hostname or "",
            port=parts.port or (TLS_PORT if tls else SUBMISSION_PORT),
            tls=tls,
            domain=domain,
            username=None if parts.username is None else unquote(parts.username),
            password=None if parts.password is None else unquote(parts.password),
        )

    @property
    def is_local(self) -> bool:
        """Whether it is on this machine, where nobody listens in and certificates name nobody."""
        return self.host in LOOPBACK

    def client(self, timeout_seconds: float) -> aiosmtplib.SMTP:
        """A client that is not connected yet."""
        needs_tls = self.username is not None and not self.is_local
        return aiosmtplib.SMTP(
            hostname=self.host,
            port=self.port,
            username=self.username,
            password=self.password or "" if self.username is not None else None,
            local_hostname=self.domain,
            timeout=timeout_seconds,
            use_tls=self.tls,
            start_tls=False if self.tls else True if needs_tls else None,
            validate_certs=not self.is_local,
        )


def mail_of(settings: Settings) -> tuple[MailServer, Address] | None:
    """The mail server of the settings and our address there; None where none is set, and notices wait."""
    if settings.smtp_url is None or settings.mail_from is None:
        return None
    sender = address_of(settings.mail_from)
    return MailServer.parse(settings.smtp_url.get_secret_value(), sender.domain), sender


async def open_connection(server: MailServer, seconds: float) -> aiosmtplib.SMTP:
    """A connection, greeted, made safe and logged in, all of it within `seconds`. Raises MAIL_ERRORS."""
    client = server.client(seconds)
    try:
        async with asyncio.timeout(seconds):
            await client.connect()
    except BaseException:
        client.close()
        raise
    return client


async def close_connection(client: aiosmtplib.SMTP, seconds: float) -> None:
    """Take leave of the server, if it still listens."""
    try:
        with suppress(*MAIL_ERRORS):
            async with asyncio.timeout(seconds):
                await client.quit()
    finally:
        client.close()


def trouble_of(error: Exception) -> Trouble:
    """What a failed try means: final only where the server says for good that this mail cannot be taken."""
    if isinstance(error, aiosmtplib.SMTPRecipientsRefused):
        return trouble_of(error.recipients[0])
    if isinstance(error, aiosmtplib.SMTPRecipientRefused | aiosmtplib.SMTPDataError):
        ours = error.code == _LOGIN_FIRST or _OURS.match(error.message) is not None
        return _answered(error, final=500 <= error.code < 600 and not ours)
    if isinstance(error, aiosmtplib.SMTPResponseException):
        return _answered(error, final=False)
    if isinstance(error, aiosmtplib.SMTPNotSupported):
        return Trouble("not_supported", f"the mail server cannot do this: {error}", final=True)
    if isinstance(error, ValueError) and not isinstance(error, OSError):
        return Trouble("bad_address", f"the address cannot be said to a mail server: {error}", final=True)
    if isinstance(error, TimeoutError):
        return Trouble("timed_out", "the mail server did not answer in time")
    if isinstance(error, ssl.SSLError):
        return Trouble("tls_failed", f"no safe connection to the mail server: {error}")
    return Trouble("disconnected", f"no connection to the mail server: {error}")


def _answered(error: aiosmtplib.SMTPResponseException, *, final: bool) -> Trouble:
    return Trouble(f"smtp_{error.code}", f"{error.code} {error.message}", final)


def is_connection_usable(error: Exception) -> bool:
    """Whether the next mail can go over the connection on which this happened."""
    answered = (
        aiosmtplib.SMTPRecipientsRefused,
        aiosmtplib.SMTPDataError,
        aiosmtplib.SMTPSenderRefused,
        aiosmtplib.SMTPNotSupported,
    )
    return isinstance(error, answered) and getattr(error, "code", 0) != 421
