"""The mail server's address, safety of the connection, and what its answers mean."""

from __future__ import annotations

import ssl
from pathlib import Path

import aiosmtplib
import pytest

from sync.store.db import Pool
from tests.worker.mail import INSERT_ACCOUNT, closed_port, mail_server, mailer_on, only, store
from worker.config import ConfigError, Settings
from worker.doctor_mail import backlog, server
from worker.findings import Status
from worker.senders.smtp import MailServer, trouble_of


@pytest.fixture
def certificate() -> ssl.SSLContext:
    """A server's certificate for `localhost` that no authority has signed; its key protects nothing."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(Path(__file__).parent / "mail_server.pem")
    return context


@pytest.fixture
async def pool(pool: Pool) -> Pool:
    """With one notice that waits."""
    await pool.execute(INSERT_ACCOUNT)
    await store(pool, "k1")
    return pool


def settings(url: str | None) -> Settings:
    """Settings that name a mail server, or none."""
    from pydantic import SecretStr

    secret = SecretStr(url) if url else None
    return Settings.model_construct(smtp_url=secret, mail_from="billing@prorata.example")


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("smtp://mail.example", ("mail.example", 587, False, None, None)),
        ("smtps://mail.example", ("mail.example", 465, True, None, None)),
        ("smtp://mail.example:25/", ("mail.example", 25, False, None, None)),
        ("smtps://a%40b:p%2Fw%3A@[::1]:1", ("::1", 1, True, "a@b", "p/w:")),
    ],
)
def test_address_is_read(url: str, expected: tuple[object, ...]) -> None:
    """Ports of submission by default; user and password may hold any character, percent-encoded."""
    found = MailServer.parse(url, "prorata.example")

    assert (found.host, found.port, found.tls, found.username, found.password) == expected
    assert "p/w" not in repr(found)


@pytest.mark.parametrize(
    ("url", "start_tls", "validates"),
    [
        ("smtp://mail.example", None, True),
        ("smtp://u:p@mail.example", True, True),
        ("smtp://u:p@127.0.0.1", None, False),
        ("smtps://u:p@mail.example", False, True),
    ],
)
def test_password_needs_tls(url: str, start_tls: bool | None, validates: bool) -> None:
    """Elsewhere a login is made over TLS or not at all; on this machine there is nobody to listen in."""
    client = MailServer.parse(url, "prorata.example").client(1)

    assert (client._start_tls_on_connect, client.validate_certs) == (start_tls, validates)


async def test_connection_is_made_safe_where_offered(pool: Pool, certificate: ssl.SSLContext) -> None:
    """STARTTLS, then the login."""
    async with mail_server(tls=certificate, password="pass:word") as box:
        url = box.url.replace("//", "//prorata:pass%3Aword@")
        await mailer_on(pool, url).run_once()

    assert box.was_encrypted == [True]
    assert box.logins == [(b"prorata", b"pass:word")]


async def test_wrong_password_is_for_the_operator(pool: Pool) -> None:
    """No notice is given up for it, and the doctor says it."""
    async with mail_server(password="right") as box:
        url = box.url.replace("//", "//prorata:wrong@")
        await mailer_on(pool, url).run_once()
        finding = await server(settings(url))

    row = await only(pool, "k1")
    assert (row.given_up_at, finding.status) == (None, Status.WARN)
    assert "535" in (row.last_error or "")
    assert "535" in finding.found
    assert "wrong" not in finding.found + (row.last_error or "")


RCPT = aiosmtplib.SMTPRecipientRefused


@pytest.mark.parametrize(
    ("error", "code", "final"),
    [
        (aiosmtplib.SMTPRecipientsRefused([RCPT(550, "5.1.1 unknown", "a@b.c")]), "smtp_550", True),
        (aiosmtplib.SMTPRecipientsRefused([RCPT(553, "no", "a@b.c")]), "smtp_553", True),
        (aiosmtplib.SMTPRecipientsRefused([RCPT(450, "4.2.0 busy", "a@b.c")]), "smtp_450", False),
        (aiosmtplib.SMTPRecipientsRefused([RCPT(554, "5.7.1 relaying", "a@b.c")]), "smtp_554", False),
        (aiosmtplib.SMTPRecipientsRefused([RCPT(530, "login first", "a@b.c")]), "smtp_530", False),
        (aiosmtplib.SMTPDataError(554, "5.6.0 rejected"), "smtp_554", True),
        (aiosmtplib.SMTPDataError(451, "later"), "smtp_451", False),
        (aiosmtplib.SMTPSenderRefused(550, "who are you", "x@y.z"), "smtp_550", False),
        (aiosmtplib.SMTPAuthenticationError(535, "no"), "smtp_535", False),
        (aiosmtplib.SMTPNotSupported("SMTPUTF8"), "not_supported", True),
        (aiosmtplib.SMTPReadTimeoutError("x"), "timed_out", False),
        (TimeoutError(), "timed_out", False),
        (aiosmtplib.SMTPServerDisconnected("x"), "disconnected", False),
        (ConnectionRefusedError("x"), "disconnected", False),
        (ssl.SSLError("x"), "tls_failed", False),
        (ValueError("x"), "bad_address", True),
    ],
)
def test_what_an_error_means(error: Exception, code: str, final: bool) -> None:
    """Final is what the server says for good about this address or this mail; all else is tried again."""
    trouble = trouble_of(error)

    assert (trouble.code, trouble.final) == (code, final)


async def test_doctor_without_a_mail_server() -> None:
    """Stored and not sent: a warning with what to set."""
    finding = await server(settings(None))

    assert finding.status is Status.WARN
    assert "stored, and none is sent" in finding.found
    assert "PRORATA_SMTP_URL" in (finding.advice or "")


async def test_doctor_looks_at_the_server() -> None:
    """It is greeted and left again; one that is away is a warning."""
    async with mail_server() as box:
        well = await server(settings(box.url))
    away = await server(settings(f"smtp://127.0.0.1:{closed_port()}"))

    assert (well.status, away.status) == (Status.OK, Status.WARN)
    assert box.arrived == []


async def test_doctor_counts_what_was_given_up(pool: Pool) -> None:
    """With the command that lists it."""
    assert (await backlog(pool)).found == "1 e-mails wait, 0 were given up"
    await pool.execute("UPDATE notice SET given_up_at = now()")
    finding = await backlog(pool)

    assert (finding.status, finding.advice) == (Status.WARN, "`prorata notices list --failed`")


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("PRORATA_SMTP_URL", "smtp://"),
        ("PRORATA_SMTP_URL", "smtp://mail.example:port"),
        ("PRORATA_MAIL_FROM", "billing"),
        ("PRORATA_MAIL_FROM", "a@b.c, d@e.f"),
        ("PRORATA_SUPPORT_EMAIL", "Support <support@acme.example>"),
        ("PRORATA_SUPPORT_EMAIL", "support@acme.example\nBcc: x@y.z"),
    ],
)
def test_wrong_settings_are_refused_at_the_start(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str, text: str
) -> None:
    """Not found out by the first mail."""
    monkeypatch.chdir(tmp_path)
    for variable, value in {
        "PRORATA_SMTP_URL": "smtp://mail.example", "PRORATA_MAIL_FROM": "Prorata <b@p.example>", name: text,
    }.items():  # fmt: skip
        monkeypatch.setenv(variable, value)
    with pytest.raises(ConfigError) as caught:
        Settings.for_command("demo")
    assert [problem.split(":")[0] for problem in caught.value.problems] == [name]
