"""A real mail server on this machine for the tests, with the moods of real ones, and sample notices."""

from __future__ import annotations

import asyncio
import email
import email.policy
import logging
import socket
import ssl
import warnings
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from email.message import EmailMessage
from typing import Any, cast

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from sync.billing import Billing
from sync.gateway import Gateway
from sync.mirror import Mirror
from sync.notice_kinds import NoticeKind
from sync.rules import catalog, policy
from sync.store import notices
from sync.store.db import Executor, Pool
from sync.store.notices import NoticeRow
from tests.support.patience import SURELY_SECONDS
from worker.billing import ClosedGateway
from worker.senders.addresses import address_of
from worker.senders.mailer import Mailer, Patience
from worker.senders.smtp import MailServer

REQUEST: dict[str, Any] = {
    "account_name": "Acme",
    "request_id": "req_1",
    "wish": {"tier": "plus", "contact_limit": 5000, "add_ons": {"sms": 0, "dialer": 2}, "interval": "month"},
    "cancel": None,
    "effective": "renewal",
    "reason": "We are fewer now.\nAnd it is winter.",
    "note": "Gladly.",
    "losses": [
        {"dimension": "tier", "before": "pro", "after": "plus", "name": None},
        {"dimension": "seats", "before": 5, "after": 3, "name": "included"},
        {"dimension": "add_ons", "before": 2, "after": 0, "name": "sms"},
    ],
    "expires_at": "2026-12-01T08:00:00Z",
}
COSTS: dict[str, Any] = {
    "quote_id": "quo_1",
    "currency": "eur",
    "due_today_minor": 123456,
    "from_now_on_minor": 98700,
    "from_now_on_interval": "year",
}
USAGE: dict[str, Any] = {"account_name": "Acme", "dimension": "contacts", "in_use": 4100, "limit": 5000}
# What each kind is stored with.
SAMPLES: dict[NoticeKind, dict[str, Any]] = {
    **{kind: REQUEST for kind in NoticeKind if kind.startswith("request_")},
    NoticeKind.REQUEST_NEEDS_CONFIRM: REQUEST | COSTS,
    **{kind: USAGE | {"percent": int(kind[6:])} for kind in NoticeKind if kind.startswith("usage_")},
    NoticeKind.DECREASE_DOES_NOT_FIT: USAGE
    | {"in_use": 6100, "effective_on": "2026-12-01T00:00:00Z", "days": 7},
}


INSERT_ACCOUNT = """
INSERT INTO account (id, email, name, locale, currency, primary_admin_user_id, primary_admin_email)
VALUES ('acme', 'billing@acme.example', 'Acme', 'en', 'usd', 'ada', 'ada@acme.example')
"""


def billing_on(pool: Pool, support_email: str | None = "help@prorata.example") -> Billing:
    """What the mailer needs of the flows: no Stripe."""
    return Billing(
        pool=pool,
        gateway=cast("Gateway", ClosedGateway()),
        catalog=catalog.packaged(),
        policy=policy.packaged(),
        mirror=Mirror(),
        support_email=support_email,
    )


def mailer_on(pool: Pool, url: str, patience: Patience | None = None) -> Mailer:
    """A mailer that hands over to the server at `url`."""
    sender = address_of("Prorata <billing@prorata.example>")
    return Mailer(billing_on(pool), MailServer.parse(url, sender.domain), sender, patience)


async def store(conn: Executor, key: str, recipient: str = "ada@acme.example", **other: Any) -> None:
    """A stored notice of the account `acme`."""
    kind = other.pop("kind", NoticeKind.REQUEST_DECLINED)
    given: dict[str, Any] = {"account_id": "acme", "kind": kind, "locale": "en", "data": SAMPLES[kind]}
    await notices.add(conn, key, recipient=recipient, **given | other)


async def only(conn: Executor, key: str) -> NoticeRow:
    """The stored notice with this key."""
    row = await notices.get(conn, key)
    assert row is not None
    return row


# The server writes down what it hears, and would speak for the client in the test's logs.
logging.getLogger("mail.log").setLevel(logging.CRITICAL)

Answer = Callable[[Envelope], Awaitable[str]]


async def accept(_: Envelope) -> str:
    return "250 OK"


@dataclass
class Mailbox:
    """What arrived, oldest first. `on_recipient` and `on_data` are how the server answers."""

    url: str = ""
    taken: list[tuple[str, bytes]] = field(default_factory=list)
    came: asyncio.Event = field(default_factory=asyncio.Event)
    on_recipient: Callable[[str], str] = lambda address: "250 OK"
    on_data: Answer = accept
    logins: list[tuple[bytes, bytes]] = field(default_factory=list)
    was_encrypted: list[bool] = field(default_factory=list)

    async def handle_RCPT(
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, _options: list[str]
    ) -> str:
        answer = self.on_recipient(address)
        if answer.startswith("250"):
            envelope.rcpt_tos.append(address)
        return answer

    async def handle_DATA(self, _server: SMTP, session: Session, envelope: Envelope) -> str:
        answer = await self.on_data(envelope)
        if answer.startswith("250"):
            assert isinstance(envelope.content, bytes)
            self.taken.append((", ".join(envelope.rcpt_tos), envelope.content))
            self.was_encrypted.append(session.ssl is not None)
            self.came.set()
        return answer

    async def until(self, count: int, seconds: float = SURELY_SECONDS) -> None:
        """Return once so many have arrived."""
        async with asyncio.timeout(seconds):
            while len(self.taken) < count:
                self.came.clear()
                await self.came.wait()

    @property
    def arrived(self) -> list[EmailMessage]:
        """The mails, read; `X-Envelope-To` is whom the server was told to bring it to."""
        return [_read(*each) for each in self.taken]


def _read(recipients: str, content: bytes) -> EmailMessage:
    message = email.message_from_bytes(content, policy=email.policy.default)
    message["X-Envelope-To"] = recipients
    return message


@asynccontextmanager
async def mail_server(
    *, tls: ssl.SSLContext | None = None, password: str | None = None, port: int = 0
) -> AsyncIterator[Mailbox]:
    """A server in this event loop; with `tls` it offers STARTTLS, with `password` it wants a login."""
    box = Mailbox()

    def login(
        _server: SMTP, _session: Session, _envelope: Envelope, _how: str, who: LoginPassword
    ) -> AuthResult:
        box.logins.append((who.login, who.password))
        right = who.password == (password or "").encode()
        return AuthResult(success=right, handled=right)  # not handled: the server says 535

    def session() -> SMTP:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that a password without TLS is unwise: we know
            return SMTP(
                box,
                hostname="mail.test",
                enable_SMTPUTF8=True,
                tls_context=tls,
                authenticator=login if password else None,
                auth_required=password is not None,
                auth_require_tls=tls is not None,
                loop=asyncio.get_running_loop(),
            )

    server = await asyncio.get_running_loop().create_server(session, "127.0.0.1", port)
    number = server.sockets[0].getsockname()[1]
    box.url = f"smtp://127.0.0.1:{number}"
    try:
        yield box
    finally:
        server.close()


def closed_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def text_of(message: EmailMessage, kind: str = "plain") -> str:
    """The plain text, or with `html` the HTML."""
    part = message.get_body((kind,))
    assert part is not None
    return str(part.get_content()).replace("\r\n", "\n")
