"""The doctor's look at e-mail: does the server take us in, and does anything lie about unsent."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sync.store import notices
from sync.store.db import Pool
from worker.findings import Area, Finding, Status

if TYPE_CHECKING:
    from worker.config import Settings

CONNECT_SECONDS: Final = 5.0


async def server(settings: Settings) -> Finding:
    """Connects, logs in, sends nothing. A mail server that is away is a warning: billing goes on."""
    from worker.senders.smtp import MAIL_ERRORS, close_connection, mail_of, open_connection, trouble_of

    found = mail_of(settings)
    if found is None:
        return _warning(
            "not set: e-mails are stored, and none is sent", "set PRORATA_SMTP_URL and PRORATA_MAIL_FROM"
        )
    mail_server, _ = found
    try:
        client = await open_connection(mail_server, CONNECT_SECONDS)
    except MAIL_ERRORS as error:
        return _warning(trouble_of(error).text, "look at PRORATA_SMTP_URL and at the mail server")
    await close_connection(client, CONNECT_SECONDS)
    return Finding("mail", Area.SETTINGS, Status.OK, f"{mail_server.host}:{mail_server.port} takes us in")


async def backlog(pool: Pool) -> Finding:
    """What was given up waits for a person."""
    found = await notices.backlog(pool)
    said = f"{found.waiting} e-mails wait, {found.given_up} were given up"
    if found.given_up:
        return Finding("e-mails", Area.DATABASE, Status.WARN, said, "`prorata notices list --failed`")
    return Finding("e-mails", Area.DATABASE, Status.OK, said)


def _warning(found: str, advice: str) -> Finding:
    return Finding("mail", Area.SETTINGS, Status.WARN, found, advice)
